from tests.support.farms import PATIENCE, Farm, alone, reference, tiny, wait_for

__all__ = ["PATIENCE", "Farm", "alone", "reference", "tiny", "wait_for"]

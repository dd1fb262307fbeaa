from tests.support.farms import PATIENCE, Farm, reference, tiny, wait_for

__all__ = ["PATIENCE", "Farm", "reference", "tiny", "wait_for"]

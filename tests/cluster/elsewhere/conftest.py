from tests.support.farms import alone, reference, tiny

__all__ = ["alone", "reference", "tiny"]

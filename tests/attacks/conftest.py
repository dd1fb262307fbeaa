from tests.api.conftest import checkpoint, farm

__all__ = ["checkpoint", "farm"]

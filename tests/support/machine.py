"""This machine, as the environment of the test says."""

from farm.settings import Settings
from model.settings import ModelSettings


def here() -> ModelSettings:
    """What its owner chose for models, read now."""
    return Settings.from_environment().model

import pytest

import model.families as families
from model.families.helios.renderer import HeliosRenderer
from model.settings import path_variable
from tests.support.helios import SCHEDULERS, helios_folder
from tests.support.machine import here


@pytest.fixture(scope="session")
def renderers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, HeliosRenderer]:
    """Each variant on a small checkpoint."""
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        for family in SCHEDULERS:
            folder = helios_folder(tmp_path_factory.mktemp(family), family)
            patch.setenv(path_variable(family), str(folder))
            found[family] = families.load(family, here())
    return found

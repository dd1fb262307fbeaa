"""What every plug-in has to do."""

from types import ModuleType

from ..loading import load


class PluginContract:
    """Inherit it, and name the module: ``class TestPlugin(PluginContract): module = farm_mine``.

    Attributes:
        module: what the entry point of the package names.
    """

    module: ModuleType

    def test_the_farm_takes_it(self) -> None:
        """The API it was made for, its hooks and all that they give."""
        loaded = load(self.module, self.module.__name__)
        assert any(vars(loaded).values()), "it offers nothing: mark a function of plugins.hookspecs with @hookimpl"

    def test_it_states_the_api_that_it_was_made_for(self) -> None:
        """So that a farm with another one says so, and does not fail later."""
        assert hasattr(self.module, "FARM_PLUGIN_API"), "it has no FARM_PLUGIN_API; write FARM_PLUGIN_API = 1"

"""What there is: plans before they are queued, presets, orders, exporters, plug-ins, models, LoRAs."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from .transport import Json, Transport


class Catalog(Transport):
    """See the module."""

    def plan(self, **params: Any) -> Json:
        """Preview: true length, sections, DAG, bucket and bounds. Parameters as in ``GET /plan``, all optional."""
        return self._json("GET", "/plan", params={k: v for k, v in params.items() if v is not None})

    def presets(self) -> Json:
        """``{"presets": [...], "broken": [...]}``."""
        return self._json("GET", "/presets")

    def save_preset(self, name: str, description: str, values: Mapping[str, Any], prompts: Sequence[str] = ()) -> Json:
        """Save a preset in the farm's home, in place of the caller's own of that name; gives it."""
        form = {"description": description, "values": dict(values), "prompts": list(prompts)}
        return self._json("PUT", f"/presets/{quote(name, safe='')}", json=form)

    def delete_preset(self, name: str) -> None:
        """Remove a preset that was saved."""
        self._send("DELETE", f"/presets/{quote(name, safe='')}")

    def set_default_preset(self, model: str, preset: str | None) -> Json:
        """Have requests for a model that name no preset use this one, or *Default*; gives all presets."""
        return self._json("PATCH", f"/models/{quote(model, safe='')}", json={"preset": preset})

    def orders(self) -> list[Json]:
        return self._list("/orders", "orders")

    def caches(self) -> list[Json]:
        return self._list("/caches", "caches")

    def exporters(self) -> list[Json]:
        return self._list("/exporters", "exporters")

    def post_processors(self) -> list[Json]:
        return self._list("/exporters", "post_processors")

    def plugins(self) -> list[Json]:
        return self._list("/plugins", "plugins")

    def reload_plugins(self) -> list[Json]:
        """Have the farm look again at its plug-ins; gives them."""
        return list(self._json("POST", "/plugins/reload")["plugins"])

    def models(self) -> list[Json]:
        return self._list("/models", "models")

    def loras(self) -> list[Json]:
        """LoRA files that requests can name."""
        return self._list("/loras", "loras")

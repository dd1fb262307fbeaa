"""What is one family's own stands in its rooms, so that another family changes nothing there."""

import re
from pathlib import Path

import model

ROOT = Path(model.__file__).parent
ROOMS = {
    "HunyuanVideo(?!/)|HUNYUAN": ("families/framepack", "transformer", "training", "puppet", "bench", "original.py"),
    "Llama(Model|Config)|CLIPText|SiglipVision": ("families/framepack", "puppet", "bench"),
    "Helios|UMT5|AutoencoderKLWan": ("families/helios", "bench"),
}
"""Classes of a family's models, and where they may be named."""


def code(file: Path) -> str:
    """A file without its comments and docstrings, in which any family may be spoken of."""
    text = re.sub(r'"""(.|\n)*?"""', "", file.read_text(encoding="utf-8"))
    return re.sub(r"(?m)#.*$", "", text)


def test_models_are_named_in_their_own_rooms_only() -> None:
    found = []
    for names, rooms in ROOMS.items():
        for file in ROOT.rglob("*.py"):
            place = file.relative_to(ROOT).as_posix()
            if not place.startswith(rooms) and re.search(names, code(file)):
                found.append(f"{place}: {re.search(names, code(file))}")
    assert not found

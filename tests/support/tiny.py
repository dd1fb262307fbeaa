"""A tiny checkpoint with random weights: the real classes of the family ``puppet``, small enough for any test."""

import dataclasses
import json
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path

SEED = 7
_SOURCES = ("build.py", "codec.py", "prompts.py")


def tiny_checkpoint(path: Path) -> Path:
    """Write the checkpoint folder ``path`` (made if missing, replaced if there) and return it.

    Built once, in about two seconds, then copied; the same bytes every time. Point ``FARM_PUPPET_PATH`` to it.
    """
    shutil.copytree(_built(), path, dirs_exist_ok=True)
    return path


@cache
def _built() -> Path:
    """The folder that copies are made of: built aside, then renamed, so that test processes can share it."""
    from model.checkpoint import write_checksums
    from model.puppet import build as source
    from model.transformer import packed

    files = [*map(Path(source.__file__).with_name, _SOURCES), *Path(packed.__file__).parent.glob("*.py")]
    revision = max(file.stat().st_mtime_ns for file in files)
    target = Path(tempfile.gettempdir()) / f"tiny-puppet-{os.getuid()}-{SEED}-{revision}"
    if not target.exists():
        config = dataclasses.replace(
            source.PuppetConfig(),
            codec_width=16,
            codec_encoder_blocks=1,
            codec_decoder_blocks=1,
            heads=2,
            head_dim=12,
            double_blocks=1,
            single_blocks=2,
            text_dim=16,
            text_layers=1,
            pooled_dim=16,
            image_dim=16,
            image_layers=1,
            vocabulary=300,
        )
        aside = Path(tempfile.mkdtemp(prefix="tiny-puppet-"))
        source.build(config, SEED).save(aside)
        family = json.loads((aside / "family.json").read_text())
        (aside / "family.json").write_text(json.dumps(family | {"title": "Tiny puppet with random weights"}, indent=2))
        write_checksums(aside)
        try:
            aside.rename(target)
        except OSError:  # another process was first
            shutil.rmtree(aside)
    return target

"""Files are the same whatever lay in memory before: an encoder that reads what nobody wrote is found out at once."""

import os
import subprocess
import sys

import pytest

SCRIPT = """
import hashlib, sys
from dataclasses import replace
from pathlib import Path
from plugins.builtin import farm_exporters
from plugins.post.chain import processed
from plugins.post.interpolate import Interpolate
from plugins.post.upscale import Upscale
from tests.plugins.test_exporters import LARGE, frames

found = {each.name: each for each in farm_exporters()}
for width, height in ((64, 64), (272, 128), (263, 135)):
    info = replace(LARGE, width=width, height=height)
    for name, options in (("mp4", {}), ("mp4", {"codec": "h265"}), ("mp4", {"codec": "av1", "speed": "fast"}),
                          ("webm", {"speed": "fast"}), ("mov-prores", {}), ("ffv1", {}), ("hls", {}), ("gif", {}),
                          ("exr", {})):
        path = Path(sys.argv[1])
        found[name].export(frames(info), path, replace(info, options=options))
        print(name, options, width, hashlib.sha256(path.read_bytes()).hexdigest())
    made, digest = processed(frames(info), info, [(Upscale(), {"scale": 1.5}), (Interpolate(), {"fps": 48})])[0], b""
    for frame in made:
        digest = hashlib.sha256(digest + frame.tobytes()).digest()
    print("post", width, digest.hex())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="it is glibc that fills memory")
def test_no_encoder_reads_what_nobody_wrote(tmp_path):
    def made(filling: int) -> list[str]:
        environment = {**os.environ, "MALLOC_PERTURB_": str(filling), "SVT_LOG": "0"}
        command = [sys.executable, "-c", SCRIPT, str(tmp_path / f"out-{filling}")]
        said = subprocess.run(command, env=environment, capture_output=True, check=True, text=True)
        return said.stdout.splitlines()

    first, second = made(85), made(170)
    assert first == second and len(first) == 30

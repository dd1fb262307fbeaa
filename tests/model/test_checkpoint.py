import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import model.families as families
from farm.errors import CheckpointError, InputError
from model.checkpoint import open_checkpoint, write_checksums
from tests.support.machine import here


def weights(checkpoint: Path) -> Path:
    return checkpoint / "transformer" / "diffusion_pytorch_model.safetensors"


def test_describe_tells_the_facts_of_the_checkpoint(checkpoint: Path) -> None:
    info = families.describe("puppet", here())
    assert (info.name, info.fps, info.window, info.buckets) == ("puppet", 30, 9, ((64, 64),))
    assert info.default_order in info.orders
    assert len(info.checkpoint_sha256) == 64


def test_describe_imports_no_torch(checkpoint: Path) -> None:
    code = (
        "import sys; from model.families import describe; from tests.support.machine import here; "
        "describe('puppet', here()); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_unknown_family_is_an_input_error_with_a_hint() -> None:
    with pytest.raises(InputError, match="Did you mean 'puppet'"):
        families.describe("pupet", here())


def cut_short(checkpoint: Path) -> Path:
    file = weights(checkpoint)
    file.write_bytes(file.read_bytes()[:-1000])
    return file


def cut_to_nothing(checkpoint: Path) -> Path:
    weights(checkpoint).write_bytes(b"")
    return weights(checkpoint)


def git_lfs_pointer(checkpoint: Path) -> Path:
    weights(checkpoint).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0000\nsize 392904\n")
    return weights(checkpoint)


def flip_a_bit(checkpoint: Path) -> Path:
    file = weights(checkpoint)
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    return file


def remove_weights(checkpoint: Path) -> Path:
    weights(checkpoint).unlink()
    return checkpoint / "transformer"


def remove_component(checkpoint: Path) -> Path:
    shutil.rmtree(checkpoint / "tokenizer_2")
    return Path("tokenizer_2")


def remove_index(checkpoint: Path) -> Path:
    (checkpoint / "model_index.json").unlink()
    return checkpoint / "model_index.json"


def break_json(checkpoint: Path) -> Path:
    (checkpoint / "family.json").write_text('{"title": ')
    return checkpoint / "family.json"


def remove_field(checkpoint: Path) -> Path:
    file = checkpoint / "family.json"
    facts = json.loads(file.read_text())
    del facts["layout"]
    file.write_text(json.dumps(facts))
    write_checksums(checkpoint)
    return file


def bad_layout(checkpoint: Path) -> Path:
    file = checkpoint / "family.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"layout": "f1k1_x_g0"}))
    write_checksums(checkpoint)
    return file


def unknown_cache(checkpoint: Path) -> Path:
    file = checkpoint / "family.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"cache": "auto"}))
    write_checksums(checkpoint)
    return file


def edit_config(checkpoint: Path) -> Path:
    file = checkpoint / "transformer" / "config.json"
    file.write_text(file.read_text() + " ")
    return file


def remove_everything(checkpoint: Path) -> Path:
    shutil.rmtree(checkpoint)
    return checkpoint


DAMAGES = [
    cut_short,
    cut_to_nothing,
    git_lfs_pointer,
    flip_a_bit,
    remove_weights,
    remove_component,
    remove_index,
    break_json,
    remove_field,
    bad_layout,
    unknown_cache,
    edit_config,
    remove_everything,
]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda f: f.__name__)
def test_damaged_checkpoint_is_one_clear_line_that_names_the_file(
    checkpoint: Path, damage: Callable[[Path], Path]
) -> None:
    families.describe("puppet", here())
    culprit = damage(checkpoint)
    with pytest.raises(CheckpointError) as caught:
        families.describe("puppet", here())
    message = str(caught.value)
    assert str(culprit) in message
    assert "\n" not in message


def test_checkpoint_is_identified_by_its_weights_not_its_place(checkpoint: Path, tmp_path: Path) -> None:
    before = families.describe("puppet", here()).checkpoint_sha256
    copy = shutil.copytree(checkpoint, tmp_path / "copy")
    assert open_checkpoint(copy, here()).sha256 == before
    flip_a_bit(checkpoint)
    write_checksums(checkpoint)
    assert families.describe("puppet", here()).checkpoint_sha256 != before


def test_checksums_are_in_the_format_of_sha256sum(checkpoint: Path) -> None:
    check = ["sha256sum", "--check", "--quiet", "SHA256SUMS"]
    assert subprocess.run(check, cwd=checkpoint).returncode == 0


def test_load_refuses_weights_that_do_not_fit_their_config(checkpoint: Path) -> None:
    file = checkpoint / "transformer" / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"num_single_layers": 3}))
    write_checksums(checkpoint)
    with pytest.raises(CheckpointError, match=r"transformer.*single_transformer_blocks"):
        families.load("puppet", here())

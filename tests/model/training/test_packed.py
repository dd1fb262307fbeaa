"""`farm train pack`: HunyuanVideo's class becomes a packed model of any layout, and learns to be one."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import HunyuanVideoFramepackTransformer3DModel, HunyuanVideoTransformer3DModel
from safetensors.torch import save_file

import model.families as families
from farm.errors import InputError
from model.family import SamplingParams
from model.plan import Layout, make_plan
from model.training.config import PackRecipe
from model.training.foundation import default_order, kernels_of
from model.training.loop import train
from model.training.merging import check_base
from model.training.packed import PackTrainer
from model.training.prepare import Prepared, prepare
from model.transformer import PackedTransformer
from model.transformer.patchify import average_pool
from tests.model.training.conftest import CONFIG
from tests.support.machine import here

I2V = "f1k1_x_g9_f1k1f2k2f16k4_td"
LONG = "td_f8k8f4k4f2k2f1k1_g9"
QUICK = """
[lora]
rank = 4
[learning]
steps = 3
rate = 1e-2
warmup = 0
"""


@pytest.fixture(scope="module")
def base(released: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small HunyuanVideo transformer, as diffusers saves it: no packing, no image projection."""
    config = HunyuanVideoFramepackTransformer3DModel.load_config(released / "transformer")
    known = ("has_clean_x_embedder", "has_image_proj", "image_proj_dim")
    with torch.random.fork_rng():
        torch.manual_seed(8)
        made = HunyuanVideoTransformer3DModel.from_config({k: v for k, v in config.items() if k not in known})
    folder = tmp_path_factory.mktemp("hunyuan") / "transformer"
    made.save_pretrained(folder, max_shard_size="300kB")
    return folder


@pytest.fixture
def pack(base: Path, shown: Path, cache: Path) -> Callable[..., Prepared]:
    """A prepared training of the base for a layout."""

    def make(layout: str, more: str = QUICK) -> Prepared:
        file = shown / "pack.toml"
        said = f'layout = "{layout}"\nbase = "{base}"\n'
        file.write_text(said + CONFIG.format(family="framepack", more=more))
        return prepare(PackRecipe.read(file), here(), "cpu", cache)

    return make


def test_new_kernels_begin_as_pooling_and_the_image_says_nothing_yet(
    pack: Callable[..., Prepared], tmp_path: Path
) -> None:
    trainer = PackTrainer(pack(LONG), tmp_path, "cpu")
    assert trainer.prepared.info.default_order == "vanilla"
    assert {name.rpartition(".")[0] for name in trainer.grown} == {
        *("clean_x_embedder.proj", "clean_x_embedder.proj_2x", "clean_x_embedder.proj_4x"),
        *("extra_x_embedders.k8", "image_projection.up", "image_projection.down"),
    }
    latents = torch.randn(1, 16, 8, 16, 16, generator=torch.Generator().manual_seed(1))
    base_kernel = trainer.transformer.x_embedder.proj
    with torch.no_grad():
        pooled = base_kernel(average_pool(latents, (8, 8, 8)))
        found = trainer.transformer.extra_x_embedders["k8"](latents)
        image = trainer.transformer.image_projection(torch.randn(1, 9, 24))
    torch.testing.assert_close(found, pooled)
    assert image.shape == (1, 9, 32) and not image.any()


@pytest.mark.parametrize("layout", [I2V, LONG])
def test_it_learns_and_leaves_a_checkpoint_that_predicts_the_same(
    pack: Callable[..., Prepared], tmp_path: Path, layout: str
) -> None:
    trainer = PackTrainer(pack(layout), tmp_path, "cpu")
    begun = {name: weight.detach().clone() for name, weight in trainer.grown.items()}
    losses = []
    for _ in range(3):
        trainer.step()
        with torch.no_grad():
            losses.append(trainer.loss(0).item())
    assert losses[2] < losses[0]
    moved = [name for name, weight in trainer.grown.items() if not weight.equal(begun[name])]
    assert {"clean_x_embedder.proj.weight", "image_projection.down.weight"} <= set(moved)

    folder = trainer.save()
    kind: Any = PackedTransformer if layout == LONG else HunyuanVideoFramepackTransformer3DModel
    kind.from_pretrained(folder / "transformer")  # strictly: it warns of nothing, and diffusers' own class reads it
    loaded, report = PackedTransformer.from_pretrained(folder / "transformer", output_loading_info=True)
    assert not any(report.values()), report
    trainer.transformer = loaded.eval()
    with torch.no_grad():
        assert trainer.loss(0).item() == pytest.approx(losses[2], rel=1e-4)


def test_the_farm_renders_with_the_checkpoint(
    pack: Callable[..., Prepared], released: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared = pack(I2V)
    folder = train(prepared, tmp_path / "out", "cpu")
    for part in released.iterdir():
        if part.is_dir() and part.name != "transformer":
            shutil.copytree(part, folder / part.name)
    said = json.loads((folder / "family.json").read_text())
    (folder / "family.json").write_text(json.dumps({**said, "buckets": [[64, 64]]}))
    monkeypatch.setenv("FARM_FRAMEPACK_PATH", str(folder))
    renderer = families.load("framepack", here())
    video, picture = prepared.clips
    conditioning = renderer.encode(picture.file.read_bytes(), (video.caption,), "")
    plan = make_plan(layout=renderer.info.layout, order="inverted", seconds=1.2, seed=1, prompt=video.caption)
    made = renderer.denoise(plan.sections[0], {}, conditioning, SamplingParams(steps=2), lambda done, steps: None)
    assert made.shape == (16, 9, 8, 8)


def test_a_training_goes_on_and_with_its_own_layout_only(pack: Callable[..., Prepared], tmp_path: Path) -> None:
    whole = train(pack(LONG), tmp_path / "whole", "cpu")
    steps = iter([True])
    assert train(pack(LONG), tmp_path / "cut", "cpu", stopped=lambda: next(steps)).name == "state.pt"
    with pytest.raises(InputError, match="whose family was another"):
        train(pack(I2V), tmp_path / "cut", "cpu")
    again = train(pack(LONG), tmp_path / "cut", "cpu")
    for file in (whole / "transformer").glob("*.safetensors"):
        assert file.read_bytes() == (again / "transformer" / file.name).read_bytes()


@pytest.mark.parametrize(
    ("layout", "order", "kernels"),
    [
        (I2V, "inverted", ("k1", "k2", "k4")),
        ("f1k1_x_td_f16k4f2k2f1k1_g9", "vanilla", ("k1", "k2", "k4")),
        ("td_f16k4f2k2f1k1_g9_x_f1k1", "endpoints", ("k1", "k2", "k4")),
        ("f1k1_x_g9_f1k1f8k2f64k8f512k16_td", "inverted", ("k1", "k2", "k8")),
        ("td_f8k1h4w4_g9", "vanilla", ("k1h4w4",)),
    ],
)
def test_layouts_of_the_paper_have_an_order_and_kernels(layout: str, order: str, kernels: tuple[str, ...]) -> None:
    assert default_order(Layout.parse(layout)) == order and kernels_of(Layout.parse(layout)) == kernels


def test_faults_are_said_first(pack: Callable[..., Prepared], cache: Path, tmp_path: Path) -> None:
    for layout, message in (
        ("td_f8k8_g9+D", "is not offered"),
        ("f1k1h3w3_g9", "must be even"),
        ("g9_q", "can't read 'q'"),
    ):
        with pytest.raises(InputError, match=message):
            pack(layout)
    elsewhere = pack(I2V).recipe.model_copy(update={"base": tmp_path / "elsewhere"})
    with pytest.raises(InputError, match="no such folder"):
        prepare(elsewhere, here(), "cpu", cache)


def test_a_base_to_which_nothing_can_be_added_is_refused_before_it_is_trained(
    pack: Callable[..., Prepared], tmp_path: Path
) -> None:
    layers = PackTrainer(pack(I2V), tmp_path, "cpu").layers
    file = tmp_path / "odd.safetensors"
    save_file({"double_blocks.0.img_attn.qkv.weight": torch.zeros(2, 2)}, file)
    with pytest.raises(InputError, match=r"it has no weight 'transformer_blocks\.0\.attn\.to_q'"):
        check_base((file,), layers)
    with pytest.raises(InputError, match="its weights are in blocks"):
        check_base((tmp_path / "odd.gguf",), layers)

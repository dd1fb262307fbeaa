"""`farm train puppet`: runs, resumes to the same weights, and writes a checkpoint that renders."""

import json
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import HunyuanVideoFramepackTransformer3DModel
from safetensors.torch import load_file

from farm.errors import InputError
from model.families import describe, load
from model.family import SamplingParams
from model.plan import Layout, make_plan
from model.plan.anchors import Given
from model.plan.context import place_context
from model.puppet.build import LAYOUT, ORDERS, PuppetConfig, build, grow, read
from model.puppet.dataset import sample_context
from model.puppet.quality import render_video, start_image
from model.puppet.recipe import DEFAULT_CONFIG, CodecRecipe, DetailsRecipe, Recipe
from model.puppet.train import train_puppet
from model.puppet.train_transformer import condition
from model.puppet.world import sample_puppet
from model.transformer import SectionInputs, gather_context
from tests.support.machine import here

TINY = PuppetConfig(
    codec_width=16, codec_encoder_blocks=1, codec_decoder_blocks=1, heads=2, head_dim=12, double_blocks=1,
    single_blocks=1, text_dim=16, text_layers=1, pooled_dim=16, image_dim=16, image_layers=1, vocabulary=300,
)  # fmt: skip


def recipe(steps: int, horizon: int = 4) -> Recipe:
    return Recipe.model_validate(
        {
            "seed": 3,
            "codec": {"steps": 2, "decoder_steps": 1, "batch": 2, "rate": 1e-3, "pool": 2, "held_out": 8},
            "transformer": {
                "steps": steps, "batch": 2, "rate": 1e-3, "warmup": horizon, "first_clips": 2, "clips": 3,
                "prompt_dropout": 0.1, "context_noise": 0.1, "sample_every": 2, "save_every": 2,
            },
        }
    )  # fmt: skip


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Results depend on the number of torch threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def trained(tmp_path_factory, one_thread):
    folder = tmp_path_factory.mktemp("training")
    facts = train_puppet(recipe(4), folder, "cpu", lambda *_: None, build(TINY, seed=3))
    return folder, facts


def test_a_training_leaves_states_samples_and_a_checkpoint_that_renders(trained, monkeypatch):
    folder, facts = trained
    assert facts["transformer_steps"] == 4 and facts["codec_psnr_db"] > 0
    assert (folder / "samples" / "000004.png").is_file() and (folder / "transformer.pt").is_file()
    monkeypatch.setenv("FARM_PUPPET_PATH", str(folder / "checkpoint"))
    info, renderer = describe("puppet", here()), load("puppet", here())
    puppet = sample_puppet(random.Random(1))
    plan = make_plan(layout=info.layout, order="bisect", seconds=1.2, seed=1, prompt=puppet.prompt, fps=30)
    conditioning = renderer.encode(start_image(puppet), (puppet.prompt,), "")
    start = {0: conditioning["start_latent"][:, 0]}
    made = renderer.denoise(plan.sections[0], start, conditioning, SamplingParams(steps=2), lambda done, steps: None)
    assert made.shape == (16, 9, 8, 8) and torch.isfinite(made).all()


def test_diffusers_reads_the_transformer_of_the_checkpoint(trained):
    folder, _ = trained
    index = json.loads((folder / "checkpoint" / "model_index.json").read_text())
    assert index["transformer"] == ["diffusers", "HunyuanVideoFramepackTransformer3DModel"]
    theirs = HunyuanVideoFramepackTransformer3DModel.from_pretrained(folder / "checkpoint" / "transformer")
    ours = read(folder / "checkpoint", here()).transformer.state_dict()
    assert all(torch.equal(weight.float(), ours[name]) for name, weight in theirs.state_dict().items())


def alike(one: Path, other: Path) -> bool:
    """Whether files say the same: a weight of zero may have another sign."""
    if one.suffix != ".safetensors":
        return one.read_bytes() == other.read_bytes()
    left, right = load_file(one), load_file(other)
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


def test_a_training_that_keeps_all_of_its_first_weights_changes_nothing(trained, tmp_path):
    checkpoint = trained[0] / "checkpoint"
    again = recipe(2).model_copy(update={"codec": recipe(2).codec.model_copy(update={"steps": 0, "decoder_steps": 0})})
    for kept in (0.0, 1.0):
        config = again.model_copy(update={"transformer": again.transformer.model_copy(update={"kept": kept})})
        train_puppet(config, tmp_path / str(kept), "cpu", lambda *_: None, read(checkpoint, here()))
        same = {
            path.relative_to(checkpoint).as_posix()
            for path in checkpoint.rglob("*.*")
            if alike(path, tmp_path / str(kept) / "checkpoint" / path.relative_to(checkpoint))
        }
        weights = "transformer/diffusion_pytorch_model.safetensors"
        assert (weights in same) == bool(kept)
        assert {"tokenizer/tokenizer.json", "tokenizer_2/tokenizer.json", "transformer/config.json"} <= same
    for name in ("tokenizer", "tokenizer_2"):  # not as its last prompts were padded
        told = json.loads((checkpoint / name / "tokenizer.json").read_text())
        assert told["padding"] is None and told["truncation"] is None


def test_an_interrupted_training_ends_with_the_same_weights(trained, tmp_path):
    folder, _ = trained
    train_puppet(recipe(2), tmp_path, "cpu", lambda *_: None, build(TINY, seed=3))
    train_puppet(recipe(4), tmp_path, "cpu", lambda *_: None, build(TINY, seed=3))
    first, second = (torch.load(path / "transformer.pt", weights_only=True) for path in (folder, tmp_path))
    assert first["step"] == second["step"] == 4
    for one, other in zip(first["modules"], second["modules"], strict=True):
        for name in one:
            assert torch.equal(one[name], other[name]), name


def test_the_decoder_learns_on_alone_from_a_finished_checkpoint(trained, tmp_path):
    folder, before = trained
    more = recipe(0).model_copy(update={"codec": CodecRecipe(
        steps=0, decoder_steps=2, decoder_blocks=3, batch=2, rate=1e-2, pool=2, held_out=8
    )})  # fmt: skip
    facts = train_puppet(more, tmp_path, "cpu", lambda *_: None, read(folder / "checkpoint", here()))
    assert facts["transformer_steps"] == 4 and facts["codec_steps"] == before["codec_steps"] + 2
    old, new = (read(path / "checkpoint", here()) for path in (folder, tmp_path))
    assert new.vae.config.decoder_blocks == 3
    weights = new.vae.state_dict()
    changed = [name for name, weight in old.vae.state_dict().items() if not torch.equal(weight, weights[name])]
    assert changed and all(name.startswith("decode") for name in changed)
    for one, other in zip(old.trained, new.trained, strict=True):
        assert all(torch.equal(weight, other.state_dict()[name]) for name, weight in one.state_dict().items())


def assert_renders_128_pixels(checkpoint, channels, monkeypatch):
    monkeypatch.setenv("FARM_PUPPET_PATH", str(checkpoint))
    info, renderer = describe("puppet", here()), load("puppet", here())
    assert info.buckets == ((128, 128),) and info.latent_channels == channels and info.latent_pixels == 16
    puppet = sample_puppet(random.Random(1))
    frames = list(render_video(renderer, puppet, order="bisect", seconds=1.2, seed=1, params=SamplingParams(steps=2)))
    assert len(frames) == 37 and frames[0].shape == (128, 128, 3)


def of_details(steps: int) -> Recipe:
    """Nothing else learns."""
    return recipe(0).model_copy(
        update={
            "codec": CodecRecipe(steps=0, decoder_steps=0, batch=2, rate=1e-3, pool=2, held_out=8),
            "plain": 0.5,
            "details": DetailsRecipe(steps=steps, blocks=1, sections=2, renewed=2, batch=2, rate=1e-2, edges=0.5),
        }
    )


@pytest.fixture(scope="module")
def detailed(trained, tmp_path_factory):
    """The puppet of ``trained``, whose codec has learnt to draw its latents at twice the size, too."""
    folder = tmp_path_factory.mktemp("detailed")
    facts = train_puppet(of_details(3), folder, "cpu", lambda *_: None, read(trained[0] / "checkpoint", here()))
    return folder, facts


def test_details_alone_learn_to_draw_the_same_latents_at_twice_the_size(trained, detailed, monkeypatch):
    folder, facts = detailed
    assert facts["detail_steps"] == 3 and facts["codec_psnr_db"] > 0
    assert_renders_128_pixels(folder / "checkpoint", 16, monkeypatch)
    old, new = (read(path / "checkpoint", here()) for path in (trained[0], folder))
    learnt = new.vae.state_dict()
    assert all(torch.equal(weight, learnt[name]) for name, weight in old.vae.state_dict().items())
    assert learnt["details.draw.weight"].abs().max() > 0
    for one, other in zip(old.trained, new.trained, strict=True):
        assert all(torch.equal(weight, other.state_dict()[name]) for name, weight in one.state_dict().items())


def test_details_go_on_from_where_they_were(trained, tmp_path):
    """With other sections than before."""
    for steps in (2, 3):
        start = read(trained[0] / "checkpoint", here())
        train_puppet(of_details(steps), tmp_path, "cpu", lambda *_: None, start)
        state = torch.load(tmp_path / "details.pt", weights_only=True)
        assert state["step"] == steps == state["optimizer"]["state"][0]["step"]


def test_details_stay_while_the_transformer_learns_and_go_when_the_codec_does(detailed, tmp_path):
    checkpoint = detailed[0] / "checkpoint"
    before = read(checkpoint, here()).vae.state_dict()
    still = recipe(1).model_copy(update={"codec": of_details(1).codec})
    train_puppet(still, tmp_path / "still", "cpu", lambda *_: None, read(checkpoint, here()))
    after = read(tmp_path / "still" / "checkpoint", here())
    assert after.config.resolution == 128
    assert all(torch.equal(weight, before[name]) for name, weight in after.vae.state_dict().items())
    train_puppet(recipe(0), tmp_path / "anew", "cpu", lambda *_: None, read(checkpoint, here()))
    anew = read(tmp_path / "anew" / "checkpoint", here())
    assert anew.config.resolution == 64 and anew.vae.details is None


@pytest.fixture(scope="module")
def grown(trained, tmp_path_factory):
    """A puppet of 128 pixels that began with the small one of ``trained``."""
    folder = tmp_path_factory.mktemp("grown")
    larger = recipe(2).model_copy(update={"resolution": 128, "plain": 0.3})
    facts = train_puppet(larger, folder, "cpu", lambda *_: None, read(trained[0] / "checkpoint", here()))
    return folder, facts


def test_a_small_puppet_grows_to_one_that_renders(grown, monkeypatch):
    folder, facts = grown
    assert facts["transformer_steps"] == 6
    assert_renders_128_pixels(folder / "checkpoint", 80, monkeypatch)


@torch.no_grad()
def test_a_grown_puppet_does_with_its_base_what_the_small_one_does(trained):
    small = read(trained[0] / "checkpoint", here())
    large = grow(small)
    layout = Layout.parse(LAYOUT)
    context = place_context(layout, 1, 1, None)
    window = tuple(range(context.window_index, context.window_index + layout.window))
    prompts, starts = ["The puppet waves."], np.zeros((1, 64, 64, 3), np.uint8)
    flows = []
    for parts in (small, large):
        parts.transformer.eval()
        channels = parts.transformer.config.in_channels
        latents = torch.randn(1, 80, 9, 8, 8, generator=torch.Generator().manual_seed(1))[:, :channels]
        packed = gather_context(context.slots, {0: latents[:, :, 0]}, channels, 8, 8, 1)
        text, mask, pooled, image = condition(parts, prompts, [(starts, 1.0)], "cpu")
        inputs = SectionInputs(text, mask, pooled, image, torch.full((1,), 10_000.0), window, packed)
        flows.append((latents, parts.transformer(latents, 400.0, inputs)))
    (_, wanted), (latents, flow) = flows
    assert torch.allclose(flow[:, :16], wanted, atol=1e-5)
    assert torch.allclose(flow[:, 16:], latents[:, 16:] / 0.4, atol=1e-4)  # details: towards a clean latent of zero


def test_contexts_cover_every_kind_that_orders_need():
    """None, past, future, both; near and far: all that a plan asks for is drawn in training."""
    layout, rng = Layout.parse(LAYOUT), random.Random(0)

    def kind(context):
        past = next((slot.latent for slot in reversed(context.slots) if slot.side == "past"), None)
        gap_before = context.window_index - max(s.index for s in context.slots if s.side in ("start", "past")) - 1
        future = next(slot for slot in context.slots if slot.side == "future")
        gap_after = None if future.latent is None else future.index - context.window_index - layout.window
        return (past == 0 or past is None, gap_before, gap_after)

    drawn = {kind(sample_context(layout, rng, 0).context) for _ in range(5000)}
    for order in ORDERS:
        plan = make_plan(layout=layout, order=order, seconds=20, seed=0, prompt="", fps=30)
        for section in plan.sections:
            assert kind(section) in drawn, (order, section.index)


def test_end_images_and_keyframes_are_placed_as_plans_place_them():
    """The first section of every clip, the last one, and one after a keyframe: their slots are among those drawn."""
    layout, rng = Layout.parse(LAYOUT), random.Random(0)

    def filled(slots):
        return tuple((slot.side, slot.index) for slot in slots if slot.latent is not None and slot.side != "past")

    draws = [sample_context(layout, rng, 1) for _ in range(3000)]
    drawn = {(filled(draw.context.slots), draw.context.window_index) for draw in draws}
    for seconds, order in ((1.2, "vanilla"), (4.8, "bisect"), (4.8, "vanilla"), (30, "endpoints")):
        plan = make_plan(
            layout=layout, order=order, seconds=seconds, seed=0, prompt="", fps=30, given=Given(end_strength=1.0)
        )
        last = plan.sections[-1]
        assert (filled(last.slots), last.window_index) in drawn, (seconds, order)
    shares = {draw.images for draw in draws if len(draw.images) == 2}
    alone = make_plan(layout=layout, order="vanilla", seconds=1.2, seed=0, prompt="", given=Given(end_strength=1.0))
    assert [share for _, share in alone.sections[0].images] in [[share for _, share in each] for each in shares]
    plan = make_plan(layout=layout, order="vanilla", seconds=4.8, seed=0, prompt="", given=Given(keyframes=(2.4,)))
    after = plan.sections[2]
    kept = [(slot.side, slot.index) for slot in after.slots if slot.latent is not None]
    assert any(
        kept == [(slot.side, slot.index) for slot in draw.context.slots if slot.latent is not None] for draw in draws
    )


@pytest.mark.parametrize("name", ["train.toml", "refine.toml", "widen.toml", "details.toml", "large.toml"])
def test_the_shipped_recipes_are_valid(name):
    read = Recipe.read(DEFAULT_CONFIG.with_name(name))
    assert read.transformer.steps + (read.details.steps if read.details else 0) > 0
    assert (read.transformer.anchored > 0) == (name in ("widen.toml", "large.toml"))  # it was refined without


@pytest.mark.parametrize(
    ("text", "message"),
    [("seed = 1\n[codec]\nsteps = -1", "codec.steps"), ("seed = ", "not valid TOML"), ("sed = 1", "seed")],
)
def test_broken_recipes_are_refused_with_the_key(tmp_path, text, message):
    path = tmp_path / "train.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        Recipe.read(path)

import copy
import hashlib
import io
import json
import os
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

import model.families as families
from farm.errors import CancelledError, FarmError, InputError
from model.conditioning import prompt_key
from model.families.framepack.renderer import FramePackRenderer, classifier_free_guidance
from model.family import SamplingParams
from model.footage.buckets import crop_to_bucket
from model.sampling import flow_shift, flow_sigmas, unipc
from model.transformer import SectionInputs, gather_context
from tests.support.machine import here
from tests.support.packed import diffusers_flow, diffusers_twin


def ignore(done: int, steps: int) -> None:
    pass


def test_encode_gives_flat_cpu_tensors_for_every_prompt(scene: Any) -> None:
    tensors = scene.conditioning
    assert tensors["start_latent"].shape == (16, 1, 8, 8)
    for key in (prompt_key(scene.prompt), prompt_key(scene.other_prompt), "negative"):
        assert tensors[f"text.{key}"].shape[0] == tensors[f"mask.{key}"].shape[0]
        assert 1 <= tensors[f"mask.{key}"].sum() < 40
    assert {tensor.device.type for tensor in tensors.values()} == {"cpu"}
    assert not tensors["text." + prompt_key(scene.prompt)].equal(tensors["text." + prompt_key(scene.other_prompt)])


def test_start_latent_is_the_codec_of_the_image_as_one_frame(scene: Any) -> None:
    image = crop_to_bucket(Image.open(io.BytesIO(scene.picture)), (64, 64))
    pixels = torch.tensor(list(image.tobytes())).reshape(1, 64, 64, 3).permute(3, 0, 1, 2) / 127.5 - 1
    vae = scene.renderer._vae
    expected = vae.encode(pixels[None]).latent_dist.mode()[0] * vae.config.scaling_factor
    torch.testing.assert_close(scene.conditioning["start_latent"], expected, atol=1e-5, rtol=1e-5)


def test_image_that_is_none_is_an_input_error(renderer: FramePackRenderer) -> None:
    with pytest.raises(InputError):
        renderer.encode(b"not a picture", ("a",), "")


def test_weights_are_computed_in_fp32(renderer: FramePackRenderer) -> None:
    modules = [renderer._transformer, renderer._vae, renderer._encoders["text_encoder"]]
    assert {parameter.dtype for module in modules for parameter in module.parameters()} == {torch.float32}


def test_denoise_equals_the_plain_use_of_diffusers_class(scene: Any) -> None:
    """Noise, sigmas, context and conditioning put together by hand, with nothing precomputed."""
    section, conditioning, key = scene.section(start=10), scene.conditioning, prompt_key(scene.prompt)
    latents = {i: torch.randn(16, 8, 8, generator=torch.Generator().manual_seed(i)) for i in range(10)}

    inputs = SectionInputs(
        text=conditioning[f"text.{key}"][None],
        text_mask=conditioning[f"mask.{key}"][None],
        pooled=conditioning[f"pooled.{key}"][None],
        image=conditioning["image"][None],
        guidance=torch.tensor([10_000.0]),
        indices=tuple(range(section.window_index, section.window_index + 9)),
        context=gather_context(section.slots, latents, 16, 8, 8),
    )
    twin = diffusers_twin(scene.renderer._transformer)

    def model(x: torch.Tensor, sigma: float) -> torch.Tensor:
        return x - sigma * diffusers_flow(twin, x, sigma * 1000, inputs)

    noise = torch.randn(1, 16, 9, 8, 8, generator=torch.Generator().manual_seed(section.seed))
    with torch.no_grad():
        expected = unipc(model, noise, flow_sigmas(4, flow_shift(9 * 16)), ignore)[0]
    assert scene.denoise(section, latents).equal(expected)


def test_in_bf16_the_model_is_told_what_the_reference_tells_it(scene: Any) -> None:
    """Timesteps of 25 steps at shift 7 rounded to bf16, guidance 9984, and x in bf16; between steps x stays in fp32."""
    renderer = copy.copy(scene.renderer)
    renderer._transformer = copy.deepcopy(scene.renderer._transformer).to(torch.bfloat16)
    renderer.dtypes = dict(scene.renderer.dtypes) | {"transformer": "bf16"}
    told: dict[str, set[float]] = {"timestep": set(), "guidance": set()}
    seen: list[torch.Tensor] = []

    def note(module: Any, args: tuple[torch.Tensor, ...]) -> None:
        told["timestep"].add(args[0].item())
        told["guidance"].add(args[2].item())

    renderer._transformer.time_text_embed.register_forward_pre_hook(note)
    renderer._transformer.x_embedder.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    x0: list[torch.Tensor] = []
    params = SamplingParams(steps=25, shift=7.0, sampler="euler")
    arguments = (scene.section(), {}, scene.conditioning, params, ignore, lambda step: x0.append(step.x0))
    result = renderer.denoise(*arguments)
    assert sorted(told["timestep"], reverse=True)[:4] == [1000, 996, 988, 980]
    assert sorted(told["timestep"])[:3] == [226, 378, 488]
    assert told["guidance"] == {9984}
    assert {x.dtype for x in seen} == {torch.bfloat16}
    assert {x.dtype for x in (result, *x0)} == {torch.float32} and result.equal(x0[-1])
    sigmas = flow_sigmas(25, 7.0)
    noise = torch.randn(1, 16, 9, 8, 8, generator=torch.Generator().manual_seed(scene.section().seed))
    second = x0[0] + sigmas[1] / sigmas[0] * (noise - x0[0])
    assert seen[1].equal(second.to(torch.bfloat16))


def test_same_section_twice_gives_the_same_bits(scene: Any) -> None:
    first = scene.denoise()
    assert first.shape == (16, 9, 8, 8) and first.dtype == torch.float32
    assert first.equal(scene.denoise())


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 6},
        {"prompt": "The girl waves slowly."},
        {"gs": 4.0},
        {"shift": 3.0},
        {"sigma_exponent": 1.25},
        {"sampler": "euler"},
        {"steps": 5},
        {"cfg": 2.0},
    ],
    ids=lambda change: next(iter(change)),
)
def test_each_parameter_changes_the_result(scene: Any, change: dict[str, Any]) -> None:
    section = scene.section(**{key: change[key] for key in change if key in ("seed", "prompt")})
    params = {key: change[key] for key in change if key not in ("seed", "prompt")}
    assert not scene.denoise().equal(scene.denoise(section, **params))


def test_context_is_embedded_once_per_section(scene: Any) -> None:
    transformer = scene.renderer._transformer
    modules = [transformer.clean_x_embedder.proj, transformer.image_projection, transformer.norm_out.linear]
    calls = [0] * len(modules)

    def count(*_: Any, place: int) -> None:
        calls[place] += 1

    hooks = [module.register_forward_pre_hook(partial(count, place=i)) for i, module in enumerate(modules)]
    scene.denoise(steps=5, cfg=2.0)
    for hook in hooks:
        hook.remove()
    assert calls == [1, 1, 10]  # the modulations of five steps for each branch


def test_every_context_latent_matters(scene: Any) -> None:
    section = scene.section(start=19)
    latents = {i: torch.randn(16, 8, 8, generator=torch.Generator().manual_seed(i)) for i in range(19)}
    plain = scene.denoise(section, latents)
    for index in {slot.latent for slot in section.slots if slot.latent is not None}:
        assert not plain.equal(scene.denoise(section, latents | {index: latents[index] + 1})), index


def test_negative_prompt_matters_only_with_real_cfg(scene: Any) -> None:
    other = scene.renderer.encode(scene.picture, (scene.prompt,), "blurry, the man walks")
    for cfg, same in ((1.0, True), (2.0, False)):
        params = SamplingParams(steps=3, cfg=cfg)
        results = [
            scene.renderer.denoise(scene.section(), {}, conditioning, params, ignore)
            for conditioning in (scene.conditioning, other)
        ]
        assert results[0].equal(results[1]) is same


def test_cfg_rescale_restores_the_deviation_of_the_positive_branch() -> None:
    generator = torch.Generator().manual_seed(0)
    positive, negative = (torch.randn(1, 4, 3, 8, 8, generator=generator) for _ in range(2))
    plain = classifier_free_guidance(positive, negative, 5.0, 0.0)
    torch.testing.assert_close(plain, negative + 5 * (positive - negative))
    full = classifier_free_guidance(positive, negative, 5.0, 1.0)
    torch.testing.assert_close(full.std(), positive.std())
    half = classifier_free_guidance(positive, negative, 5.0, 0.5)
    torch.testing.assert_close(half, (plain + full) / 2)


@pytest.mark.parametrize("cache", ["none", "tea"])
def test_cancelled_section_leaves_the_renderer_as_it_was(scene: Any, cache: str) -> None:
    before = scene.denoise(cache=cache)
    seen = []

    def stop(done: int, steps: int) -> None:
        seen.append((done, steps))
        if done == 2:
            raise CancelledError("stop")

    with pytest.raises(CancelledError):
        params = SamplingParams(steps=4, cache=cache)
        scene.renderer.denoise(scene.section(), {}, scene.conditioning, params, stop)
    assert seen == [(1, 4), (2, 4)]
    assert scene.denoise(cache=cache).equal(before)


def test_unknown_prompt_is_named(scene: Any) -> None:
    with pytest.raises(InputError, match="'never encoded'"):
        scene.denoise(scene.section(prompt="never encoded"))


def test_result_that_is_not_finite_is_refused(scene: Any) -> None:
    broken = replace(scene, conditioning=scene.conditioning | {"image": scene.conditioning["image"] * torch.inf})
    with pytest.raises(FarmError, match="not finite"):
        broken.denoise()


def test_unknown_device_is_an_input_error(checkpoint: Path) -> None:
    with pytest.raises(InputError, match="'quantum'"):
        families.load("puppet", here(), device="quantum")


def test_thread_count_changed_by_others_is_restored(scene: Any) -> None:
    torch.set_num_threads(2)
    scene.denoise()
    assert torch.get_num_threads() == 1
    assert scene.renderer.device_class == "cpu-1t-fp32"


@pytest.mark.parametrize("overlap", [1, 3])
def test_decoding_in_chunks_equals_decoding_at_once(scene: Any, overlap: int) -> None:
    latents = torch.randn(16, 28, 8, 8, generator=torch.Generator().manual_seed(1))
    whole = scene.renderer.decode(latents)
    assert whole.shape == (1 + 27 * 4, 64, 64, 3)
    skip = 1 + 4 * (overlap - 1)
    chunks = [scene.renderer.decode(latents[:, :10])]
    chunks += [scene.renderer.decode(latents[:, start - overlap : start + 9])[skip:] for start in (10, 19)]
    assert [len(chunk) for chunk in chunks] == [37, 36, 36]
    assert torch.cat(chunks).equal(whole)


_SCRIPT = """
import hashlib, json, os, sys
from pathlib import Path
from tests.support.tiny import tiny_checkpoint
os.environ["FARM_PUPPET_PATH"] = str(tiny_checkpoint(Path(sys.argv[1])))
from model.families import load
from tests.support.machine import here
from model.footage.buckets import crop_to_bucket
from model.family import SamplingParams
from model.plan.context import place_context
from model.plan.plan import Section
renderer = load("puppet", here())
prompt = "The person dances gracefully."
conditioning = renderer.encode(Path(sys.argv[2]).read_bytes(), (prompt,), "")
context = place_context(renderer.info.layout, 1, 1, None)
section = Section(0, 1, 10, (), context.slots, context.window_index, 0, 5, prompt)
latents = renderer.denoise(section, {}, conditioning, SamplingParams(steps=4), lambda done, steps: None)
frames = renderer.decode(latents)
digests = [hashlib.sha256(tensor.numpy().tobytes()).hexdigest() for tensor in (latents, frames)]
print(json.dumps([renderer.info.checkpoint_sha256, *digests]))
"""


def test_another_process_builds_and_renders_the_same_bits(scene: Any, tmp_path: Path) -> None:
    picture = tmp_path / "picture.png"
    picture.write_bytes(scene.picture)
    (tmp_path / "temporary").mkdir()
    environment = os.environ | {"TMPDIR": str(tmp_path / "temporary"), "OMP_NUM_THREADS": "2"}
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", _SCRIPT, str(tmp_path / "checkpoint"), str(picture)]
    done = subprocess.run(command, env=environment, cwd=root, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    latents = scene.denoise()
    frames = scene.renderer.decode(latents)
    digests = [hashlib.sha256(tensor.numpy().tobytes()).hexdigest() for tensor in (latents, frames)]
    assert json.loads(done.stdout) == [scene.renderer.info.checkpoint_sha256, *digests]

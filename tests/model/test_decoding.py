"""Chunks of a video: what they read, what they give, and pixels beside FramePack's own way of joining them."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from farm.errors import InputError
from model.decoding import Decoding, sections_read
from model.pixels import joined, pack_chunk, to_bytes
from model.plan import Plan, make_plan

INVERTED = Decoding(before=0, after=9, blend=True)
"""demo_gradio.py: each section with the next one in time."""
VANILLA = Decoding(before=9, after=0, blend=True)
"""demo_gradio_f1.py: each section with the one before it."""
WHOLE = Decoding(before=4, after=1)
"""In step with the codec's own temporal tiles, which start at every third latent and overlap by one and a bit."""
Decode = Callable[[torch.Tensor], torch.Tensor]


def plan_of(sections: int) -> Plan:
    return make_plan(layout="f1k1_x_g9_f1k1f2k2f16k4_td", order="inverted", seconds=1.2 * sections, seed=1, prompt="a")


def decoded(plan: Plan, decoding: Decoding, latents: torch.Tensor, decode: Decode) -> torch.Tensor:
    """The video [frames, h, w, 3] uint8 of ``latents`` [channels, 9n + 1, h, w], each chunk on its own, last first."""
    packed = {}
    for section in reversed(plan.sections):
        chunk = decoding.chunk(plan, section.index)
        frames = decode(latents[:, chunk.latents.start : chunk.latents.stop])[chunk.skip :][: len(chunk.frames)]
        packed[section.index] = pack_chunk(frames, to_bytes(frames), *decoding.overlaps(plan, section.index))
    return torch.cat(list(joined(packed[index] for index in range(len(plan.sections)))))


def soft_append(history: torch.Tensor, current: torch.Tensor, overlap: int) -> torch.Tensor:
    """FramePack's join along time [frames, ...]: linear weights from the end of one to the beginning of the other."""
    weight = torch.linspace(1, 0, overlap)[:, None, None, None]
    middle = weight * history[-overlap:] + (1 - weight) * current[:overlap]
    return torch.cat([history[:-overlap], middle, current[overlap:]])


def inverted_loop(latents: torch.Tensor, decode: Decode) -> torch.Tensor:
    """The pixels of demo_gradio.py: sections arrive last first, 18 latents are decoded (19 at the end)."""
    sections = (latents.shape[1] - 1) // 9
    history, pixels = latents[:, :0], None
    for index in reversed(range(sections)):
        first = index == 0
        history = torch.cat([latents[:, 0 if first else 1 + 9 * index : 10 + 9 * index], history], dim=1)
        if pixels is None:
            pixels = decode(history)
        else:
            pixels = soft_append(decode(history[:, : 19 if first else 18]), pixels, 33)
    assert pixels is not None
    return pixels


def vanilla_loop(latents: torch.Tensor, decode: Decode) -> torch.Tensor:
    """The pixels of demo_gradio_f1.py: sections are appended, the last 18 latents are decoded."""
    sections = (latents.shape[1] - 1) // 9
    history, pixels = latents[:, :1], None
    for index in range(sections):
        history = torch.cat([history, latents[:, 1 + 9 * index : 10 + 9 * index]], dim=1)
        pixels = decode(history) if pixels is None else soft_append(pixels, decode(history[:, -18:]), 33)
    assert pixels is not None
    return pixels


@pytest.fixture(scope="module")
def vae() -> Any:
    from diffusers import AutoencoderKLHunyuanVideo

    torch.manual_seed(3)
    return AutoencoderKLHunyuanVideo(
        latent_channels=4, block_out_channels=(8, 8, 8, 8), layers_per_block=1, norm_num_groups=2
    ).eval()


@pytest.fixture(scope="module")
def decode(vae: Any) -> Decode:
    def run(latents: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            video: torch.Tensor = vae.decode(latents[None]).sample[0]
        return video.permute(1, 2, 3, 0)

    return run


def latents_of(sections: int) -> torch.Tensor:
    return torch.randn(4, 9 * sections + 1, 4, 4, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("sections", [1, 2, 4])
@pytest.mark.parametrize(("decoding", "loop"), [(INVERTED, inverted_loop), (VANILLA, vanilla_loop)])
def test_pixels_are_those_of_the_reference(
    decode: Decode, decoding: Decoding, loop: Callable[[torch.Tensor, Decode], torch.Tensor], sections: int
) -> None:
    plan, latents = plan_of(sections), latents_of(sections)
    video = decoded(plan, decoding, latents, decode)
    assert len(video) == 36 * sections + 1 == plan.frames
    assert video.equal(to_bytes(loop(latents, decode)))


def test_in_step_with_the_codecs_tiles_pixels_are_those_of_decoding_in_one_go(decode: Decode) -> None:
    latents = latents_of(3)
    whole = to_bytes(decode(latents))
    assert decoded(plan_of(3), WHOLE, latents, decode).equal(whole)
    assert not decoded(plan_of(3), INVERTED, latents, decode).equal(whole)


def test_context_alone_leaves_a_jump_at_the_seam_that_blending_does_not(decode: Decode) -> None:
    latents = latents_of(2)

    def step(decoding: Decoding) -> float:
        video = decoded(plan_of(2), decoding, latents, decode).float()
        steps = video.diff(dim=0).abs().mean(dim=(1, 2, 3))
        return (steps[36] / steps.median()).item()

    assert step(Decoding(before=1)) > step(INVERTED)


@given(st.integers(1, 30), st.sampled_from([INVERTED, VANILLA, WHOLE, Decoding(), Decoding(before=12)]))
def test_chunks_cover_every_frame_and_read_neighbours_only(sections: int, decoding: Decoding) -> None:
    plan = plan_of(sections)
    given_by = [0] * plan.frames
    for section in plan.sections:
        chunk = decoding.chunk(plan, section.index)
        assert chunk.skip >= 0
        for frame in chunk.frames:
            given_by[frame] += 1
        head, tail = decoding.overlaps(plan, section.index)
        assert head + tail <= len(chunk.frames)
        assert all(abs(index - section.index) <= 2 for index in sections_read(plan, chunk.latents))
        assert section.index in sections_read(plan, chunk.latents)
    assert set(given_by) <= {1, 2} and (decoding.blend or max(given_by) == 1)


def test_blending_happens_before_rounding() -> None:
    frames = torch.full((3, 2, 2, 3), 0.1)
    later = frames + 0.0011
    first, second = pack_chunk(frames, to_bytes(frames), 0, 2), pack_chunk(later, to_bytes(later), 2, 0)
    assert first["tail"].dtype == torch.float32 and first["frames"].dtype == torch.uint8
    assert torch.cat(list(joined([first, second]))).shape == (4, 2, 2, 3)


def test_chunks_are_joined_as_they_come() -> None:
    """One chunk and one overlap are in memory, however long the video is."""
    taken: list[int] = []

    def chunks() -> Iterator[dict[str, torch.Tensor]]:
        for index in range(4):
            taken.append(index)
            frames = torch.zeros(9, 2, 2, 3)
            yield pack_chunk(frames, to_bytes(frames), 2 if index else 0, 2 if index < 3 else 0)

    pieces = [(len(taken), len(piece)) for piece in joined(chunks())]
    assert pieces == [(1, 7), (2, 2), (2, 5), (3, 2), (3, 5), (4, 2), (4, 7)]


def test_tiles_depend_on_size_and_wish_alone() -> None:
    codec = Decoding(tile_above=384 * 384)
    assert [codec.tiles(640, 608), codec.tiles(384, 384), codec.tiles(640, 608, "off"), codec.tiles(64, 64, "on")] == [
        True, False, False, True,
    ]  # fmt: skip
    assert not Decoding().tiles(4000, 4000)
    with pytest.raises(InputError, match="auto or off"):
        Decoding().tiles(64, 64, "on")
    with pytest.raises(InputError, match="decode_before"):
        Decoding(before=0)

"""A section that shows somebody else than the start image is told from one that shows the same."""

import io
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

import model.families as families
from model.families.helios.renderer import HeliosRenderer
from model.family import WithImageEncoder
from model.memory import MemoryBudget
from model.quality.calibration import SECTIONS, true_clip
from model.quality.faults import plant
from model.quality.identity import identity
from model.quality.measures import measure
from model.quality.pieces import Measures
from model.quality.report import report
from tests.support.machine import here
from tests.support.released import released_folder

CLIP = 0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """With the parts of the family framepack, a small SigLIP among them."""
    with pytest.MonkeyPatch.context() as patch:
        path = released_folder(tmp_path_factory.mktemp("parts"))
        patch.setenv("FARM_FRAMEPACK_PATH", str(path))
        yield path


@pytest.fixture(scope="module")
def renderer(folder: Path) -> Any:
    return families.load("framepack", here())


@pytest.fixture(scope="module")
def start(renderer: Any) -> torch.Tensor:
    """What ``encode`` makes of the clip's first frame, as a job's start image."""
    file = io.BytesIO()
    Image.fromarray(true_clip(CLIP)[0][0].numpy()).save(file, "PNG")
    return renderer.encode(file.getvalue(), ("The puppet waves",), "")["image"]


def measured(renderer: Any, start: torch.Tensor, clip: list[torch.Tensor]) -> dict[int, Measures]:
    seen = [identity(renderer.embed(piece[len(piece) // 2]), start) for piece in clip]
    return {at: replace(measure(piece), identity=seen[at]) for at, piece in enumerate(clip)}


def test_the_start_image_is_like_itself_and_another_is_less(renderer: Any, start: torch.Tensor) -> None:
    assert identity(renderer.embed(true_clip(CLIP)[0][0]), start) == pytest.approx(1, abs=1e-5)
    assert identity(renderer.embed(true_clip(CLIP + 1)[0][0]), start) < 0.9
    assert identity(-start, start) == -1


def test_embedding_is_the_same_whatever_was_embedded_and_decoded_before(renderer: Any, start: torch.Tensor) -> None:
    frame, latents = true_clip(CLIP)[0][0], torch.randn(16, 2, 8, 8)
    embedded, decoded = renderer.embed(frame), renderer.decode(latents)
    renderer.embed(true_clip(CLIP + 1)[0][0])
    assert torch.equal(renderer.decode(latents), decoded) and torch.equal(renderer.embed(frame), embedded)
    assert embedded.dtype == torch.float32 and embedded.shape == start.shape


def test_another_from_half_way_on_shows_at_the_right_section(renderer: Any, start: torch.Tensor) -> None:
    clip, half = true_clip(CLIP), SECTIONS // 2
    kept = report(measured(renderer, start, clip))
    swapped = report(measured(renderer, start, plant("look", clip, half, true_clip(CLIP + 1))))
    before, after = ([each.identity for each in found.sections] for found in (kept, swapped))
    falls = [now - then for then, now in pairwise(after)]
    assert falls.index(min(falls)) + 1 == half and after[:half] == before[:half]
    assert max(after[half:]) < min(before) and kept.limits == swapped.limits and "identity" not in kept.limits
    assert abs(kept.drift["identity"]) < 0.1 and swapped.drift["identity"] < -0.5


def test_sections_without_one_have_no_drift_of_it() -> None:
    piece = measure(true_clip(CLIP)[0])
    assert "identity" not in piece.to_json() and Measures.of_json(piece.to_json()) == piece
    seen = replace(piece, identity=-0.25)
    assert Measures.of_json(seen.to_json()) == seen
    assert report({0: seen, 1: piece}).sections[1].identity is None
    assert "identity" not in report({0: seen, 1: piece}).drift
    assert report({0: seen, 1: piece, 2: replace(piece, identity=-0.5)}).drift["identity"] == -0.25


def test_a_family_without_image_encoder_embeds_nothing(renderer: Any) -> None:
    assert isinstance(renderer, WithImageEncoder) and not issubclass(HeliosRenderer, WithImageEncoder)


def test_a_card_without_room_lets_the_encoder_go(
    renderer: Any, start: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame, kept = true_clip(CLIP)[0][0], renderer.embed(true_clip(CLIP)[0][0])
    assert "image_encoder" in renderer._encoders.loaded
    monkeypatch.setattr("model.encoders.total_memory", lambda device: 1)
    assert torch.equal(renderer.embed(frame), kept)
    assert "image_encoder" not in renderer._encoders.loaded


@pytest.mark.parametrize("plan", ["transformer", "streamed"])
def test_where_parts_take_turns_the_codec_makes_room_and_comes_back(renderer: Any, folder: Path, plan: str) -> None:
    frame, latents = true_clip(CLIP)[0][0], torch.randn(16, 2, 8, 8)
    other = families.load("framepack", here(), budget=MemoryBudget(plan=plan))
    decoded = other.decode(latents)
    assert torch.equal(other.embed(frame), renderer.embed(frame)) and not other._turns.here
    assert torch.equal(other.decode(latents), decoded)

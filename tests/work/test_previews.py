"""Watching a section: previews are throttled, best effort, and leave what is watched alone."""

import io
import threading
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from PIL import Image

import farm.work.previews as previews
from farm.store.artifacts import ArtifactStore
from farm.store.artifacts.local import LocalStore
from farm.work.previews import Watch, strip
from model.family import Step

KEY = "jobs/1/attempts/2/preview-003.jpg"


def step(done: int, steps: int = 5, computed: int = 0) -> Step:
    return Step(done, steps, torch.full((2, 3, 4, 5), float(done)), {"positive": [True] * computed})


def draw(latents: torch.Tensor) -> torch.Tensor:
    return (40 * latents[:1].movedim(0, -1)).to(torch.uint8).expand(-1, -1, -1, 3)


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return LocalStore(str(tmp_path))


def level(store: ArtifactStore) -> int:
    """Which step the stored preview shows."""
    return round(Image.open(io.BytesIO(store.read(KEY))).convert("L").getpixel((5, 5)) / 40)


def test_last_step_is_kept_and_named(store: ArtifactStore):
    watch = Watch(store, KEY, draw)
    for done in range(1, 6):
        watch(step(done))
    kept = watch.close()
    assert kept is not None and (kept.name, kept.key, kept.media_type) == ("preview-003", KEY, "image/jpeg")
    assert level(store) == 5


def test_previews_are_at_most_one_a_second(store: ArtifactStore, monkeypatch: pytest.MonkeyPatch):
    now, drawn = [100.0], []
    monkeypatch.setattr(previews.time, "monotonic", lambda: now[0])

    def noted(latents: torch.Tensor) -> torch.Tensor:
        drawn.append(now[0])
        return draw(latents)

    watch = Watch(store, KEY, noted)
    for done in range(1, 31):
        now[0] = 100 + 0.3 * done
        watch(step(done, 31))
        watch._writer.submit(int).result()  # the disk is fast
    assert len(drawn) == 8
    assert all(later - earlier >= 1 for earlier, later in pairwise(drawn))
    watch.close()


def test_previews_that_take_long_become_rare(store: ArtifactStore, monkeypatch: pytest.MonkeyPatch):
    now, drawn = [100.0], []
    monkeypatch.setattr(previews.time, "monotonic", lambda: now[0])

    def slow(latents: torch.Tensor) -> torch.Tensor:
        drawn.append(now[0])
        now[0] += 0.5
        return draw(latents)

    watch = Watch(store, KEY, slow)
    for done in range(1, 101):
        now[0] += 0.2
        watch(step(done, 200))
        watch._writer.submit(int).result()
    assert 0.5 * len(drawn) <= 0.1 * (now[0] - 100)
    watch.close()


def test_slow_disk_holds_nothing_up(store: ArtifactStore, monkeypatch: pytest.MonkeyPatch):
    blocked, drawn = threading.Event(), []

    def noted(latents: torch.Tensor) -> torch.Tensor:
        drawn.append(latents)
        return draw(latents)

    class Slow(LocalStore):
        def write(self, *arguments, **named):
            blocked.wait(20)
            return super().write(*arguments, **named)

    monkeypatch.setattr(previews, "LEAST_SECONDS", 0.0)
    monkeypatch.setattr(previews, "PATIENCE", 0.05)
    watch = Watch(Slow(store.url), KEY, noted)
    for done in range(1, 5):
        watch(step(done))
    assert len(drawn) == 1
    assert watch.close() is None
    blocked.set()


def broken_drawing(latents: torch.Tensor) -> torch.Tensor:
    raise RuntimeError("no colours")


@pytest.mark.parametrize("drawing", [broken_drawing, draw])
def test_failure_ends_previews_and_nothing_else(
    tmp_path: Path, drawing: Callable[[torch.Tensor], torch.Tensor], caplog: pytest.LogCaptureFixture
):
    (tmp_path / "jobs").write_text("a file where a folder should be")
    watch = Watch(LocalStore(str(tmp_path)), KEY, drawing)
    for done in range(1, 6):
        watch(step(done, computed=done))
    assert watch.close() is None
    assert caplog.text.count("no preview of this section") == 1
    assert watch.facts("tea", 5) == {"cache": "tea", "steps": "5", "computed": '{"positive": 5}'}


def test_strip_shows_the_frames_side_by_side():
    pictures = torch.stack([torch.full((8, 8, 3), value, dtype=torch.uint8) for value in (0, 120, 240)])
    image = Image.open(io.BytesIO(strip(pictures))).convert("L")
    assert image.size == (3 * 96, 96)
    assert [round(image.getpixel((48 + 96 * i, 48)), -1) for i in range(3)] == [0, 120, 240]
    assert Image.open(io.BytesIO(strip(torch.zeros(9, 60, 104, 3, dtype=torch.uint8)))).size == (9 * 208, 120)

"""What of a video is seen when a section is judged: in every order what was rendered before it, and nothing else."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from model.decoding import Decoding
from model.families import load
from model.pixels import to_bytes
from model.plan import Plan, Rules, make_plan
from model.quality.looking import look
from model.quality.measures import measure
from tests.support.farms import puppet_at
from tests.support.machine import here


@pytest.fixture(scope="module")
def renderer(tiny_folder: Path):
    with puppet_at(tiny_folder):
        yield load("puppet", here(), "cpu", 1)


def planned(renderer, order: str) -> tuple[Plan, dict[int, torch.Tensor]]:
    plan = make_plan(layout=renderer.info.layout, order=order, seconds=6, seed=1, prompt="-")
    generator = torch.Generator().manual_seed(1)
    return plan, {i: torch.randn(16, 8, 8, generator=generator) for i in range(plan.latent_frames)}


@pytest.mark.parametrize("order", ["vanilla", "inverted", "bisect"])
def test_a_section_is_looked_at_with_what_it_was_conditioned_on_alone(renderer, order: str) -> None:
    plan, latents = planned(renderer, order)
    start = latents[0][:, None]
    for section in plan.sections:
        seen = {0: latents[0], **{i: latents[i] for i in range(section.start, section.stop)}}
        for index in section.predecessors:
            other = plan.sections[index]
            seen |= {i: latents[i] for i in range(other.start, other.stop)}
        measured, around = look(renderer, section, seen, [start])
        begins = section.index == 0 or section.index - 1 in section.predecessors
        assert (around.before is None) == (not begins)
        assert (around.after is None) == (section.index + 1 not in section.predecessors)
        assert measured == look(renderer, section, seen, [start])[0] and len(around.given) == 1


def test_the_frames_are_those_of_the_video(renderer) -> None:
    """As far as the codec lets them: with the two latents before it a section is decoded nearly as in its chunk."""
    plan, latents = planned(renderer, "vanilla")
    section = plan.sections[2]
    chunk = renderer.info.decoding.chunk(plan, 2)
    decoded = renderer.decode(torch.stack([latents[i] for i in chunk.latents], dim=1))[chunk.skip :]
    own = measure(to_bytes(decoded))
    seen, around = look(renderer, section, latents, [])
    assert seen.mean == pytest.approx(own.mean, abs=0.01) and around.before and around.after


def test_frames_of_a_given_video_are_not_taken_for_those_before(renderer) -> None:
    plan, latents = planned(renderer, "vanilla")
    given = {**latents, -1: latents[3]}
    assert look(renderer, plan.sections[0], given, []) == look(renderer, plan.sections[0], latents, [])


def test_where_the_codec_is_given_sections_alone_neighbours_are_decoded_by_themselves(renderer) -> None:
    class Alone:
        info = replace(renderer.info, decoding=Decoding(alone=True))

        def decode(self, latents: torch.Tensor, tiled: bool = False) -> torch.Tensor:
            assert latents.shape[1] == 9
            return renderer.decode(latents, tiled)

    rules = Rules(sections_alone=True)
    plan = make_plan(layout=renderer.info.layout, order="vanilla", seconds=6, seed=1, prompt="-", rules=rules)
    _, latents = planned(renderer, "vanilla")
    section = plan.sections[2]
    chunk = Alone.info.decoding.chunk(plan, 2)
    own = measure(to_bytes(renderer.decode(torch.stack([latents[i] for i in chunk.latents], dim=1))))
    seen, around = look(Alone(), section, {i: part for i, part in latents.items() if i < section.stop}, [])
    assert seen == own and around.before is not None and around.after is None
    assert look(Alone(), plan.sections[0], {i: latents[i] for i in range(10)}, [])[1].before is None

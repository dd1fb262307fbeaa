"""What training packs is what inference packs, and what it encodes is what inference encodes."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from PIL import Image

import model.families as families
from model.family import SamplingParams
from model.footage.apart import frames_apart
from model.footage.footage import Footage
from model.plan import Given, make_plan
from model.training.prepare import Prepared
from model.training.sections import Deck
from model.training.trainer import LoraTrainer
from model.transformer import SectionInputs
from tests.support.machine import here

FAMILIES = ["framepack", "framepack-f1"]


class Seen(Exception):
    """What a transformer was given."""


def packed(renderer: Any, section: Any, latents: Any, conditioning: Any) -> tuple[torch.Tensor, SectionInputs]:
    """What the renderer gives its transformer for a section."""

    def note(module: Any, args: Any) -> None:
        raise Seen(args[0], args[2])

    hook = renderer.transformer.register_forward_pre_hook(note)
    try:
        with pytest.raises(Seen) as seen:
            renderer.denoise(section, latents, conditioning, SamplingParams(steps=3), lambda done, steps: None)
    finally:
        hook.remove()
    noisy, inputs = seen.value.args
    return noisy, inputs


def same(ours: SectionInputs, theirs: SectionInputs) -> bool:
    tensors = ("text", "text_mask", "pooled", "image", "guidance")
    assert all(getattr(ours, name).equal(getattr(theirs, name)) for name in tensors)
    assert ours.indices == theirs.indices and len(ours.context) == len(theirs.context)
    return all(
        (a.kernel, a.indices, a.pool) == (b.kernel, b.indices, b.pool) and a.latents.equal(b.latents)
        for a, b in zip(ours.context, theirs.context, strict=True)
    )


def given_to(trainer: LoraTrainer) -> Callable[[int], tuple[torch.Tensor, SectionInputs]]:
    """What the trainer gives the transformer for the example of a number."""

    def look(number: int) -> tuple[torch.Tensor, SectionInputs]:
        def note(module: Any, args: Any) -> None:
            raise Seen(args[0], args[2])

        hook = trainer.transformer.register_forward_pre_hook(note)
        with pytest.raises(Seen) as seen:
            trainer.loss(number)
        hook.remove()
        return seen.value.args[0], seen.value.args[1]

    return look


@pytest.mark.parametrize("family", FAMILIES)
def test_a_section_of_a_clip_is_packed_as_the_same_section_of_a_render(
    prepared: Callable[..., Prepared], family: str, tmp_path: Any
) -> None:
    training = prepared(family=family)
    trainer = LoraTrainer(training, tmp_path, "cpu")
    renderer = families.load(family, here())
    info = renderer.info
    video, picture = training.clips
    plan = make_plan(layout=info.layout, order=info.default_order, seconds=2.4, seed=9, prompt=video.caption)
    assert len(plan.sections) == 2

    with frames_apart(video.file.read_bytes(), info.fps, video.bucket) as (_, frames):
        pictures = [Image.fromarray(next(frames)) for _ in range(73)]
    conditioning = renderer.encode(Footage(pictures[0], {"clip": pictures}), (video.caption,), "")
    shown = training.library.clip(video)
    assert shown["latents"][:, :1].equal(conditioning["start_latent"])
    assert shown["latents"][:, 1:].equal(conditioning["anchor.clip"][:, 1:])

    rendered = {frame: shown["latents"][:, frame] for frame in range(1, 19)}
    look = given_to(trainer)
    for number in range(len(trainer.deck)):
        example = trainer.deck.at(number)
        noisy, ours = look(number)
        if example.clip == video:
            x, theirs = packed(renderer, plan.sections[example.section.index], rendered, conditioning)
        else:  # a window of one latent of a video without a start image
            blank = renderer.encode(Footage(Image.new("RGB", (64, 64))), (picture.caption,), "")
            of = {"layout": info.layout, "order": info.default_order, "seed": 9, "prompt": picture.caption}
            first = make_plan(**of, seconds=1.2, given=Given(start_image=False)).sections[0]
            x, theirs = packed(renderer, first, {}, blank)
            x, theirs = x[:, :, :1], SectionInputs(**{**vars(theirs), "indices": theirs.indices[:1]})
        assert noisy.shape == x.shape and same(ours, theirs)


def test_a_deck_shows_every_section_as_often_as_its_clip_asks(prepared: Callable[..., Prepared]) -> None:
    training = prepared("repeats = 2")
    deck = Deck(training.examples, seed=1)
    count = len(deck)
    assert count == 6
    epochs = [[deck.at(epoch * count + place) for place in range(count)] for epoch in range(3)]
    for epoch in epochs:
        assert all(epoch.count(example) == 2 for example in training.examples)
    assert epochs[0] != epochs[1] or epochs[1] != epochs[2]
    again = Deck(training.examples, seed=1)
    assert again.at(2 * count + 3) == epochs[2][3]

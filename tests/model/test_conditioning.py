"""Conditioning of a section: mixtures of prompts and pictures, and given latents under their numbers."""

from dataclasses import replace

import pytest
import torch

from farm.errors import InputError
from model.conditioning import TextSettings, encode_text, given_latents, of_section, prompt_key
from model.footage.media import Media
from model.plan import Given, make_plan
from tests.support.clips import clip, flat


def test_plain_section_uses_the_conditioning_as_it_is(scene) -> None:
    assert of_section(scene.conditioning, scene.section()) is scene.conditioning


def test_prompts_are_mixed_linearly_over_the_tokens_of_both(scene) -> None:
    section = replace(scene.section(), next_prompt=scene.other_prompt, blend=0.25)
    mixed, key = of_section(scene.conditioning, section), prompt_key(scene.prompt)
    one, two = key, prompt_key(scene.other_prompt)
    plain = scene.conditioning
    assert mixed[f"mask.{key}"].equal(plain[f"mask.{one}"] | plain[f"mask.{two}"])
    for i in range(int(mixed[f"mask.{key}"].sum())):
        shares = [
            weight * plain[f"text.{name}"][i] for name, weight in ((one, 0.75), (two, 0.25)) if plain[f"mask.{name}"][i]
        ]
        torch.testing.assert_close(mixed[f"text.{key}"][i], sum(shares))
    torch.testing.assert_close(mixed[f"pooled.{key}"], 0.75 * plain[f"pooled.{one}"] + 0.25 * plain[f"pooled.{two}"])
    assert not scene.denoise(section, steps=1).equal(scene.denoise(steps=1))


def test_images_are_mixed_linearly(scene) -> None:
    conditioning = scene.conditioning | {"image.end_image": scene.conditioning["image"] + 4}
    section = replace(scene.section(), images=(("image", 0.75), ("end_image", 0.25)))
    torch.testing.assert_close(of_section(conditioning, section)["image"], conditioning["image"] + 1)


def test_prompt_that_was_not_encoded_is_named(scene) -> None:
    with pytest.raises(InputError, match="'never encoded'"):
        scene.denoise(replace(scene.section(), next_prompt="never encoded", blend=0.5))


def test_text_is_padded_on_the_right_whatever_the_tokenizer_prefers(scene, monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer = scene.renderer._encoders["tokenizer"]
    monkeypatch.setattr(tokenizer, "padding_side", "left")
    _, mask = encode_text("A cat.", tokenizer, scene.renderer._encoders["text_encoder"], TextSettings(max_tokens=20))
    assert mask[0] and not mask[-1]


def test_given_latents_are_numbered_as_the_plan_names_them(scene) -> None:
    from model.footage.opening import open_footage

    media = Media(end_image=flat("red"), keyframes=(flat("blue"),), video=clip(24))
    given = Given(extend="end", end_strength=0.5, keyframes=(2.4,), context_latents=3)
    renderer = scene.renderer
    plan = make_plan(layout=renderer.info.layout, order="bisect", seconds=6, seed=1, prompt="x", given=given)
    conditioning = renderer.encode(open_footage(media, renderer.info.buckets, given=given), ("x",), "")
    known = given_latents(plan, conditioning)
    assert sorted(known) == [-5, -4, -3, -2, -1, 0]
    for i in range(3):
        assert known[-3 + i].equal(conditioning["anchor.source_video"][:, i])
    assert known[-4].equal(conditioning["anchor.keyframe-1"][:, 0])
    assert known[-5].equal(0.5 * conditioning["anchor.end_image"][:, 0])
    for name in ("image.end_image", "image.keyframe-1", "image.source_video"):
        assert conditioning[name].shape == conditioning["image"].shape

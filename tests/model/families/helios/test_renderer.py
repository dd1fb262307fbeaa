"""Helios on small checkpoints: the bits of diffusers' pipelines, for every variant and beginning."""

import pytest
import torch
from PIL import Image

from model.families.helios.renderer import HeliosRenderer
from model.footage.footage import FileFacts, Footage
from model.plan import Given
from model.plan.anchors import SOURCE_VIDEO, START_IMAGE
from tests.support.helios import SIZES
from tests.support.helios_pipelines import PROMPT, ours, pipeline_of, plan_of, theirs

Renderers = dict[str, HeliosRenderer]
SAMPLED = {"helios": (2, 5.0), "helios-mid": (3, 5.0), "helios-distilled": (2, 1.0)}
"""Steps of a stage, and CFG."""


def picture(family: str, shade: int = 0) -> Image.Image:
    height, width = SIZES[family]
    ramp = Image.linear_gradient("L").resize((width, height))
    return Image.merge("RGB", (ramp, ramp.point(lambda value: (value + shade) % 256), ramp.rotate(180)))


def still(family: str) -> Footage:
    return Footage(picture(family), facts={START_IMAGE: FileFacts(*SIZES[family][::-1])})


def video(family: str, sections: int) -> Footage:
    frames = [picture(family, 3 * i) for i in range(33 * sections)]
    return Footage(picture(family, 200), {SOURCE_VIDEO: frames})


def blank(family: str) -> Footage:
    return Footage(picture(family))


@pytest.mark.parametrize(("family", "sections"), [("helios", 4), ("helios-mid", 2), ("helios-distilled", 3)])
def test_text_to_video_gives_diffusers_bits(renderers: Renderers, family: str, sections: int) -> None:
    renderer = renderers[family]
    conditioning = renderer.encode(blank(family), (PROMPT,), "ugly")
    made = ours(renderer, plan_of(renderer, sections), conditioning, *SAMPLED[family])
    expected = theirs(renderer, family, sections, conditioning, *SAMPLED[family])
    assert made.shape[1] == 9 * sections and made.equal(expected)


@pytest.mark.parametrize("family", ["helios", "helios-distilled"])
def test_picture_to_video_gives_diffusers_bits(renderers: Renderers, family: str) -> None:
    renderer = renderers[family]
    conditioning = renderer.encode(still(family), (PROMPT,), "ugly", seed=5)
    made = ours(renderer, plan_of(renderer, 2, Given()), conditioning, *SAMPLED[family])
    given = {
        "image_latents": conditioning["start_latent"][None],
        "fake_image_latents": conditioning[f"anchor.{START_IMAGE}"][None],
        "add_noise_to_image_latents": False,
    }
    expected = theirs(renderer, family, 2, conditioning, *SAMPLED[family], **given)
    assert made.equal(expected[:, 1:])  # the first is the picture's


@pytest.mark.parametrize(("family", "pieces"), [("helios", 1), ("helios", 3), ("helios-distilled", 2)])
def test_video_to_video_gives_diffusers_bits(renderers: Renderers, family: str, pieces: int) -> None:
    renderer, footage = renderers[family], video(family, pieces)
    conditioning = renderer.encode(footage, (PROMPT,), "ugly", seed=5)
    history = conditioning[f"anchor.{SOURCE_VIDEO}"]
    assert history.shape[1] == 19
    made = ours(renderer, plan_of(renderer, 2, Given(extend="end")), conditioning, *SAMPLED[family])
    given = {
        "image_latents": conditioning["start_latent"][None],
        "video_latents": history[:, -min(19, 9 * pieces) :][None],
        "add_noise_to_image_latents": False,
        "add_noise_to_video_latents": False,
    }
    expected = theirs(renderer, family, 2, conditioning, *SAMPLED[family], **given)
    assert made.equal(expected[:, -18:])


def test_given_pictures_are_encoded_and_noised_as_diffusers_does(renderers: Renderers) -> None:
    """All draws from one generator, in the pipeline's order."""
    renderer = renderers["helios"]
    pipeline, size = pipeline_of(renderer, "helios"), {"height": 64, "width": 96}
    seen: dict[str, torch.Tensor] = {}

    class Stop(Exception):
        pass

    def stop(module: object, arguments: tuple[object, ...], keywords: dict[str, torch.Tensor]) -> None:
        seen.update(keywords)
        raise Stop

    pipeline.transformer.register_forward_pre_hook(stop, with_kwargs=True)
    texts = {"prompt_embeds": torch.zeros(1, 512, 32), "negative_prompt_embeds": torch.zeros(1, 512, 32)}
    for footage, given in (
        (still("helios"), {"image": picture("helios")}),
        (
            Footage(picture("helios", 3), {SOURCE_VIDEO: [picture("helios", 3 + i) for i in range(66)]}),
            {"video": [[picture("helios", 3 + i) for i in range(66)]]},
        ),
    ):
        conditioning = renderer.encode(footage, (PROMPT,), "", seed=5)
        with pytest.raises(Stop):
            pipeline(generator=torch.Generator().manual_seed(5), num_frames=33, **size, **texts, **given)
        history = torch.cat([seen[f"latents_history_{part}"] for part in ("long", "mid")], dim=2)
        history = torch.cat([history, seen["latents_history_short"][:, :, 1:]], dim=2)
        frames = next(conditioning[name] for name in conditioning if name.startswith("anchor."))
        assert conditioning["start_latent"].equal(seen["latents_history_short"][0, :, :1])
        assert frames.equal(history[0, :, -frames.shape[1] :])


def test_sections_are_decoded_alone_into_diffusers_frames(renderers: Renderers) -> None:
    """33 frames each; the pipeline cuts up to three good ones off the end."""
    family = "helios-distilled"
    renderer = renderers[family]
    conditioning = renderer.encode(blank(family), (PROMPT,), "")
    plan = plan_of(renderer, 2)
    latents = ours(renderer, plan, conditioning, 1, 1.0)
    chunks = [renderer.info.decoding.chunk(plan, section.index) for section in plan.sections]
    assert [chunk.frames for chunk in chunks] == [range(33), range(33, 66)] and plan.frames == 66
    frames = torch.cat([renderer.decode(latents[:, :9]), renderer.decode(latents[:, 9:])])
    expected = theirs(renderer, family, 2, conditioning, 1, 1.0, output="np")
    assert len(expected) == 65 and frames.shape == (66, *[8 * side for side in latents.shape[-2:]], 3)
    assert ((frames[:65] / 2 + 0.5).clamp(0, 1)).equal(expected)

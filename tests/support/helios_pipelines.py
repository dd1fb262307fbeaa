"""A whole video through diffusers' Helios pipelines and through ours, from the same seeds."""

from typing import Any

import torch
from diffusers import (
    HeliosDMDScheduler,
    HeliosPipeline,
    HeliosPyramidPipeline,
    HeliosScheduler,
    HeliosTransformer3DModel,
)

from model.families.helios.renderer import HeliosRenderer
from model.family import SamplingParams
from model.plan import Given, Plan, make_plan
from model.plan.make import section_seed

PROMPT = "A cat dances."
SEED = 7


def plan_of(renderer: HeliosRenderer, sections: int, given: Given = Given(start_image=False)) -> Plan:
    """A plan of so many sections."""
    info = renderer.info
    return make_plan(
        layout=info.layout,
        order=info.default_order,
        seconds=33 * sections / info.fps,
        seed=SEED,
        prompt=PROMPT,
        fps=info.fps,
        given=given,
        rules=info.rules,
    )


def ours(
    renderer: HeliosRenderer, plan: Plan, conditioning: dict[str, torch.Tensor], steps: int, cfg: float
) -> torch.Tensor:
    """Latents [channels, frames, h, w] of the sections of a plan."""
    known = {0: conditioning["start_latent"][:, 0]}
    for anchor in plan.anchors:
        frames = conditioning[f"anchor.{anchor.name}"]
        known |= {anchor.first + i: frames[:, i] for i in range(anchor.frames)}
    made = []
    for section in plan.sections:
        slots = {slot.latent: known[slot.latent] for slot in section.slots if slot.latent is not None}
        params = SamplingParams(steps=steps, cfg=cfg)
        latents = renderer.denoise(section, slots, conditioning, params, lambda done, steps: None)
        known |= {section.start + i: latents[:, i] for i in range(latents.shape[1])}
        made.append(latents)
    return torch.cat(made, dim=1)


def pipeline_of(renderer: HeliosRenderer, family: str) -> Any:
    """Diffusers' pipeline with the renderer's weights."""
    twin = HeliosTransformer3DModel.from_config(renderer.transformer.config).eval()
    twin.load_state_dict(renderer.transformer.state_dict(), assign=True)  # the very tensors: how they lie decides bits
    kind = HeliosDMDScheduler if family == "helios-distilled" else HeliosScheduler
    parts = {
        "tokenizer": None,
        "text_encoder": None,
        "vae": renderer._vae,
        "transformer": twin,
        "scheduler": kind.from_config(renderer._schedule.config),
    }
    if family == "helios":
        made: Any = HeliosPipeline(**parts)
    else:
        flags = {"is_cfg_zero_star": family == "helios-mid", "is_distilled": family == "helios-distilled"}
        made = HeliosPyramidPipeline(**parts, **flags)
    made.set_progress_bar_config(disable=True)
    return made


def theirs(
    renderer: HeliosRenderer,
    family: str,
    sections: int,
    conditioning: dict[str, torch.Tensor],
    steps: int,
    cfg: float,
    output: str = "latent",
    pipeline: Any = None,
    **given: Any,
) -> torch.Tensor:
    """The same by diffusers: latents [channels, frames, h, w], those of what is given included, or frames.

    Noise is drawn from one generator, which gets the next section's seed after the last step of each.
    """
    generator = torch.Generator().manual_seed(section_seed(SEED, 0))
    stages = 1 if family == "helios" else 3
    boosted = family == "helios-distilled"
    ends = [stages * steps * (2 if boosted else 1)]
    while len(ends) < sections:
        ends.append(ends[-1] + stages * steps)
    done = 0

    def reseed(pipeline: Any, step: int, timestep: Any, values: dict[str, Any]) -> dict[str, Any]:
        nonlocal done
        done += 1
        if done in ends:
            generator.manual_seed(section_seed(SEED, ends.index(done) + 1))
        return values

    height, width = (8 * side for side in conditioning["start_latent"].shape[-2:])
    texts = {name: conditioning[name][None] for name in conditioning if name.startswith("text.")}
    negative = texts.pop("text.negative")
    call: dict[str, Any] = (
        {"num_inference_steps": steps}
        if family == "helios"
        else {
            "pyramid_num_inference_steps_list": [steps] * 3,
            "is_amplify_first_chunk": boosted,
        }
    )
    found = (pipeline or pipeline_of(renderer, family))(
        prompt_embeds=next(iter(texts.values())),
        negative_prompt_embeds=negative,
        height=height,
        width=width,
        num_frames=33 * sections,
        guidance_scale=cfg,
        generator=generator,
        callback_on_step_end=reseed,
        output_type=output,
        **call,
        **given,
    ).frames
    assert done == ends[-1]
    return torch.as_tensor(found)[0]

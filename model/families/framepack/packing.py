"""What the packed transformer is told of a section, in a render and in training alike."""

from collections.abc import Mapping

import torch

from model.conditioning import text_inputs
from model.family import Tensors
from model.plan.plan import Section
from model.transformer import SectionInputs, gather_context


def section_inputs(
    section: Section, latents: Mapping[int, torch.Tensor], conditioning: Tensors, guidance: float | None
) -> SectionInputs:
    """All that it is told beside the noise.

    Args:
        section: of a plan.
        latents: every latent [channels, h, w] that its slots name, and the start image's under 0.
        conditioning: as ``Renderer.encode`` gives it, with the section's prompt.
        guidance: as the transformer takes it, times 1000; None for models without it.

    Raises:
        InputError: the section's prompt was not encoded.
    """
    channels, height, width = latents[0].shape
    text, mask, pooled = text_inputs(conditioning, section.prompt)
    window = section.stop - section.start
    inputs = SectionInputs(
        text=text,
        text_mask=mask,
        pooled=pooled,
        image=conditioning["image"][None],
        guidance=None if guidance is None else torch.tensor([guidance]),
        indices=tuple(range(section.window_index, section.window_index + window)),
        context=gather_context(section.slots, latents, channels, height, width),
    )
    return inputs.paced(section.time_step)

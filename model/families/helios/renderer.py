"""The renderer of Helios' checkpoints: Base, Mid and Distilled."""

from collections.abc import Mapping

import torch

from farm.errors import CheckpointError
from model.checkpoint import SCHEDULER_CONFIG, Checkpoint
from model.conditioning import prompt_key
from model.family import FamilyInfo, OnLook, OnStep, SamplingParams, Step, Tensors
from model.footage.footage import Footage
from model.footage.media import Media
from model.footage.opening import open_footage
from model.memory import PLACEMENTS, Placement
from model.plan.anchors import SOURCE_VIDEO, START_IMAGE
from model.plan.plan import Section
from model.renderer import NEGATIVE, CheckpointRenderer, finite
from model.settings import ModelSettings
from model.transformer import SectionMemo, gather_context
from model.weights import read_json

from .conditioning import Pictures, encode_text, text_of
from .guidance import ZERO_STEPS, guided, guided_star
from .inputs import HeliosInputs
from .sampling import Flow, Sampling
from .schedule import Schedule
from .transformer import HeliosTransformer

POSITIVE = "positive"
"""The name of the branch that is always computed."""


class HeliosRenderer(CheckpointRenderer):
    """Implements ``model.family.Renderer``; see ``CheckpointRenderer``."""

    transformer_class = HeliosTransformer

    def __init__(
        self,
        info: FamilyInfo,
        checkpoint: Checkpoint,
        settings: ModelSettings,
        device: str = "cpu",
        threads: int = 1,
        placement: Placement = PLACEMENTS["resident"],
    ) -> None:
        path = checkpoint.parts["transformer"].path
        if path.is_file():
            raise CheckpointError(
                f"{info.name}: {path} is a single file, which would lose what has to stay in 32 bits; give the folder "
                "with config.json and its weights."
            )
        super().__init__(info, checkpoint, settings, device, threads, placement)
        file = checkpoint.parts["scheduler"].path / SCHEDULER_CONFIG
        self._schedule = Schedule.of(read_json(file, "copy or download it again"))

    @torch.no_grad()
    def encode(
        self, image: bytes | Footage, prompts: tuple[str, ...], n_prompt: str, seed: int = 0
    ) -> dict[str, torch.Tensor]:
        """See ``Renderer.encode``. A start image is given as ``start_latent`` and ``anchor.image``, a video as
        ``start_latent`` and ``anchor.source_video``; without either ``start_latent`` is zeros.

        Raises:
            InputError: the image can't be used.
        """
        self._apply_threads()
        footage = open_footage(Media(image), self.info.buckets) if isinstance(image, bytes) else image
        self._turns.bring("vae")
        tensors = self._given(footage, Pictures(self._vae, *self._statistics, seed))
        self._turns.bring()
        encoders, tokens = self._encoders, int(self._facts["max_text_tokens"])
        for key, prompt in ({prompt_key(prompt): prompt for prompt in prompts} | {NEGATIVE: n_prompt}).items():
            text = encode_text(prompt, encoders["tokenizer"], encoders["text_encoder"], tokens)
            tensors[f"text.{key}"] = text
        encoders.release_if_large(self.placement.keeps)
        return {name: tensor.contiguous().cpu() for name, tensor in tensors.items()}

    @torch.no_grad()
    def denoise(
        self,
        section: Section,
        latents: Mapping[int, torch.Tensor],
        conditioning: Tensors,
        params: SamplingParams,
        on_step: OnStep,
        on_look: OnLook = lambda step: None,
    ) -> torch.Tensor:
        """See ``Renderer.denoise``. ``params.steps`` are those of a stage.

        Raises:
            InputError: ``conditioning`` was not encoded for the section's prompt.
            CheckpointError: a LoRA is not on this machine, or another file has its name.
            FarmError: the model gave values that are not finite.
        """
        self._apply_threads()
        channels, _, height, width = conditioning["start_latent"].shape
        shape = torch.Size((1, channels, section.stop - section.start, height, width))
        self._use_loras(params)
        known = {0: conditioning["start_latent"][:, 0], **latents}
        inputs = HeliosInputs(
            text=text_of(conditioning, section),
            indices=tuple(range(section.window_index, section.window_index + shape[2])),
            context=gather_context(section.slots, known, channels, height, width),
        ).paced(section.time_step)
        self._turns.bring("transformer")
        sampling = Sampling(self._schedule, shape, params.steps, section.index == 0, self.device)
        computed: dict[str, list[bool]] = {POSITIVE: [], **({NEGATIVE: []} if params.cfg > 1 else {})}
        flow = self._flow(inputs.on(self.device, self._dtype), conditioning, params, sampling, computed)
        steps = len(sampling.timesteps)

        def on_x0(x0: torch.Tensor) -> None:
            done = len(computed[POSITIVE])
            on_look(Step(done, steps, x0[0], computed))
            on_step(done, steps)

        generator = torch.Generator("cpu").manual_seed(section.seed)
        made = sampling.run(flow, generator, self._dtype, on_x0)
        return finite(made[0].float().cpu().contiguous(), section.index)

    def _given(self, footage: Footage, pictures: Pictures) -> dict[str, torch.Tensor]:
        """Latents of what the video begins with."""
        if SOURCE_VIDEO in footage.anchors:
            history = sum(group.frames for group in self.info.layout.left) - 1
            first, frames = pictures.video(footage.start, footage.anchors[SOURCE_VIDEO], history)
            return {"start_latent": first, f"anchor.{SOURCE_VIDEO}": frames}
        if START_IMAGE in footage.facts:
            first, last = pictures.still(footage.start)
            return {"start_latent": first, f"anchor.{START_IMAGE}": last}
        columns, rows = (side // self._vae.config.scale_factor_spatial for side in footage.start.size)
        return {"start_latent": torch.zeros(self._vae.config.z_dim, 1, rows, columns)}

    def _flow(
        self,
        inputs: HeliosInputs,
        conditioning: Tensors,
        params: SamplingParams,
        sampling: Sampling,
        computed: dict[str, list[bool]],
    ) -> Flow:
        """The guided flow; what is constant over the steps is worked out once. ``computed``: see ``Step``; it grows."""
        memo = SectionMemo(sampling.timesteps)
        negative = inputs.told(conditioning[f"text.{NEGATIVE}"][None]) if params.cfg > 1 else None
        star = bool(self._facts.get("cfg_zero_star", False))

        def count(ran: bool) -> bool:
            for branch in computed.values():
                branch.append(ran)
            return ran

        def run(told: HeliosInputs, x: torch.Tensor, timestep: float) -> torch.Tensor:
            output: torch.Tensor = self._transformer(x, timestep, told, memo)
            return output

        def flow(x: torch.Tensor, timestep: float, stage: int, step: int) -> torch.Tensor:
            if not count(negative is None or not star or stage > 0 or step >= ZERO_STEPS):
                return torch.zeros_like(x)
            if negative is None:
                return run(inputs, x, timestep)
            combined = guided_star if star else guided
            return combined(run(inputs, x, timestep), run(negative, x, timestep), params.cfg)

        return flow

    def _prepare(self, transformer: HeliosTransformer) -> None:
        transformer.keep_phases_exact()

    def _codec_latents(self, latents: torch.Tensor) -> torch.Tensor:
        mean, deviation = self._statistics
        scaled: torch.Tensor = latents.to(mean.dtype) / deviation + mean
        return scaled

    @property
    def _statistics(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and 1 / standard deviation of the codec's latents [1, channels, 1, 1, 1], where it works."""
        config, here = self._vae.config, {"device": self.device, "dtype": self._vae.dtype}
        mean = torch.tensor(config.latents_mean).view(1, -1, 1, 1, 1).to(**here)
        return mean, 1.0 / torch.tensor(config.latents_std).view(1, -1, 1, 1, 1).to(**here)

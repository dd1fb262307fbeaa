"""The renderer of FramePack-family checkpoints: the packed transformer, a video codec, Llama, CLIP and SigLIP."""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import torch

from farm.errors import FarmError

from .adapters import Adapters
from .caches import StepCache, step_cache
from .checkpoint import WITH_WEIGHTS, Checkpoint, Part
from .components import load_weights, part_dtypes, working_dtype
from .conditioning import (
    TextSettings,
    encode_frames,
    encode_picture,
    encode_pooled,
    encode_text,
    of_section,
    prompt_key,
    text_inputs,
)
from .device import HOST, device_class, open_device
from .encoders import Encoders
from .family import FamilyInfo, OnLook, OnStep, SamplingParams, Step, Tensors
from .footage.footage import Footage
from .footage.media import Media
from .footage.opening import open_footage
from .memory import PLACEMENTS, Placement
from .placement import Turns, transformer_move
from .plan.plan import Section
from .preview import LatentColours, colours_of
from .sampling import SAMPLERS, flow_shift, flow_sigmas, guidance_of, timestep_of
from .transformer import PackedTransformer, SectionInputs, SectionMemo, accelerate, extra_kernels, gather_context
from .transformer.acceleration import wants_fp8

NEGATIVE = "negative"
"""The key of the negative prompt's embeddings, whatever its text."""


class FramePackRenderer:
    """Implements ``model.family.Renderer``: on the CPU in fp32, on a GPU in the dtypes of the family's facts.

    On the CPU a fixed number of torch threads and per-section noise make results bit-identical between processes.
    The text and image encoders are read at the first ``encode``.

    Args:
        info, checkpoint: of the family.
        device: torch's name of the device.
        threads: torch threads on the CPU.
        placement: what lies where, from ``choose_placement``.

    Raises:
        CheckpointError: a component can't be read.
        InputError: torch has no such device here.
    """

    def __init__(
        self,
        info: FamilyInfo,
        checkpoint: Checkpoint,
        device: str = "cpu",
        threads: int = 1,
        placement: Placement = PLACEMENTS["resident"],
    ) -> None:
        self.info = info
        self.device = open_device(device)
        self.placement = placement
        self.threads = threads
        self._facts = checkpoint.family
        trained = self._facts.get("dtypes", {})
        self.dtypes = part_dtypes(WITH_WEIGHTS, checkpoint.dtypes, trained, self.device.type)
        if placement.weight_bytes == 1 or (self.dtypes["transformer"] == "bf16" and wants_fp8()):
            self.dtypes["transformer"] = "fp8"
        self._apply_threads()
        parts = checkpoint.parts
        self._transformer = load_weights(
            PackedTransformer,
            parts["transformer"].path,
            HOST,
            self.dtypes["transformer"],
            self._facts.get("transformer_config"),
            works_on=self.device,
        )
        self._transformer.add_kernels(extra_kernels(info.layout))
        self._transformer.proj_out.float()  # the flow in fp32, as in the reference program
        acceleration = accelerate(self._transformer, self.device, self._dtype)
        self.attention = acceleration.attention
        self.device_class = device_class(self.device, threads, self.dtypes) + acceleration.suffix
        self._vae = load_weights(_codec_class(parts["vae"]), parts["vae"].path, HOST, self.dtypes["vae"])
        self._adapters = Adapters(self._transformer, self._dtype)
        self._turns = Turns(placement, self.device)
        self._turns.add("transformer", transformer_move(self._transformer, placement, self.device))
        self._turns.add("vae", self._vae.to)
        if placement.keeps:
            self._turns.bring("transformer", "vae")
        self._encoders = Encoders(checkpoint, self.device, self.dtypes)

    @torch.no_grad()
    def encode(self, image: bytes | Footage, prompts: tuple[str, ...], n_prompt: str) -> dict[str, torch.Tensor]:
        """See ``Renderer.encode``. Text embeddings are stored under a digest of their prompt.

        Raises:
            InputError: the image can't be used.
        """
        self._apply_threads()
        footage = image
        if isinstance(footage, bytes):
            footage = open_footage(Media(footage), self.info.buckets)
        encoders = self._encoders
        self._turns.bring("vae")
        tensors = {"start_latent": encode_frames([footage.start], self._vae)}
        for name, pictures in footage.anchors.items():
            tensors[f"anchor.{name}"] = encode_frames(pictures, self._vae)
        self._turns.bring()
        seen = {"image": footage.start} | {f"image.{name}": pictures[0] for name, pictures in footage.anchors.items()}
        for name, picture in seen.items():
            tensors[name] = encode_picture(picture, encoders["feature_extractor"], encoders["image_encoder"])
        texts = {prompt_key(prompt): prompt for prompt in prompts} | {NEGATIVE: n_prompt}
        for key, prompt in texts.items():
            text, mask = encode_text(prompt, encoders["tokenizer"], encoders["text_encoder"], self._text_settings)
            tensors[f"text.{key}"], tensors[f"mask.{key}"] = text, mask
            tensors[f"pooled.{key}"] = encode_pooled(prompt, encoders["tokenizer_2"], encoders["text_encoder_2"])
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
        """See ``Renderer.denoise``. Whatever ``on_step`` raises leaves the renderer ready for the next section.

        Between steps x stays in fp32; the transformer gets it rounded to its own dtype, and x0 is taken from that.

        Raises:
            InputError: ``conditioning`` was not encoded for the section's prompt, or the cache lacks a calibration.
            CheckpointError: a LoRA is not on this machine, or another file has its name.
            FarmError: the model gave values that are not finite.
        """
        self._apply_threads()
        conditioning = of_section(conditioning, section)
        channels, _, height, width = conditioning["start_latent"].shape
        window = section.stop - section.start
        generator = torch.Generator("cpu").manual_seed(section.seed)
        noise = torch.randn(1, channels, window, height, width, generator=generator, dtype=torch.float32)
        shift = params.shift or flow_shift(window * height * width // 4)
        sigmas = flow_sigmas(params.steps, shift, params.sigma_exponent)
        if self._adapters.active != params.loras:
            self._turns.bring()  # they join and leave where all weights of the transformer lie together
            with self._transformer.on_host():
                self._adapters.use(params.loras)
        known = {0: conditioning["start_latent"][:, 0], **latents}
        self._turns.bring("transformer")
        with step_cache(self._transformer, params, self.info) as cache:
            flow = self._flow(section, known, conditioning, params, sigmas, cache)
            x0 = noise

            def predict(x: torch.Tensor, sigma: float) -> torch.Tensor:
                nonlocal x0
                rounded = x.to(self._dtype)
                x0 = rounded.float() - sigma * flow(rounded, sigma)
                return x0

            def step_done(done: int, steps: int) -> None:
                on_look(Step(done, steps, x0[0], cache.computed))
                on_step(done, steps)

            sampled = SAMPLERS[params.sampler](predict, noise.to(self.device), sigmas, step_done)
        result = sampled[0].float().cpu().contiguous()
        if not torch.isfinite(result).all():
            raise FarmError(f"section {section.index}: the model gave values that are not finite; lower gs or cfg.")
        return result

    @torch.no_grad()
    def decode(self, latents: torch.Tensor, tiled: bool = False) -> torch.Tensor:
        """See ``Renderer.decode``."""
        self._apply_threads()
        self._turns.bring("vae")
        raw = latents[None].to(self.device) / self._vae.config.scaling_factor
        if tiled:
            self._vae.enable_tiling()
        try:
            video = self._vae.decode(raw.to(self._vae.dtype)).sample[0]
        finally:
            if tiled:
                self._vae.disable_tiling()
        frames: torch.Tensor = video.permute(1, 2, 3, 0).contiguous().cpu()
        return frames

    def preview(self, latents: torch.Tensor) -> torch.Tensor:
        """See ``Renderer.preview``. The first call may take a second, to fit the colours of an unknown codec."""
        return self._colours.frames(latents)

    @cached_property
    def _colours(self) -> LatentColours:
        return colours_of(self._vae)

    def _flow(
        self,
        section: Section,
        latents: Mapping[int, torch.Tensor],
        conditioning: Tensors,
        params: SamplingParams,
        sigmas: Sequence[float],
        cache: StepCache,
    ) -> Callable[[torch.Tensor, float], torch.Tensor]:
        """The flow as a function of (x, sigma), with guidance; what is constant over the steps is prepared here."""
        channels, _, height, width = conditioning["start_latent"].shape
        text, mask, pooled = text_inputs(conditioning, section.prompt)
        guidance = None
        if self._transformer.config.guidance_embeds:
            guidance = torch.tensor([guidance_of(params.gs, self._dtype)])
        positive = SectionInputs(
            text=text,
            text_mask=mask,
            pooled=pooled,
            image=conditioning["image"][None],
            guidance=guidance,
            indices=tuple(range(section.window_index, section.window_index + section.stop - section.start)),
            context=gather_context(section.slots, latents, channels, height, width),
        )
        positive = positive.paced(section.time_step).on(self.device, self._dtype)
        negative = None
        if params.cfg > 1:
            text, mask, pooled = text_inputs(conditioning, "", NEGATIVE)
            negative = positive.told(text, mask, pooled)
        memo = SectionMemo([timestep_of(sigma, self._dtype) for sigma in sigmas[:-1]])

        def run(branch: str, inputs: SectionInputs, x: torch.Tensor, sigma: float) -> torch.Tensor:
            with cache.branch(branch):
                output: torch.Tensor = self._transformer(x, timestep_of(sigma, self._dtype), inputs, memo)
            return output.float()

        def flow(x: torch.Tensor, sigma: float) -> torch.Tensor:
            guided = run("positive", positive, x, sigma)
            if negative is None:
                return guided
            return classifier_free_guidance(guided, run("negative", negative, x, sigma), params.cfg, params.rs)

        return flow

    @property
    def transformer(self) -> Any:
        """Diffusers' model, for measurements between sections."""
        return self._transformer

    @property
    def _dtype(self) -> torch.dtype:
        """What the transformer computes in."""
        return working_dtype(self.dtypes["transformer"], self.device)

    @property
    def _text_settings(self) -> TextSettings:
        facts = self._facts
        return TextSettings(
            template=facts["prompt_template"],
            skip_layers=int(facts["text_layers_skip"]),
            max_tokens=int(facts["max_text_tokens"]),
            crop=int(facts.get("crop_text_tokens", 0)),
        )

    def _apply_threads(self) -> None:
        """Torch's thread count is one per process; another renderer or library may have changed it."""
        if self.device.type == "cpu" and torch.get_num_threads() != self.threads:
            torch.set_num_threads(self.threads)


def classifier_free_guidance(
    positive: torch.Tensor, negative: torch.Tensor, scale: float, rescale: float
) -> torch.Tensor:
    """Real CFG on the flow: negative + scale * (positive - negative), mixed by ``rescale`` (0 to 1) with the same
    brought back to the standard deviation of ``positive`` (arXiv 2305.08891, section 3.4)."""
    guided = negative + scale * (positive - negative)
    if not rescale:
        return guided
    dims = tuple(range(1, guided.ndim))
    matched = guided * (positive.std(dim=dims, keepdim=True) / guided.std(dim=dims, keepdim=True))
    return rescale * matched + (1 - rescale) * guided


def _codec_class(vae: Part) -> Any:
    if vae.kind[1] == "AutoencoderKLHunyuanVideo":
        from diffusers import AutoencoderKLHunyuanVideo

        return AutoencoderKLHunyuanVideo
    from .puppet.codec import AutoencoderPuppet

    return AutoencoderPuppet

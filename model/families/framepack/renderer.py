"""The renderer of FramePack-family checkpoints: the packed transformer, a video codec, Llama, CLIP and SigLIP."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from PIL import Image

from model.caches import StepCache, step_cache
from model.conditioning import (
    TextSettings,
    encode_frames,
    encode_picture,
    encode_pooled,
    encode_text,
    of_section,
    prompt_key,
    text_inputs,
)
from model.family import OnLook, OnStep, SamplingParams, Step, Tensors
from model.footage.footage import Footage
from model.footage.media import Media
from model.footage.opening import open_footage
from model.plan.plan import Section
from model.renderer import NEGATIVE, CheckpointRenderer, finite
from model.sampling import SAMPLERS, flow_shift, flow_sigmas, guidance_of, timestep_of
from model.transformer import PackedTransformer, SectionInputs, SectionMemo, extra_kernels

from .packing import section_inputs


class FramePackRenderer(CheckpointRenderer):
    """Implements ``model.family.Renderer``, and ``WithImageEncoder``, for checkpoints with the packed transformer; see
    ``CheckpointRenderer``."""

    transformer_class = PackedTransformer

    @torch.no_grad()
    def encode(
        self, image: bytes | Footage, prompts: tuple[str, ...], n_prompt: str, seed: int = 0
    ) -> dict[str, torch.Tensor]:
        """See ``Renderer.encode``; nothing is noised. Text embeddings are stored under a digest of their prompt.

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
            tensors[name] = self._embeddings(picture)
        texts = {prompt_key(prompt): prompt for prompt in prompts} | {NEGATIVE: n_prompt}
        for key, prompt in texts.items():
            text, mask = encode_text(prompt, encoders["tokenizer"], encoders["text_encoder"], self._text_settings)
            tensors[f"text.{key}"], tensors[f"mask.{key}"] = text, mask
            tensors[f"pooled.{key}"] = encode_pooled(prompt, encoders["tokenizer_2"], encoders["text_encoder_2"])
        encoders.release_if_large(self.placement.keeps)
        return {name: tensor.contiguous().cpu() for name, tensor in tensors.items()}

    @torch.no_grad()
    def embed(self, picture: torch.Tensor) -> torch.Tensor:
        """See ``WithImageEncoder.embed``."""
        self._apply_threads()
        self._turns.bring()
        try:
            return self._embeddings(Image.fromarray(picture.numpy())).cpu()
        finally:
            self._encoders.release_if_large(self.placement.keeps)

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
        self._use_loras(params)
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
        return finite(sampled[0].float().cpu().contiguous(), section.index)

    def _embeddings(self, picture: Image.Image) -> torch.Tensor:
        return encode_picture(picture, self._encoders["feature_extractor"], self._encoders["image_encoder"])

    def _prepare(self, transformer: Any) -> None:
        transformer.add_kernels(extra_kernels(self.info.layout))
        transformer.proj_out.float()  # the flow in fp32, as in the reference program

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
        guided = self._transformer.config.guidance_embeds
        guidance = guidance_of(params.gs, self._dtype) if guided else None
        positive = section_inputs(section, latents, conditioning, guidance).on(self.device, self._dtype)
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
    def _text_settings(self) -> TextSettings:
        return TextSettings.of(self._facts)


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

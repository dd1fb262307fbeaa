"""The renderer of FramePack-family checkpoints: diffusers' transformer, a video codec, Llama, CLIP and SigLIP."""

import hashlib
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import cached_property
from typing import Any

import torch

from farm.errors import FarmError, InputError

from .buckets import crop_to_bucket, nearest_bucket
from .checkpoint import Checkpoint
from .components import load_processor, load_weights
from .conditioning import TextSettings, encode_picture, encode_pooled, encode_start, encode_text
from .constants import constants_once
from .family import FamilyInfo, OnStep, SamplingParams, Tensors
from .images import open_image
from .packing import pack_context
from .plan.plan import Section
from .sampling import SAMPLERS, flow_shift, flow_sigmas
from .teacache import IDENTITY, tea_cache

NEGATIVE = "negative"
_FRAMES_PER_LATENT = 4


class FramePackRenderer:
    """Implements ``model.family.Renderer`` in fp32.

    On the CPU a fixed number of torch threads and per-section noise make results bit-identical between processes.
    The text and image encoders are read at the first ``encode``.

    Args:
        info, checkpoint: of the family.
        device: torch's name of the device.
        threads: torch threads on the CPU.

    Raises:
        CheckpointError: a component can't be read.
        InputError: torch has no such device here.
    """

    def __init__(self, info: FamilyInfo, checkpoint: Checkpoint, device: str = "cpu", threads: int = 1) -> None:
        from diffusers.models.transformers.transformer_hunyuan_video_framepack import (
            HunyuanVideoFramepackTransformer3DModel,
        )

        self.info = info
        self.device = _open_device(device)
        self.threads = threads
        self.device_class = _device_class(self.device, threads)
        self._path = checkpoint.path
        self._facts = checkpoint.family
        self._apply_threads()
        self._transformer = load_weights(
            HunyuanVideoFramepackTransformer3DModel, self._path / "transformer", self.device
        )
        self._vae = load_weights(_codec_class(checkpoint), self._path / "vae", self.device)

    @torch.no_grad()
    def encode(self, image: bytes, prompts: tuple[str, ...], n_prompt: str) -> dict[str, torch.Tensor]:
        """See ``Renderer.encode``. Text embeddings are stored under a digest of their prompt.

        Raises:
            InputError: the image can't be used.
        """
        self._apply_threads()
        picture = open_image(image)
        picture = crop_to_bucket(picture, nearest_bucket(picture.height, picture.width, self.info.buckets))
        encoders = self._encoders
        tensors = {
            "start_latent": encode_start(picture, self._vae),
            "image": encode_picture(picture, encoders["feature_extractor"], encoders["image_encoder"]),
        }
        texts = {prompt_key(prompt): prompt for prompt in prompts} | {NEGATIVE: n_prompt}
        for key, prompt in texts.items():
            text, mask = encode_text(prompt, encoders["tokenizer"], encoders["text_encoder"], self._text_settings)
            tensors[f"text.{key}"], tensors[f"mask.{key}"] = text, mask
            tensors[f"pooled.{key}"] = encode_pooled(prompt, encoders["tokenizer_2"], encoders["text_encoder_2"])
        return {name: tensor.contiguous().cpu() for name, tensor in tensors.items()}

    @torch.no_grad()
    def denoise(
        self,
        section: Section,
        latents: Mapping[int, torch.Tensor],
        conditioning: Tensors,
        params: SamplingParams,
        on_step: OnStep,
    ) -> torch.Tensor:
        """See ``Renderer.denoise``. Whatever ``on_step`` raises leaves the renderer ready for the next section.

        Raises:
            InputError: ``conditioning`` was not encoded for the section's prompt.
            FarmError: the model gave values that are not finite.
        """
        self._apply_threads()
        channels, _, height, width = conditioning["start_latent"].shape
        window = section.stop - section.start
        generator = torch.Generator("cpu").manual_seed(section.seed)
        noise = torch.randn(1, channels, window, height, width, generator=generator, dtype=torch.float32)
        shift = params.shift or flow_shift(window * height * width // 4)
        with ExitStack() as stack:
            flow = self._flow(section, {0: conditioning["start_latent"][:, 0], **latents}, conditioning, params, stack)
            sampled = SAMPLERS[params.sampler](
                lambda x, sigma: x - sigma * flow(x, sigma),
                noise.to(self.device),
                flow_sigmas(params.steps, shift),
                on_step,
            )
        result = sampled[0].float().cpu().contiguous()
        if not torch.isfinite(result).all():
            raise FarmError(f"section {section.index}: the model gave values that are not finite; lower gs or cfg.")
        return result

    @torch.no_grad()
    def decode(self, latents: torch.Tensor, overlap: int) -> torch.Tensor:
        """See ``Renderer.decode``.

        Raises:
            InputError: ``overlap`` leaves no latent frame to decode.
        """
        self._apply_threads()
        if not 0 <= overlap < latents.shape[1]:
            raise InputError(f"decode: overlap {overlap} leaves nothing of {latents.shape[1]} latent frames.")
        raw = latents[None].to(self.device) / self._vae.config.scaling_factor
        video = self._vae.decode(raw).sample[0]
        skip = 1 + _FRAMES_PER_LATENT * (overlap - 1) if overlap else 0
        pixels = ((video[:, skip:] / 2 + 0.5).clamp(0, 1) * 255).round().to(torch.uint8)
        frames: torch.Tensor = pixels.permute(1, 2, 3, 0).contiguous().cpu()
        return frames

    def _flow(
        self,
        section: Section,
        latents: Mapping[int, torch.Tensor],
        conditioning: Tensors,
        params: SamplingParams,
        stack: ExitStack,
    ) -> Callable[[torch.Tensor, float], torch.Tensor]:
        """The flow as a function of (x, sigma), with guidance; what is constant over the steps is prepared here."""
        channels, _, height, width = conditioning["start_latent"].shape
        window = section.stop - section.start
        shared: dict[str, Any] = pack_context(section.slots, latents, channels, height, width)
        shared["indices_latents"] = torch.arange(section.window_index, section.window_index + window)
        shared["image_embeds"] = conditioning["image"][None]
        if self._transformer.config.guidance_embeds:
            shared["guidance"] = torch.tensor([params.gs * 1000])
        positive = self._move(shared | _text_inputs(conditioning, prompt_key(section.prompt), section.prompt))
        negative = positive | self._move(_text_inputs(conditioning, NEGATIVE, "")) if params.cfg > 1 else None
        stack.enter_context(constants_once(self._transformer))
        cache = None
        if params.cache == "tea":
            polynomial = self._facts.get("teacache_polynomial", IDENTITY)
            threshold = params.teacache_rel_l1_thresh
            cache = stack.enter_context(tea_cache(self._transformer, params.steps, threshold, polynomial))

        def run(branch: str, inputs: dict[str, Any], x: torch.Tensor, timestep: torch.Tensor) -> torch.Tensor:
            if cache is not None:
                cache.branch = branch
            output: torch.Tensor = self._transformer(x, timestep, **inputs, return_dict=False)[0]
            return output

        def flow(x: torch.Tensor, sigma: float) -> torch.Tensor:
            timestep = torch.tensor([sigma * 1000], device=self.device)
            guided = run("positive", positive, x, timestep)
            if negative is None:
                return guided
            return classifier_free_guidance(guided, run("negative", negative, x, timestep), params.cfg, params.rs)

        return flow

    @cached_property
    def _encoders(self) -> dict[str, Any]:
        from transformers import AutoTokenizer, CLIPTextModel, LlamaModel, SiglipVisionModel
        from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

        models = {"text_encoder": LlamaModel, "text_encoder_2": CLIPTextModel, "image_encoder": SiglipVisionModel}
        processors = {
            "tokenizer": AutoTokenizer,
            "tokenizer_2": AutoTokenizer,
            "feature_extractor": SiglipImageProcessorPil,
        }
        loaded = {name: load_weights(kind, self._path / name, self.device) for name, kind in models.items()}
        return loaded | {name: load_processor(kind, self._path / name) for name, kind in processors.items()}

    @property
    def _text_settings(self) -> TextSettings:
        facts = self._facts
        return TextSettings(facts["prompt_template"], int(facts["text_layers_skip"]), int(facts["max_text_tokens"]))

    def _move(self, inputs: dict[str, Any]) -> dict[str, Any]:
        return {name: tensor.to(self.device) for name, tensor in inputs.items()}

    def _apply_threads(self) -> None:
        """Torch's thread count is one per process; another renderer or library may have changed it."""
        if self.device.type == "cpu" and torch.get_num_threads() != self.threads:
            torch.set_num_threads(self.threads)


def prompt_key(prompt: str) -> str:
    """The name under which a prompt's embeddings lie in the conditioning."""
    return hashlib.sha256(prompt.encode()).hexdigest()[:16]


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


def _text_inputs(conditioning: Tensors, key: str, prompt: str) -> dict[str, torch.Tensor]:
    if f"text.{key}" not in conditioning:
        raise InputError(f"the conditioning holds no embedding of the prompt {prompt!r}; run the encode task again.")
    return {
        "encoder_hidden_states": conditioning[f"text.{key}"][None],
        "encoder_attention_mask": conditioning[f"mask.{key}"][None],
        "pooled_projections": conditioning[f"pooled.{key}"][None],
    }


def _codec_class(checkpoint: Checkpoint) -> Any:
    if checkpoint.components["vae"][1] == "AutoencoderKLHunyuanVideo":
        from diffusers import AutoencoderKLHunyuanVideo

        return AutoencoderKLHunyuanVideo
    from .puppet.codec import AutoencoderPuppet

    return AutoencoderPuppet


def _open_device(name: str) -> torch.device:
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"device {name!r} can't be used ({str(error).splitlines()[0]}); try 'cpu'.") from error
    if device.type == "cuda":
        torch.backends.cudnn.deterministic = True
        torch.backends.cudnn.benchmark = False
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False
    return device


def _device_class(device: torch.device, threads: int) -> str:
    if device.type == "cpu":
        return f"cpu-{threads}t-fp32"
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    return f"{name.lower().replace(' ', '-')}-fp32"

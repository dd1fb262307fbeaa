"""Encoding what is shown, once and ahead of training, by the functions that encode it for a render.

Codec and image encoder first, then the text encoders: the transformer is not in memory meanwhile.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from model.checkpoint import WITH_WEIGHTS, Checkpoint
from model.components import part_dtypes
from model.conditioning import TextSettings, encode_frames, encode_picture, encode_pooled, encode_text, prompt_key
from model.device import open_device
from model.encoders import Encoders
from model.family import FamilyInfo
from model.footage.apart import frames_apart, open_image_apart
from model.footage.buckets import Bucket, crop_to_bucket
from model.footage.opening import blank_picture
from model.renderer import NEGATIVE, load_codec
from model.settings import ModelSettings
from model.weights import known_sha256

from .cache import Cache, key_of
from .config import Sample
from .dataset import HELD, VIDEOS, Clip

Pixels = npt.NDArray[np.uint8]
Report = Callable[[str, int, int], None]
"""Called with (what is encoded, done, in all)."""
_SEEING, _READING = ("vae", "image_encoder", "feature_extractor"), (
    "text_encoder", "tokenizer", "text_encoder_2", "tokenizer_2"
)  # fmt: skip
BLANK = "black"
"""What a picture is made from, as nothing goes before it: a blank start image, see ``footage.opening.BLANKS``."""


class Library:
    """What a family's encoders make of clips, captions and samples: kept in a cache, read from there by training.

    Args:
        info, checkpoint: of the family.
        settings: of this machine.
        device: torch's name of the device.
        cache: where results lie.
    """

    def __init__(
        self, info: FamilyInfo, checkpoint: Checkpoint, settings: ModelSettings, device: str, cache: Cache
    ) -> None:
        self.info, self.checkpoint, self.settings, self.cache = info, checkpoint, settings, cache
        self.device = open_device(device)
        self._dtypes = part_dtypes(
            WITH_WEIGHTS, checkpoint.dtypes, checkpoint.family.get("dtypes", {}), self.device.type
        )
        self._text_settings = TextSettings.of(checkpoint.family)

    def clip(self, clip: Clip) -> dict[str, torch.Tensor]:
        """``latents`` [channels, frames, h, w] of which the first is the start image's, and its ``image`` embedding
        [patches, dim].

        A picture has two: those of a blank start image and of the picture, shown for as long as a latent lasts.
        """
        return self.cache.load(self._clip_key(clip))

    def text(self, prompt: str) -> dict[str, torch.Tensor]:
        """``text`` [tokens, dim], ``mask`` [tokens] and ``pooled`` [dim] of a prompt."""
        return self.cache.load(self._text_key(prompt))

    def conditioning(self, sample: Sample) -> dict[str, torch.Tensor]:
        """Of a sample, with the names and values that ``Renderer.encode`` would give."""
        seen = self.cache.load(self._sample_key(sample))
        found = {"start_latent": seen["latents"], "image": seen["image"]}
        for key, prompt in ((prompt_key(sample.prompt), sample.prompt), (NEGATIVE, "")):
            found |= {f"{name}.{key}": tensor for name, tensor in self.text(prompt).items()}
        return found

    @torch.no_grad()
    def fill(self, clips: Sequence[Clip], samples: Sequence[Sample], report: Report) -> None:
        """Encode whatever the cache lacks.

        Raises:
            InputError: a file can't be decoded (any more).
            CheckpointError: a part can't be read.
            StorageError: the cache can't be written.
        """
        encoders = Encoders(self.checkpoint, self.device, self._dtypes)
        self._see(clips, samples, encoders, report)
        encoders.release()
        prompts = dict.fromkeys([*(clip.caption for clip in clips), *(sample.prompt for sample in samples), ""])
        self._read(list(prompts), encoders, report)
        encoders.release()

    def _see(self, clips: Sequence[Clip], samples: Sequence[Sample], encoders: Encoders, report: Report) -> None:
        wanted = [clip for clip in clips if not self.cache.has(self._clip_key(clip))]
        pictures = [sample for sample in samples if not self.cache.has(self._sample_key(sample))]
        total = len(wanted) + len(pictures)
        if not total:
            return
        vae = load_codec(self.checkpoint, self.device, self._dtypes["vae"])

        def keep(key: str, about: str, start: Pixels, latents: torch.Tensor) -> None:
            image = encode_picture(Image.fromarray(start), encoders["feature_extractor"], encoders["image_encoder"])
            self.cache.save(key, {"latents": latents.cpu(), "image": image.cpu()}, {"of": about})

        report("clips", 0, total)
        for done, (clip, frames) in enumerate(_decoded(wanted, self.info.fps), start=1):
            start, latents = _shown(clip, frames, vae)
            keep(self._clip_key(clip), clip.name, start, latents)
            report("clips", done, total)
        for done, sample in enumerate(pictures, start=len(wanted) + 1):
            start = _sample_picture(sample, self.info)
            keep(self._sample_key(sample), sample.image.name, start, encode_frames([Image.fromarray(start)], vae))
            report("clips", done, total)

    def _read(self, prompts: Sequence[str], encoders: Encoders, report: Report) -> None:
        wanted = [prompt for prompt in prompts if not self.cache.has(self._text_key(prompt))]
        for done, prompt in enumerate(wanted, start=1):
            text, mask = encode_text(prompt, encoders["tokenizer"], encoders["text_encoder"], self._text_settings)
            pooled = encode_pooled(prompt, encoders["tokenizer_2"], encoders["text_encoder_2"])
            tensors = {"text": text.cpu(), "mask": mask.cpu(), "pooled": pooled.cpu()}
            self.cache.save(self._text_key(prompt), tensors, {"of": prompt})
            report("captions", done, len(wanted))

    def _clip_key(self, clip: Clip) -> str:
        content = {
            "sha256": clip.sha256,
            "frames": [clip.first, clip.frames] if clip.sections else [HELD, BLANK],
            "fps": self.info.fps if clip.sections else 0,
            "bucket": clip.bucket,
        }
        return self._key("clip", _SEEING, content)

    def _sample_key(self, sample: Sample) -> str:
        sha256 = known_sha256(sample.image, self.settings)
        return self._key("start", _SEEING, {"sha256": sha256, "buckets": self.info.buckets})

    def _text_key(self, prompt: str) -> str:
        return self._key("text", _READING, {"prompt": prompt, **asdict(self._text_settings)})

    def _key(self, kind: str, parts: Sequence[str], content: Mapping[str, Any]) -> str:
        dtypes = {name: self._dtypes.get(name, "") for name in parts}
        return key_of(kind, self.checkpoint, dtypes, content, self.settings)


def _shown(clip: Clip, frames: Sequence[Pixels], vae: Any) -> tuple[Pixels, torch.Tensor]:
    """The start image of a clip, and its latents.

    The start image is encoded alone, as for a render: the codec's norms look at all frames at once, so that of the
    whole clip its latent would be another.
    """
    pictures = [Image.fromarray(frame) for frame in frames] if clip.sections else [Image.fromarray(frames[0])] * HELD
    start = pictures[0] if clip.sections else blank_picture(BLANK, clip.bucket, 0)
    latents = torch.cat([encode_frames([start], vae), encode_frames(pictures, vae)[:, 1:]], dim=1)
    return np.asarray(start), latents


def _decoded(clips: Sequence[Clip], fps: int) -> Iterator[tuple[Clip, list[Pixels]]]:
    """Each clip with its frames [height, width, 3] in its bucket; a file is decoded once."""
    for (file, bucket), group in groupby(clips, key=lambda clip: (clip.file, clip.bucket)):
        if file.suffix.lower() not in VIDEOS:
            for clip in group:
                yield clip, [_picture(file.read_bytes(), bucket)]
            continue
        with frames_apart(file.read_bytes(), fps, bucket) as (_, frames):
            held: list[Pixels] = []
            begin = 0
            for clip in sorted(group, key=lambda clip: clip.first):
                while begin + len(held) < clip.first + clip.frames:
                    held.append(next(frames))
                del held[: clip.first - begin]
                begin = clip.first
                yield clip, held[: clip.frames]


def _picture(data: bytes, bucket: Bucket) -> Pixels:
    return np.asarray(crop_to_bucket(open_image_apart(data)[1], bucket))


def _sample_picture(sample: Sample, info: FamilyInfo) -> Pixels:
    facts, picture = open_image_apart(sample.image.read_bytes(), sample.image.name)
    return np.asarray(crop_to_bucket(picture, info.bucket(facts.height, facts.width)))

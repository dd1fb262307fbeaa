"""A LoRA that learns in a family's transformer: one step after the other, each from sections of the deck."""

import math
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch

from farm.errors import ResultError
from model.components import working_dtype
from model.conditioning import prompt_key
from model.families.framepack.packing import section_inputs
from model.sampling import guidance_of
from model.transformer import PackedTransformer

from .base import open_renderer
from .config import Learning
from .flow import draw_level, draws, flow_loss
from .lora import add_lora, trained
from .prepare import Prepared
from .samples import render_sample
from .saving import save_lora
from .sections import Deck
from .state import Position, load_state, save_state, terms
from .swapping import swap_blocks

LEAST_RATE = 0.02
"""Share of the learning rate at a cosine's end."""
MEMORY = 50
"""Steps over which the loss that is shown is averaged."""


class LoraTrainer:
    """A LoRA in a family's transformer, its optimiser, and how far it is."""

    def __init__(self, prepared: Prepared, folder: Path, device: str, threads: int = 1) -> None:
        self.prepared, self.folder = prepared, folder
        recipe, info = prepared.recipe, prepared.info
        self.learning: Learning = recipe.learning
        self.renderer = open_renderer(info, prepared.checkpoint, device, threads, prepared.plan, prepared.settings)
        self.device = self.renderer.device
        self.dtype = working_dtype(self.renderer.dtypes["transformer"], self.device)
        self.transformer: PackedTransformer = self.renderer.transformer
        self.layers = add_lora(self.transformer, recipe.lora, recipe.seed)
        self.grown = self.grow()
        self.learnt = {**trained(self.layers), **self.grown}
        if prepared.plan.swapped:
            swap_blocks(self.transformer, prepared.plan.swapped, self.device)
        if self.learning.checkpointing:
            self.transformer.enable_gradient_checkpointing()
        self.transformer.to(self.device)
        self.optimizer = torch.optim.AdamW(
            self.learnt.values(), lr=self.learning.rate, weight_decay=self.learning.weight_decay
        )
        self.deck = Deck(prepared.examples, recipe.seed)
        self._terms = terms(recipe, info, prepared.examples)
        self.position = load_state(self.state_file, self.learnt, self.optimizer, self._terms)

    @property
    def state_file(self) -> Path:
        return self.folder / "state.pt"

    def step(self) -> float:
        """One update; the mean loss of its sections.

        Raises:
            ResultError: the loss is no number.
            FarmError: the card's memory does not suffice.
        """
        learning, began = self.learning, time.monotonic()
        first = self.position.step * learning.batch
        total = 0.0
        for number in range(first, first + learning.batch):
            loss = self.loss(number)
            (loss / learning.batch).backward()
            total += loss.item() / learning.batch
        if not math.isfinite(total):
            raise ResultError(f"step {self.position.step}: the loss is no number any more; lower learning.rate.")
        torch.nn.utils.clip_grad_norm_(self.learnt.values(), learning.clip)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.position.step, learning)
        self.optimizer.step()
        self.optimizer.zero_grad()
        done = self.position.step + 1
        loss_shown = self.position.loss + (total - self.position.loss) / min(done, MEMORY)
        self.position = Position(done, self.position.seconds + time.monotonic() - began, loss_shown)
        return total

    def loss(self, number: int) -> torch.Tensor:
        """The loss of the example number ``number`` of the training."""
        example, library = self.deck.at(number), self.prepared.library
        source = draws(self.prepared.recipe.seed, number)
        section = example.section
        if float(torch.rand(1, generator=source)) < self.learning.forgets:
            section = replace(section, prompt="")
        shown = library.clip(example.clip)
        latents = shown["latents"]
        clean = latents[None, :, section.start : section.stop]
        level = draw_level(self.learning.noise, clean[0, 0].numel() // 4, source)
        noise = torch.randn(clean.shape, generator=source)
        text = {f"{name}.{prompt_key(section.prompt)}": tensor for name, tensor in library.text(section.prompt).items()}
        known = {frame: latents[:, frame] for frame in range(latents.shape[1])}
        guidance = None
        if self.transformer.config.guidance_embeds:
            guidance = guidance_of(self.learning.guidance, self.dtype)
        inputs = section_inputs(section, known, {"image": shown["image"], **text}, guidance)
        inputs = inputs.on(self.device, self.dtype)
        clean, noise = clean.to(self.device), noise.to(self.device)
        return flow_loss(self.transformer, inputs, clean, noise, level, self.dtype)

    def save(self) -> Path:
        """Keep what was learnt so far, then the state to go on from; what ``keep`` gives."""
        kept = self.keep()
        save_state(self.state_file, self.learnt, self.optimizer, self.position, self._terms)
        return kept

    def grow(self) -> dict[str, torch.nn.Parameter]:
        """What is learnt beside the LoRA, by name: nothing."""
        return {}

    def keep(self) -> Path:
        """Write the LoRA as it is now; its file."""
        recipe, step = self.prepared.recipe, self.position.step
        done = step >= self.learning.steps
        file = self.folder / (f"{recipe.name}.safetensors" if done else f"{recipe.name}-{step:06d}.safetensors")
        save_lora(file, self.layers, recipe, self.prepared.info, step, self.dtype)
        return file

    def samples(self) -> Iterator[Path]:
        """Render the samples one after the other; their files."""
        for number, sample in enumerate(self.prepared.recipe.samples, start=1):
            file = self.folder / "samples" / f"{self.position.step:06d}-{number}.mp4"
            render_sample(self.renderer, sample, self.prepared.library.conditioning(sample), file)
            yield file
        self.transformer.to(self.device)


def learning_rate(step: int, learning: Learning) -> float:
    """Of an update: it rises over the warm-up, then stays or falls along a cosine."""
    if step < learning.warmup:
        return learning.rate * (step + 1) / learning.warmup
    if learning.schedule == "constant":
        return learning.rate
    done = (step - learning.warmup) / max(1, learning.steps - learning.warmup)
    return learning.rate * (LEAST_RATE + (1 - LEAST_RATE) * (1 + math.cos(math.pi * done)) / 2)

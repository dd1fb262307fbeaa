"""A small judge: which motion a clip shows. Trained on true clips only; generated ones are judged by it."""

import random
from collections.abc import Callable

import torch
from torch import Tensor, nn

from .motions import MOTIONS
from .world import FPS, render, sample_puppet

EVERY = 3
"""The judge looks at every third frame: ten a second."""
LOOKS = 45
"""Frames that it looks at, 4.5 seconds."""
SIDE = 64
"""Height and width that it looks at; larger pictures are shrunk."""


class MotionClassifier(nn.Module):
    """Logits over ``MOTIONS`` of clips [batch, LOOKS, 3, 64, 64] in [0, 1]."""

    def __init__(self) -> None:
        super().__init__()
        self.look = nn.Sequential(
            nn.Conv2d(6, 16, 3, 2, 1), nn.ReLU(), nn.Conv2d(16, 32, 3, 2, 1), nn.ReLU(),
            nn.Conv2d(32, 48, 3, 2, 1), nn.ReLU(), nn.AvgPool2d(2),
        )  # fmt: skip
        self.over_time = nn.Sequential(
            nn.Conv1d(48 * 16, 96, 5, 2, 2), nn.ReLU(), nn.Conv1d(96, 96, 5, 2, 2), nn.ReLU(), nn.AdaptiveMaxPool1d(1)
        )
        self.name = nn.Linear(96, len(MOTIONS))

    def forward(self, clips: Tensor) -> Tensor:
        change = clips - clips[:, :1]
        seen = self.look(torch.cat([clips - 0.5, change * 2], dim=2).flatten(0, 1)).flatten(1)
        logits: Tensor = self.name(self.over_time(seen.unflatten(0, clips.shape[:2]).transpose(1, 2)).flatten(1))
        return logits


def true_clips(count: int, seed: int, first_second: float = 0.0) -> tuple[Tensor, Tensor]:
    """Clips [count, LOOKS, 3, 64, 64] uint8 of random puppets and their motions [count]; some start later in time."""
    rng = random.Random(seed)
    names = list(MOTIONS)
    clips = torch.empty(count, LOOKS, 3, 64, 64, dtype=torch.uint8)
    labels = torch.empty(count, dtype=torch.long)
    for index in range(count):
        puppet = sample_puppet(rng, names[index % len(names)])
        start = first_second + rng.choice((0.0, rng.uniform(0, 20)))
        picture = render(puppet, start + torch.arange(LOOKS) * (EVERY / FPS))
        assert isinstance(picture, Tensor)
        clips[index] = picture.mul(255).round().byte()
        labels[index] = index % len(names)
    return clips, labels


def train_classifier(
    seed: int = 101,
    clips: int = 1050,
    epochs: int = 8,
    held_out: int = 210,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[MotionClassifier, float]:
    """Train on true clips; returns the judge and its accuracy on ``held_out`` other true clips."""
    inputs, labels = true_clips(clips, seed)
    others, other_labels = true_clips(held_out, seed + 1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        judge = MotionClassifier()
        optimizer = torch.optim.AdamW(judge.parameters(), lr=1.5e-3, weight_decay=0.02)
        batches = -(-clips // 15)
        for epoch in range(epochs):
            order = torch.randperm(clips)
            for number, chosen in enumerate(order.split(15)):
                batch = inputs[chosen].float() / 255
                batch = batch + 0.03 * torch.rand(len(batch), 1, 1, 1, 1) * torch.randn_like(batch)
                for group in optimizer.param_groups:
                    group["lr"] = 1.5e-3 * (1 - (epoch * batches + number) / (epochs * batches)) + 1e-5
                loss = nn.functional.cross_entropy(judge(batch), labels[chosen], label_smoothing=0.05)
                loss.backward()
                optimizer.step()
                optimizer.zero_grad()
            report(epoch + 1, epochs)
    judge.eval()
    with torch.no_grad():
        right = torch.cat([judge(part.float() / 255).argmax(1) for part in others.split(15)]) == other_labels
    return judge, right.float().mean().item()

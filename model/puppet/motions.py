"""How a puppet moves: each motion turns a phase into a pose. A pose is neutral at phase 0, as in a start image."""

from collections.abc import Callable
from dataclasses import dataclass
from math import pi

import torch
from torch import Tensor


@dataclass
class Pose:
    """Joint values over time, each [frames]. Lengths in picture heights, angles in radians.

    Arms and legs come as (left, right) of the picture. An arm's angles are measured from hanging down and grow outwards
    and up; a leg's from straight down, outwards.
    """

    shift_x: Tensor
    shift_y: Tensor
    lean: Tensor
    nod: Tensor
    upper_arm: tuple[Tensor, Tensor]
    lower_arm: tuple[Tensor, Tensor]
    upper_leg: tuple[Tensor, Tensor]
    lower_leg: tuple[Tensor, Tensor]
    mouth: Tensor
    breath: Tensor
    turn: Tensor


def neutral(like: Tensor) -> Pose:
    """Standing, arms a little away from the body."""
    zero = torch.zeros_like(like)
    arm, leg = zero + 0.22, zero + 0.08
    return Pose(zero, zero, zero, zero, (arm, arm), (arm, arm), (leg, leg), (leg, leg), zero, zero, zero)


def _dance(p: Tensor, amount: Tensor) -> Pose:
    pose = neutral(p)
    sway, beat = torch.sin(p), (1 - torch.cos(2 * p)) / 2
    pose.shift_x, pose.lean = 0.05 * sway, 0.16 * sway
    pose.shift_y = 0.035 * beat * amount
    left, right = (1 - torch.cos(p - pi / 2)) / 2, (1 + torch.cos(p - pi / 2)) / 2
    pose.upper_arm = (0.22 + 2.1 * left * amount, 0.22 + 2.1 * right * amount)
    pose.lower_arm = (0.22 + 2.6 * left * amount, 0.22 + 2.6 * right * amount)
    bend = 0.35 * beat * amount
    pose.upper_leg = (0.1 + bend, 0.1 + bend)
    pose.lower_leg = (0.1 - bend, 0.1 - bend)
    return pose


def _wave(p: Tensor, amount: Tensor) -> Pose:
    pose = neutral(p)
    raised = 0.22 + 2.0 * amount
    pose.upper_arm = (pose.upper_arm[0], raised)
    pose.lower_arm = (pose.lower_arm[0], 0.22 + (2.75 + 0.6 * torch.sin(p)) * amount)
    pose.nod = 0.006 * torch.sin(p)
    return pose


def _walk(p: Tensor, amount: Tensor) -> Pose:
    pose = neutral(p)
    step = torch.sin(p)
    pose.shift_y = -0.018 * (1 - torch.cos(2 * p)) / 2
    lift_left, lift_right = torch.relu(step), torch.relu(-step)
    pose.upper_leg = (0.08 + 0.6 * lift_left, 0.08 + 0.6 * lift_right)
    pose.lower_leg = (0.08 - 0.75 * lift_left, 0.08 - 0.75 * lift_right)
    pose.upper_arm = (0.22 + 0.45 * lift_right, 0.22 + 0.45 * lift_left)
    pose.lower_arm = (0.22 - 0.5 * lift_right, 0.22 - 0.5 * lift_left)
    pose.lean = 0.04 * step
    return pose


def _talk(p: Tensor, amount: Tensor) -> Pose:
    pose = neutral(p)
    pose.mouth = torch.sin(2 * p) ** 2
    pose.nod = 0.012 * torch.sin(p)
    gesture = (1 - torch.cos(p)) / 2
    pose.lower_arm = (0.22 - 1.0 * gesture * amount, 0.22 - 1.5 * amount + 0.9 * gesture * amount)
    return pose


def _jump(p: Tensor, amount: Tensor) -> Pose:
    pose = neutral(p)
    height = torch.sin(p / 2) ** 2
    crouch = torch.relu(torch.cos(p)) ** 2 * amount
    pose.shift_y = -0.11 * height + 0.03 * crouch * (1 - height)
    pose.upper_arm = (0.22 + 1.9 * height, 0.22 + 1.9 * height)
    pose.lower_arm = (0.22 + 2.2 * height, 0.22 + 2.2 * height)
    bend = 0.4 * crouch
    pose.upper_leg = (0.08 + bend + 0.3 * height, 0.08 + bend + 0.3 * height)
    pose.lower_leg = (0.08 - bend + 0.3 * height, 0.08 - bend + 0.3 * height)
    return pose


def _breathe(p: Tensor, amount: Tensor) -> Pose:
    pose = neutral(p)
    pose.breath = (1 - torch.cos(p)) / 2
    pose.upper_arm = (0.22 + 0.1 * pose.breath, 0.22 + 0.1 * pose.breath)
    return pose


def _spin(p: Tensor, amount: Tensor) -> Pose:
    pose = neutral(p)
    pose.turn = p
    pose.upper_arm = (0.22 + 0.9 * amount, 0.22 + 0.9 * amount)
    pose.lower_arm = (0.22 + 1.1 * amount, 0.22 + 1.1 * amount)
    return pose


@dataclass(frozen=True)
class Motion:
    """``pose(phase, amount)``: phase in radians, amount 0..1 fades the motion in; ``hertz``: cycles a second."""

    name: str
    hertz: float
    pose: Callable[[Tensor, Tensor], Pose]


MOTIONS = {
    motion.name: motion
    for motion in (
        Motion("dance", 0.8, _dance),
        Motion("wave", 1.1, _wave),
        Motion("walk", 0.9, _walk),
        Motion("talk", 0.7, _talk),
        Motion("jump", 0.9, _jump),
        Motion("breathe", 0.45, _breathe),
        Motion("spin", 0.5, _spin),
    )
}

"""The puppet world: people drawn with signed distance shapes, as a pure function of (puppet, time).

Time has no end, so a true frame exists for any moment of any video. All pictures are square; lengths are in
picture heights, y grows downwards.
"""

import random
from dataclasses import dataclass, replace
from math import pi

import torch
from torch import Tensor

from .motions import MOTIONS, Pose
from .prompts import TEMPO_RANGE, write_prompt
from .scenery import RAMP_SECONDS, Picture, from_rest, paint, render_picture, sample_picture, smooth

Colour = tuple[float, float, float]
FPS = 30
GROUND = 0.93
"""Where figures stand, from the top."""

REGIONS = ("background", "skin", "shirt", "trousers")
"""Parts whose colours make a puppet's identity."""


@dataclass(frozen=True)
class Puppet:
    """All parameters of one clip.

    Colours are RGB in [0, 1]; ``tempo`` is a speed factor, ``wander`` how much it varies, ``x`` the place across.
    ``backdrop``: seed of a picture behind the figure, which is drawn ``scale`` times as large, and moved ``aside`` and
    ``up`` from where it stands in the middle of the ground.
    From ``slip_at`` on, for ``slip_seconds``, the motion hurries or dawdles until its phase is off by ``slip`` radians.
    """

    motion: str
    tempo: float
    wander: float
    wander_phase: float
    wander_hertz: float
    amplitude: float
    skin: Colour
    shirt: Colour
    trousers: Colour
    background: Colour
    hair: Colour
    size: float
    x: float
    prompt: str = ""
    backdrop: int | None = None
    scale: float = 1.0
    aside: float = 0.0
    up: float = 0.0
    slip: float = 0.0
    slip_at: float = 0.0
    slip_seconds: float = 1.0


def sample_puppet(rng: random.Random, motion: str | None = None) -> Puppet:
    """Draw a random puppet with a prompt that describes its motion and tempo; colours are told apart easily."""
    tempo = rng.choice(("slow", "normal", "fast"))
    motion = motion or rng.choice(list(MOTIONS))
    light = rng.uniform(0.35, 1.0)
    skin = (0.95 * light, 0.76 * light + 0.01, 0.62 * light)
    colours = [skin]
    while len(colours) < 4:
        colour = (rng.uniform(0.05, 0.95), rng.uniform(0.05, 0.95), rng.uniform(0.05, 0.95))
        colour = _soften(colour) if len(colours) == 3 else colour
        if all(sum((a - b) ** 2 for a, b in zip(colour, other, strict=True)) > 0.16 for other in colours):
            colours.append(colour)
    dark = rng.uniform(0.03, 0.3)
    return Puppet(
        motion=motion,
        tempo=rng.uniform(*TEMPO_RANGE[tempo]),
        wander=rng.uniform(0.0, 0.3),
        wander_phase=rng.uniform(0, 2 * pi),
        wander_hertz=rng.uniform(0.15, 0.35),
        amplitude=rng.uniform(0.85, 1.1),
        skin=skin,
        shirt=colours[1],
        trousers=colours[2],
        background=colours[3],
        hair=(dark, dark * rng.uniform(0.5, 0.9), dark * rng.uniform(0.2, 0.7)),
        size=rng.uniform(0.9, 1.08),
        x=rng.uniform(-0.05, 0.05),
        prompt=write_prompt(motion, tempo, rng),
    )


def sample_staged(rng: random.Random) -> Puppet:
    """Draw a puppet of any size and place, before a picture or a plain ground."""
    puppet = sample_puppet(rng)
    scale = rng.uniform(0.5, 1.05)
    free = 1 - scale
    return replace(
        puppet,
        scale=scale,
        aside=rng.uniform(-0.38, 0.38) * free,
        up=rng.uniform(0, 0.85) * free,
        backdrop=rng.randrange(2**31) if rng.random() < 0.8 else None,
    )


def sample_scene(rng: random.Random, plain: float = 0.6) -> "Scene":
    """Draw what a clip of training shows: a puppet on plain ground (``plain`` of all), one anywhere, or a picture.

    Some pictures without a figure are asked for a figure's motion, and stay still.
    """
    drawn = rng.random()
    if drawn < plain:
        return sample_puppet(rng)
    if drawn < plain + (1 - plain) / 2:
        return sample_staged(rng)
    picture = sample_picture(rng)
    if picture.camera.kind == "still" and rng.random() < 0.6:
        return replace(picture, prompt=sample_puppet(rng).prompt)
    return picture


def _soften(colour: Colour) -> Colour:
    return (0.22 + 0.7 * colour[0], 0.22 + 0.7 * colour[1], 0.22 + 0.7 * colour[2])


def phase(puppet: Puppet, seconds: Tensor) -> Tensor:
    """Phase of the motion in radians: it starts from rest, then runs at a tempo that wanders slowly."""
    moving = from_rest(seconds)
    omega = 2 * pi * puppet.wander_hertz
    drift = (
        puppet.wander
        * (torch.cos(torch.tensor(puppet.wander_phase)) - torch.cos(omega * moving + puppet.wander_phase))
        / omega
    )
    slipped = smooth((seconds - puppet.slip_at) / puppet.slip_seconds)
    return 2 * pi * MOTIONS[puppet.motion].hertz * puppet.tempo * (moving + drift) + puppet.slip * slipped


def _pose(puppet: Puppet, seconds: Tensor) -> Pose:
    amount = smooth(seconds / RAMP_SECONDS) * puppet.amplitude
    return MOTIONS[puppet.motion].pose(phase(puppet, seconds), amount)


class _Canvas:
    """Layers painted over each other; every shape is a signed distance turned into soft coverage one pixel wide."""

    def __init__(self, frames: int, resolution: int, device: torch.device, with_regions: bool, puppet: Puppet) -> None:
        axis = (torch.arange(resolution, device=device, dtype=torch.float32) + 0.5) / resolution
        self.y, self.x = axis[:, None][None], (axis - 0.5)[None, None]
        self.resolution = resolution * puppet.scale
        if puppet.scale != 1 or puppet.aside or puppet.up:
            self.y = (self.y + puppet.up - GROUND) / puppet.scale + GROUND
            self.x = (self.x - puppet.aside) / puppet.scale
        self.picture = torch.zeros(frames, 3, resolution, resolution, device=device)
        self.owner = (
            torch.zeros(frames, resolution, resolution, dtype=torch.int8, device=device) if with_regions else None
        )

    def paint(self, distance: Tensor, colour: Colour, region: int = -1) -> None:
        cover = (0.5 - distance * self.resolution).clamp(0, 1)
        paint = torch.tensor(colour, device=cover.device)[None, :, None, None]
        self.picture += cover[:, None] * (paint - self.picture)
        if self.owner is not None:
            self.owner[cover > 0.5] = region

    def limb(self, a: tuple[Tensor, Tensor], b: tuple[Tensor, Tensor], radius: float | Tensor) -> Tensor:
        """Distance to the capsule from a to b; points are ([frames], [frames])."""
        ax, ay, bx, by = (value[:, None, None] for value in (*a, *b))
        dx, dy = bx - ax, by - ay
        along = (((self.x - ax) * dx + (self.y - ay) * dy) / (dx * dx + dy * dy).clamp(min=1e-8)).clamp(0, 1)
        wide = radius[:, None, None] if isinstance(radius, Tensor) else radius
        return ((self.x - ax - along * dx) ** 2 + (self.y - ay - along * dy) ** 2).sqrt() - wide

    def ellipse(self, centre: tuple[Tensor, Tensor], rx: Tensor | float, ry: Tensor | float) -> Tensor:
        """Approximate distance to an axis-parallel ellipse."""
        cx, cy = (value[:, None, None] for value in centre)
        rx_ = rx[:, None, None] if isinstance(rx, Tensor) else torch.tensor(rx, device=cx.device)
        ry_ = ry[:, None, None] if isinstance(ry, Tensor) else torch.tensor(ry, device=cx.device)
        ry_ = ry_.clamp(min=1e-3)
        scaled = (((self.x - cx) / rx_) ** 2 + ((self.y - cy) / ry_) ** 2).sqrt()
        return (scaled - 1) * torch.minimum(rx_, ry_)


def _towards(origin: tuple[Tensor, Tensor], angle: Tensor, length: float, side: Tensor) -> tuple[Tensor, Tensor]:
    return origin[0] + side * length * torch.sin(angle), origin[1] + length * torch.cos(angle)


def render(
    puppet: Puppet, seconds: Tensor, resolution: int = 64, with_regions: bool = False
) -> Tensor | tuple[Tensor, Tensor]:
    """Draw the puppet at the given times.

    Args:
        puppet: what to draw.
        seconds: times [frames] in seconds, on the device to draw on.
        resolution: height and width in pixels.
        with_regions: also return which region each pixel belongs to.

    Returns:
        Pictures [frames, 3, resolution, resolution] in [0, 1]; and region indices into ``REGIONS`` (-1: none) if asked.
    """
    pose = _pose(puppet, seconds)
    canvas = _Canvas(len(seconds), resolution, seconds.device, with_regions, puppet)
    one = torch.ones_like(seconds)
    s = puppet.size
    bg = puppet.background
    if puppet.backdrop is None:
        canvas.picture += torch.tensor(bg, device=seconds.device)[None, :, None, None]
    else:
        canvas.picture += paint(puppet.backdrop, resolution, plain=True).to(seconds.device)
    ground = GROUND
    lift = (-pose.shift_y).clamp(min=0)
    shadow: Colour = (bg[0] * 0.72, bg[1] * 0.72, bg[2] * 0.72)
    canvas.paint(canvas.ellipse((puppet.x + pose.shift_x * 0.5, ground * one), (0.17 - 0.4 * lift) * s, 0.028), shadow)

    turn = torch.cos(pose.turn)
    facing = torch.sin(pose.turn)
    root_x = puppet.x + pose.shift_x
    hip_y = ground - 0.02 - 0.27 * s + pose.shift_y
    shoes: Colour = (0.12, 0.1, 0.1)
    for index, sign in ((0, -1.0), (1, 1.0)):
        side = sign * one * turn
        hip = (root_x + side * 0.045 * s, hip_y)
        knee = _towards(hip, pose.upper_leg[index], 0.135 * s, side)
        foot = _towards(knee, pose.lower_leg[index], 0.135 * s, side)
        canvas.paint(canvas.limb(hip, knee, 0.042 * s), puppet.trousers, 3)
        canvas.paint(canvas.limb(knee, foot, 0.038 * s), puppet.trousers, 3)
        toe = (foot[0] + 0.025 * s * (side * 0.7 + facing * 0.7), foot[1] + 0.004)
        canvas.paint(canvas.limb(foot, toe, 0.03 * s), shoes)

    lean_x = torch.sin(pose.lean)
    chest_y = hip_y - (0.2 + 0.012 * pose.breath) * s
    chest_x = root_x + 0.2 * s * lean_x
    wide = (0.055 + 0.028 * turn.abs() + 0.012 * pose.breath) * s
    arms = []
    for index, sign in ((0, -1.0), (1, 1.0)):
        side = sign * one * turn
        shoulder = (chest_x + side * 0.088 * s, chest_y + 0.0 * one)
        elbow = _towards(
            shoulder, pose.upper_arm[index], 0.125 * s, torch.where(side.abs() < 0.25, side.sign() * 0.25, side)
        )
        hand = _towards(
            elbow, pose.lower_arm[index], 0.12 * s, torch.where(side.abs() < 0.25, side.sign() * 0.25, side)
        )
        arms.append((shoulder, elbow, hand))
    torso = canvas.limb((chest_x, chest_y + 0.02 * s), (root_x, hip_y - 0.02 * s), wide)
    canvas.paint(torso, puppet.shirt, 2)
    belt = (hip_y - 0.035 * s)[:, None, None] - canvas.y
    hips = canvas.limb((root_x, hip_y - 0.012 * s), (root_x, hip_y + 0.005 * s), wide * 0.97)
    canvas.paint(torch.maximum(hips, belt), puppet.trousers, 3)
    for shoulder, elbow, hand in arms:
        canvas.paint(canvas.limb(shoulder, elbow, 0.034 * s), puppet.shirt, 2)
        canvas.paint(canvas.limb(elbow, hand, 0.029 * s), puppet.skin, 1)

    head = (chest_x + 0.06 * lean_x, chest_y - 0.155 * s + pose.nod)
    canvas.paint(canvas.limb((chest_x, chest_y), head, 0.03 * s), puppet.skin, 1)
    canvas.paint(canvas.ellipse((head[0], head[1] - 0.014 * s), 0.116 * s, 0.118 * s), puppet.hair)
    back = turn < 0
    face_x = head[0] + 0.075 * s * facing * (~back) + torch.where(back, 0.16 * s * facing.sign(), 0.0 * facing)
    face = torch.maximum(
        canvas.ellipse((face_x, head[1] + 0.02 * s), 0.092 * s, 0.09 * s), canvas.ellipse(head, 0.112 * s, 0.115 * s)
    )
    canvas.paint(face, puppet.skin, 1)
    dark: Colour = (0.08, 0.06, 0.08)
    hidden = torch.where(back, 9.0, 0.0) + 0 * one
    for sign in (-1.0, 1.0):
        eye = (face_x + sign * 0.036 * s + hidden, head[1] + 0.004 * s)
        canvas.paint(canvas.ellipse(eye, 0.013 * s, 0.02 * s), dark)
    mouth = (face_x + hidden, head[1] + 0.062 * s)
    red: Colour = (0.55, 0.1, 0.12)
    canvas.paint(canvas.ellipse(mouth, 0.03 * s, (0.008 + 0.026 * pose.mouth) * s), red)
    if canvas.owner is not None:
        return canvas.picture, canvas.owner
    return canvas.picture


Scene = Puppet | Picture
"""What a clip shows."""

PIECE = 8
"""Frames drawn at a time: what a processor's cache holds of larger pictures."""


def render_clip(scene: Scene, first: int, frames: int, resolution: int = 64, device: str = "cpu") -> Tensor:
    """Frames ``first`` .. ``first + frames - 1`` of a clip at 30 fps: [frames, 3, resolution, resolution] in [0, 1]."""
    seconds = torch.arange(first, first + frames, device=device, dtype=torch.float32) / FPS
    if isinstance(scene, Picture):
        return render_picture(scene, seconds, resolution)
    pieces = [seconds] if seconds.is_cuda else seconds.split(PIECE)
    drawn = [render(scene, piece, resolution) for piece in pieces]
    return torch.cat([picture for picture in drawn if isinstance(picture, Tensor)])

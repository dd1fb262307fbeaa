"""The paper's layout strings, such as ``f1k1_x_g9_f1k1f2k2f16k4_td`` (arXiv 2504.12626, Table 1).

``fAkB`` is A latent frames through kernel B; ``kN`` means (N, 2N, 2N), long form ``k1h2w2``; groups stand in
time order; ``gN`` is the generated window; ``x`` skips any number of frames; ``td``, ``ta``, ``tc`` say what
happens to frames beyond that side (drop, append pooled, one global average); ``+D`` marks discretised history.
"""

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from farm.errors import InputError

_KERNEL = re.compile(r"k(\d+)(?:h(\d+)w(\d+))?")
_GROUP = re.compile(rf"f(\d+){_KERNEL.pattern}")
TAILS = ("td", "ta", "tc")


@dataclass(frozen=True)
class Kernel:
    """A patchify kernel in latent pixels: t frames, h rows, w columns."""

    t: int
    h: int
    w: int

    @classmethod
    def parse(cls, text: str) -> "Kernel":
        """Parse ``k4`` or ``k1h4w2``.

        Raises:
            InputError: ``text`` names no kernel.
        """
        match = _KERNEL.fullmatch(text)
        if match is None or "0" in match.groups():
            raise InputError(f"kernel {text!r}: expected a name such as k4 or k1h4w2.")
        return cls._of(*match.groups())

    @classmethod
    def _of(cls, t: str, h: str | None, w: str | None) -> "Kernel":
        return cls(int(t), int(h or 2 * int(t)), int(w or 2 * int(t)))

    def __str__(self) -> str:
        return f"k{self.t}" if self.is_cubic else f"k{self.t}h{self.h}w{self.w}"

    @property
    def is_cubic(self) -> bool:
        """Whether it has a short name: ``kN``, (N, 2N, 2N)."""
        return self.h == self.w == 2 * self.t

    @property
    def volume(self) -> int:
        """Latent pixels under one token."""
        return self.t * self.h * self.w

    @property
    def cost(self) -> Fraction:
        """Tokens per latent frame, in units of a frame through k1 (1, 2, 2)."""
        return Fraction(4, self.volume)


@dataclass(frozen=True)
class Group:
    """``frames`` consecutive latent frames through one kernel."""

    frames: int
    kernel: Kernel

    def __str__(self) -> str:
        return f"f{self.frames}{self.kernel}"


@dataclass(frozen=True)
class Layout:
    """A parsed layout. ``left`` and ``right`` hold the groups in time order around the window.

    ``elements`` keeps the string's parts, so that ``str`` gives back what was parsed.
    """

    elements: tuple[str, ...]
    left: tuple[Group, ...]
    window: int
    right: tuple[Group, ...]
    discretised: bool = False

    @classmethod
    def parse(cls, text: str) -> "Layout":
        """Parse a layout string.

        Raises:
            InputError: names the part that can't be read and what was expected.
        """
        body, _, suffix = text.strip().partition("+")
        if suffix not in ("", "D"):
            raise InputError(f"layout {text!r}: unknown suffix '+{suffix}'; only '+D' exists.")
        left: list[Group] = []
        right: list[Group] = []
        window = 0
        elements = tuple(body.split("_"))
        for position, part in enumerate(elements):
            side = right if window else left
            if part in TAILS:
                outer = elements[position + 1 :] if window else elements[:position][::-1]
                if outer and outer[0] != "x":
                    raise InputError(f"layout {text!r}: tail {part!r} may stand only at the far end of a history.")
            elif part == "x":
                continue
            elif re.fullmatch(r"g[1-9]\d*", part):
                if window:
                    raise InputError(f"layout {text!r}: it has two windows; exactly one gN is expected.")
                window = int(part[1:])
            elif re.fullmatch(f"({_GROUP.pattern})+", part):
                side.extend(_groups(text, part))
            else:
                raise InputError(
                    f"layout {text!r}: can't read {part!r}; "
                    "expected groups such as f2k2, a window such as g9, x, td, ta or tc."
                )
        if not window:
            raise InputError(f"layout {text!r}: it has no window; add one such as g9.")
        return cls(elements, tuple(left), window, tuple(right), discretised=bool(suffix))

    def __str__(self) -> str:
        return "_".join(self.elements) + ("+D" if self.discretised else "")

    @cached_property
    def _window_position(self) -> int:
        return next(i for i, part in enumerate(self.elements) if part.startswith("g"))

    @property
    def has_start_slot(self) -> bool:
        """Whether the left side begins with one frame followed by ``x``: the start image's own slot."""
        alone = _GROUP.fullmatch(self.elements[0]) is not None
        return alone and self.left[:1] != () and self.left[0].frames == 1 and self.elements[1:2] == ("x",)

    @property
    def history_joins_start(self) -> bool:
        """Whether ``td`` stands between the start slot and the past: as in F1, what it drops takes no time."""
        return self.has_start_slot and self.elements[2:3] == ("td",)

    @property
    def left_tail(self) -> str:
        """What happens to frames older than the past's slots: ``td`` (dropped; the default), ``ta`` or ``tc``."""
        return self._tail(self.elements[: self._window_position])

    @property
    def right_tail(self) -> str:
        """What happens to frames beyond the future's slots, as ``left_tail``."""
        return self._tail(self.elements[self._window_position + 1 :])

    def with_tail(self, tail: str) -> "Layout":
        """This layout with the tail ``td``, ``ta`` or ``tc`` on every side that has a history.

        A start slot and a lone anchor (``x_f1k1``) are no history.
        """
        past = self.elements[: self._window_position]
        future = self.elements[self._window_position + 1 :][::-1]
        left_frames = sum(group.frames for group in self.left) - self.has_start_slot
        right_frames = sum(group.frames for group in self.right)
        past = _with_tail(past, tail, left_frames > 0, 2 if self.has_start_slot else 0)
        future = _with_tail(future, tail, right_frames > 1, 0)
        elements = (*past, self.elements[self._window_position], *future[::-1])
        return Layout(elements, self.left, self.window, self.right, self.discretised)

    @staticmethod
    def _tail(side: tuple[str, ...]) -> str:
        return next((part for part in side if part in TAILS), "td")

    @property
    def skips_before_window(self) -> bool:
        """Whether an ``x`` stands directly before the window."""
        return self._window_position > 0 and self.elements[self._window_position - 1] == "x"

    @property
    def skips_after_window(self) -> bool:
        """Whether an ``x`` stands directly after the window."""
        return self.elements[self._window_position + 1 : self._window_position + 2] == ("x",)

    @property
    def cost(self) -> Fraction:
        """Context length in units of one latent frame through k1, without window and tails."""
        return sum((group.frames * group.kernel.cost for group in self.left + self.right), Fraction(0))

    def tokens(self, height: int, width: int) -> int:
        """Tokens of context and window for latents of ``height`` x ``width``, with kernel padding counted.

        Every group is padded to whole kernels, as in the reference. Tails are not counted: they grow with the video.
        """

        def padded(group: Group) -> int:
            kernel = group.kernel
            return -(-group.frames // kernel.t) * -(-height // kernel.h) * -(-width // kernel.w)

        window = self.window * (height // 2) * (width // 2)
        return window + sum(padded(group) for group in self.left + self.right)


def _groups(text: str, part: str) -> list[Group]:
    """The groups of one part; neighbours with the same kernel are one group."""
    groups: list[Group] = []
    for frames, t, h, w in _GROUP.findall(part):
        kernel = Kernel._of(t, h, w)
        if not int(frames) or 0 in (kernel.t, kernel.h, kernel.w):
            raise InputError(f"layout {text!r}: {part!r} has a zero; frames and kernels are at least 1.")
        if groups and groups[-1].kernel == kernel:
            groups.append(Group(groups.pop().frames + int(frames), kernel))
        else:
            groups.append(Group(int(frames), kernel))
    return groups


def _with_tail(side: tuple[str, ...], tail: str, has_history: bool, position: int) -> tuple[str, ...]:
    """``side``, outermost element first, with ``tail``; an absent one means ``td`` and is written only if it is not."""
    if not has_history:
        return side
    if any(part in TAILS for part in side):
        return tuple(tail if part in TAILS else part for part in side)
    return side if tail == "td" else (*side[:position], tail, *side[position:])

"""Timed prompts: ``A girl. [0s-2s: She waves.] [2s: She walks away.]`` becomes a prompt for every section. No torch.

``[a s-b s: text]`` holds from second a to second b of the video, ``[a s: text]`` until the next timed prompt or the
end. What stands outside brackets is the *base*: it goes before every timed text, and stands alone where none holds.
Without a base the last timed prompt goes on to the end. Times are viewer time, whatever the render order, and may be
written ``2s``, ``2 sec``, ``0:02`` or, in a range, ``2`` alone; brackets and colons may be full-width. A section
follows the prompt that holds at its middle, since nothing finer can be steered; the first sections of a new prompt can
be blended with the one before.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise

from farm.errors import InputError

_PLAIN = str.maketrans("［］【】：－–—～〜", "[][]:-----")
"""What people's keyboards make of brackets, colons and hyphens; one character each, so that places stay."""
_DIGITS = str.maketrans("０１２３４５６７８９．", "0123456789.")
_UNIT = r"(?:seconds?|secs?|s)"
_TIME = rf"(?:\d+:[0-5]?\d(?:\.\d+)?|\d+(?:\.\d+)?)(?:\s*{_UNIT}\b)?"
_TIMED = re.compile(rf"\[\s*({_TIME})\s*(?:(?:-|to\b)\s*({_TIME}|end)\s*)?:(?!\d)([^\[\]]*)\]", re.IGNORECASE)
_MEANT = re.compile(rf"\[\s*-?\d+(?:[.,]\d+)?\s*{_UNIT}\b[^\]]{{0,20}}", re.IGNORECASE)
_EXPECTED = "expected [0s-2s: text] or [3s: text]"


@dataclass(frozen=True)
class TimedPrompt:
    """``text`` holds from second ``start`` to second ``stop``; None: until the next one, or the end."""

    start: float
    stop: float | None
    text: str

    @property
    def written(self) -> str:
        """As people write it."""
        until = "" if self.stop is None else f"-{_exact(self.stop)}s"
        return f"[{_exact(self.start)}s{until}: {self.text}]"

    def __str__(self) -> str:
        until = "" if self.stop is None else f"-{self.stop:g}s"
        return f"[{self.start:g}s{until}: {self.text[:30]}]"


@dataclass(frozen=True)
class SectionPrompt:
    """What a section follows: ``prompt``, with weight ``blend`` mixed into ``next_prompt``."""

    prompt: str
    next_prompt: str = ""
    blend: float = 0.0


def section_prompts(
    text: str, sections: Sequence[range], fps: int, seconds: float, blend_sections: int
) -> list[SectionPrompt]:
    """The prompt of every section.

    Args:
        text: as the user wrote it.
        sections: pixel frames of each section in viewer order.
        fps: of those frames.
        seconds: the longest time that may be named: the length asked for, or the true one if that is longer.
        blend_sections: how many sections of a new prompt are mixed with the prompt before, in even steps; at least
            one section of every prompt is left unmixed.

    Raises:
        InputError: a bracket can't be read, is empty, overlaps another, lies beyond the end or reaches no section; or
            nothing holds for a section.
    """
    base, timed = parse(text)
    if not timed:
        return [SectionPrompt(base)] * len(sections)
    _check(timed, seconds)
    if not base:
        timed[-1] = replace(timed[-1], stop=None)
    chosen = [_at((frames.start + frames.stop) / 2 / fps, timed) for frames in sections]
    for prompt in timed:
        if prompt not in chosen:
            edges = ", ".join(f"{frames.start / fps:.1f} s" for frames in sections[1:6]) or "none"
            raise InputError(f"the prompt {prompt} reaches no section's middle; sections change at {edges} ...")
    if not base and None in chosen:
        frames = sections[chosen.index(None)]
        raise InputError(
            f"no prompt holds from {frames.start / fps:.1f} s to {frames.stop / fps:.1f} s; let the timed prompts "
            "meet, or write a text outside brackets."
        )
    resolved = [base if prompt is None else f"{base} {prompt.text}".strip() for prompt in chosen]
    return _blended(resolved, blend_sections)


def goes_on(text: str, seconds: float) -> float | None:
    """The second from which the last timed prompt holds on though it says to end there; None when it doesn't.

    Args:
        text: as the user wrote it.
        seconds: the video's length.
    """
    base, timed = parse(text)
    last = timed[-1].stop if timed else None
    return last if not base and last is not None and last < seconds else None


def written(base: str, timed: Sequence[TimedPrompt]) -> str:
    """The text that ``parse`` reads so; prompts are to be without brackets."""
    return " ".join(filter(None, (base.strip(), *(prompt.written for prompt in timed))))


def parse(text: str) -> tuple[str, list[TimedPrompt]]:
    """The base and the timed prompts by start; brackets that name no time are part of the text.

    Raises:
        InputError: a bracket names a time and can't be read, or is empty.
    """
    plain = text.translate(_PLAIN | _DIGITS)
    timed: list[TimedPrompt] = []
    rest, end = "", 0
    for match in _TIMED.finditer(plain):
        start, stop, _ = match.groups()
        if not (_names_time(start) or stop):
            continue
        until = None if stop is None or stop.lower() == "end" else _seconds(stop)
        prompt = TimedPrompt(_seconds(start), until, " ".join(text[match.start(3) : match.end(3)].split()))
        if not prompt.text:
            raise InputError(f"the timed prompt {match[0]!r} is empty; {_EXPECTED}.")
        timed.append(prompt)
        rest += text[end : match.start()] + " "
        end = match.end()
    rest += text[end:]
    if broken := _MEANT.search(rest.translate(_PLAIN | _DIGITS)):
        raise InputError(f"the prompt has {broken[0]!r}, which can't be read; {_EXPECTED}.")
    base = " ".join(rest.split()) if timed else text
    return base, sorted(timed, key=lambda prompt: prompt.start)


def _exact(second: float) -> str:
    """All digits of it, and none of an exponent."""
    return f"{second:.6f}".rstrip("0").rstrip(".")


def _names_time(time: str) -> bool:
    """Whether it can be nothing but a time: with a unit, or in minutes and seconds."""
    return ":" in time or time[-1].isalpha()


def _seconds(time: str) -> float:
    """Of a time as ``_TIME`` matches it."""
    number = re.sub(_UNIT, "", time, flags=re.IGNORECASE)
    minutes, colon, rest = number.rpartition(":")
    return float(rest) + (60 * float(minutes) if colon else 0)


def _check(timed: list[TimedPrompt], seconds: float) -> None:
    for prompt in timed:
        if prompt.stop is not None and prompt.stop <= prompt.start:
            raise InputError(f"the prompt {prompt} ends before it begins; {_EXPECTED}.")
        if prompt.start >= seconds or (prompt.stop or 0) > seconds:
            raise InputError(f"the prompt {prompt} goes beyond the video's end at {seconds:.2f} s.")
    for one, other in pairwise(timed):
        if other.start < (one.stop or 0) or other.start == one.start:
            raise InputError(f"the prompts {one} and {other} overlap; let the first end where the second begins.")


def _at(second: float, timed: list[TimedPrompt]) -> TimedPrompt | None:
    begun = [prompt for prompt in timed if prompt.start <= second]
    return begun[-1] if begun and (begun[-1].stop is None or second < begun[-1].stop) else None


def _blended(prompts: list[str], blend_sections: int) -> list[SectionPrompt]:
    result: list[SectionPrompt] = []
    before = ""
    for prompt, group in groupby(prompts):
        count = len(list(group))
        steps = min(blend_sections, count - 1) if before else 0
        result += [SectionPrompt(before, prompt, (step + 1) / (steps + 1)) for step in range(steps)]
        result += [SectionPrompt(prompt)] * (count - steps)
        before = prompt
    return result

"""What LoRA files say of themselves in their metadata: a title, and words that call up what they were trained on."""

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from ..weights import read_metadata

TITLES = ("modelspec.title", "ss_output_name")
WORDS = ("modelspec.trigger_phrase", "trigger_words", "trigger_word", "trigger", "instance_prompt")
"""Keys of programs that write the words down."""
TAGS = "ss_tag_frequency"
"""Key of trainers that count the words of their captions, by folder of pictures."""
MOST = 4


@dataclass(frozen=True)
class LoraAbout:
    """``triggers``: to be written into prompts, empty when the file tells none."""

    title: str = ""
    triggers: tuple[str, ...] = ()


def about_lora(file: Path) -> LoraAbout:
    """What a safetensors file tells of itself; CheckpointError when it is none."""
    said = read_metadata(file, "it can't be used as a LoRA")
    title = next((said[key].strip() for key in TITLES if said.get(key, "").strip()), "")
    words = next((_listed(said[key]) for key in WORDS if said.get(key, "").strip()), ())
    return LoraAbout(title[:120], words or _tags(said.get(TAGS, "")))


def _listed(text: str) -> tuple[str, ...]:
    """Words with commas between, or as a JSON list."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    parts = [str(part) for part in found] if isinstance(found, list) else text.split(",")
    return tuple(dict.fromkeys(word for part in parts if (word := " ".join(part.split())[:80])))[:MOST]


def _tags(text: str) -> tuple[str, ...]:
    """The words that every caption has, as counted: those that none lacks call up what all pictures show."""
    try:
        counted = json.loads(text)
        total: Counter[str] = Counter()
        for tags in counted.values():
            total.update({str(tag).strip(): int(count) for tag, count in tags.items()})
    except (ValueError, AttributeError, TypeError, OverflowError, RecursionError):
        return ()
    most = max(total.values(), default=0)
    return tuple(tag[:80] for tag, count in total.items() if tag and count == most)[:MOST]

"""What the puppet understands: several ways to ask for each motion and tempo, after FramePack's prompting guide.

A prompt names the subject, then the motion, then how, such as "The person dances gracefully, full of charm."
"""

import random

SUBJECTS = (
    "The person", "A person", "The puppet", "The girl", "The boy", "The man", "The woman", "The figure", "She", "He",
)  # fmt: skip

MOTION_WORDS = {
    "dance": (
        "dances", "is dancing", "dances to the music", "moves to the rhythm", "performs a dance", "starts dancing",
    ),
    "wave": (
        "waves", "is waving", "waves a hand", "waves at the camera", "waves hello", "raises a hand and waves",
        "greets with a wave of the hand",
    ),
    "walk": ("walks", "is walking", "walks forward", "takes a walk", "walks along", "strolls", "marches"),
    "talk": ("talks", "is talking", "speaks", "is speaking", "talks to the camera", "tells a story", "gives a talk"),
    "jump": ("jumps", "is jumping", "jumps up and down", "leaps into the air", "hops", "jumps high"),
    "breathe": (
        "breathes", "is breathing", "stands still and breathes", "stands calmly", "barely moves",
        "breathes and looks at the camera",
    ),
    "spin": ("spins", "is spinning", "spins around", "turns around", "twirls", "rotates in place"),
}  # fmt: skip

TEMPO_WORDS = {
    "slow": ("slowly", "gently", "calmly", "softly", "in slow motion"),
    "normal": ("", "", "", "gracefully", "happily", "naturally", "elegantly"),
    "fast": ("quickly", "powerfully", "energetically", "fast", "rapidly", "wildly"),
}
TEMPO_RANGE = {"slow": (0.6, 0.85), "normal": (0.85, 1.2), "fast": (1.2, 1.6)}
"""Speed factors; they touch, so tempo is continuous."""

QUALIFIERS = (
    "", "", "with clear movements", "full of charm", "with clear movements, full of charm", "in a relaxed way",
    "full of energy", "looking at the camera", "with a smile", "on a plain background", "with subtle expression",
)  # fmt: skip


def write_prompt(motion: str, tempo: str, rng: random.Random) -> str:
    """One random phrasing of a motion and a tempo ("slow", "normal", "fast")."""
    how = rng.choice(TEMPO_WORDS[tempo])
    subject, words = rng.choice(SUBJECTS), rng.choice(MOTION_WORDS[motion])
    sentence = f"{subject} {words} {how}".strip()
    if how and " " not in how and rng.random() < 0.15:
        sentence = f"{how.capitalize()}, {subject[0].lower()}{subject[1:]} {words}"
    qualifier = rng.choice(QUALIFIERS)
    sentence += f", {qualifier}" if qualifier else ""
    if rng.random() < 0.15:
        sentence = sentence.lower()
    return sentence + ("." if rng.random() < 0.8 else "")


CAMERA_WORDS = {
    "still": (
        "Nothing moves", "The picture stays still", "A still picture", "The camera stands still", "Everything is still",
        "A motionless scene", "The camera does not move",
    ),
    "zoom": (
        "The camera zooms in", "The camera zooms in slowly", "Zoom in", "A slow zoom", "The camera moves closer",
        "The camera slowly moves in", "The camera zooms in gently",
    ),
    "pan": (
        "The camera pans", "The camera pans slowly", "The camera pans across the picture", "A slow pan",
        "The camera moves sideways", "The camera pans gently",
    ),
}  # fmt: skip


def write_camera_prompt(kind: str, rng: random.Random) -> str:
    """One random phrasing of what a camera does ("still", "zoom", "pan")."""
    sentence = rng.choice(CAMERA_WORDS[kind])
    if rng.random() < 0.15:
        sentence = sentence.lower()
    return sentence + ("." if rng.random() < 0.8 else "")


def corpus() -> list[str]:
    """Every word and phrase that prompts are made of: what the tokenizers learn from."""
    parts: list[str] = [*SUBJECTS, *(s.lower() for s in SUBJECTS), *QUALIFIERS]
    for words in (*MOTION_WORDS.values(), *TEMPO_WORDS.values()):
        parts.extend(words)
    rng = random.Random(0)
    sentences = [write_prompt(m, t, rng) for _ in range(40) for m in MOTION_WORDS for t in TEMPO_WORDS]
    return [part for part in parts if part] + sentences

"""`farm bench orders` and `farm bench gate`: clips that a file has are not rendered again."""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from model.families import describe
from model.puppet.gated import GatedClip
from model.puppet.orders import SCORES, Clip
from model.puppet.orders_chart import COLOURS
from tests.support.machine import here

SVG = "{http://www.w3.org/2000/svg}"


def kept(path: Path, clips: list[Any], **settings: Any) -> Path:
    held = {"checkpoint_sha256": describe("puppet", here()).checkpoint_sha256, "seconds": 20.0, **settings, "steps": 25}
    path.write_text(json.dumps({"settings": held, "clips": [clip.to_json() for clip in clips]}))
    return path


def test_orders_are_compared_by_the_clips_of_a_file(run, tmp_path: Path) -> None:
    clips = [
        Clip(order, index, 20.0, dict.fromkeys(SCORES, 0.1 * index))
        for order in ("vanilla", "bisect")
        for index in range(3)
    ]
    file = kept(tmp_path / "orders.json", clips)
    done = run("bench", "orders", "--clips", "3", "--orders", "vanilla,bisect", "--json", str(file))
    assert done.code == 0, done.err
    assert "0 of 6 clips are left" in done.err
    rows = [line for line in done.out.splitlines() if line.split()[:1] in (["vanilla"], ["bisect"])]
    vanilla, bisect, more = rows
    assert "0.100 ±0.058" in vanilla and "17/17" in vanilla and "9/17" in bisect and "+0.000 ±0.000" in more


def test_orders_are_drawn_beside_the_first_one(run, tmp_path: Path) -> None:
    """Seams are worse in every puppet, the look is better in every one, and the rest differ by chance."""
    clips = [Clip("vanilla", index, 20.0, dict.fromkeys(SCORES, 0.1 * index)) for index in range(3)]
    for index, chance in enumerate((-0.05, 0.0, 0.05)):
        scores = dict.fromkeys(SCORES, 0.1 * index + chance)
        scores |= {"seam": 0.1 * index + 0.5 + chance / 10, "look": 0.1 * index - 0.2 + chance / 10}
        clips.append(Clip("fanout:4", index, 20.0, scores))
    file, drawn = kept(tmp_path / "orders.json", clips), tmp_path / "orders.svg"
    options = ("--clips", "3", "--orders", "vanilla,fanout:4", "--json", str(file))
    done = run("bench", "orders", *options, "--picture", str(drawn))
    assert done.code == 0, done.err
    marks = {
        title.text: mark
        for title, mark in zip(
            [each for each in ElementTree.parse(drawn).iter(f"{SVG}text") if each.get("font-weight")],
            ElementTree.parse(drawn).iter(f"{SVG}g"),
            strict=True,
        )
    }
    assert len(marks) == 6 and "identity" not in marks
    colours = {title: mark.get("fill") for title, mark in marks.items()}
    assert colours.pop("seam") == COLOURS["worse"] and colours.pop("look drift") == COLOURS["better"]
    assert set(colours.values()) == {COLOURS["alike"]}
    assert marks["seam"].findtext(f"{SVG}title") == "fanout:4: +0.5000 ± 0.0029"

    done = run("bench", "orders", *options, "--picture", str(tmp_path / "orders.png"))
    assert done.code == 2 and ".svg" in done.err


def test_a_file_of_other_settings_is_refused(run, tmp_path: Path) -> None:
    file = kept(tmp_path / "orders.json", [])
    done = run("bench", "orders", "--seconds", "10", "--json", str(file))
    assert done.code != 0 and "holds clips of other settings" in done.err
    (tmp_path / "other.json").write_text("[]")
    done = run("bench", "orders", "--json", str(tmp_path / "other.json"))
    assert done.code != 0 and "holds no clips of this command" in done.err


def test_the_gate_is_compared_with_none(run, tmp_path: Path) -> None:
    scores = dict.fromkeys(SCORES, 0.2)
    clips = [GatedClip(0, 0, 20, 20, 5, scores), GatedClip(0, 2, 20, 26, 3, scores)]
    file = kept(tmp_path / "gate.json", clips, order="vanilla")
    done = run("bench", "gate", "--clips", "1", "--seconds", "20", "--json", str(file))
    assert done.code == 0, done.err
    assert "1.00x" in done.out and "1.30x" in done.out and "25%" in done.out

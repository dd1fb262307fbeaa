"""``farm plan``: table, JSON, picture and complaints."""

import json
import os
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from PIL import Image

from farm.cli import main
from model.plan import make_plan, plan_svg
from tests.support.tiny import tiny_checkpoint

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(autouse=True)
def puppet(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tiny_checkpoint(tmp_path_factory.getbasetemp() / "puppet")
    monkeypatch.setitem(os.environ, "FARM_PUPPET_PATH", str(path))


def test_table_shows_length_depth_width_and_bounds(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--seconds", "60", "--order", "bisect"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    for words in (
        ["depth", "7", "sections"],
        ["width", "17", "sections"],
        ["true", "length", "60.03", "s,", "1801", "frames", "at", "30", "fps"],
        ["sections", "50", "of", "9", "latent", "frames"],
        ["1", "50", "1.00x"],
        ["2", "26", "1.92x"],
        ["4", "15", "3.33x"],
        ["8", "10", "5.00x"],
        ["unlimited", "7", "7.14x"],
        ["2", "2", "12", "36"],
    ):
        assert words in lines


def test_json_tells_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--seconds", "60", "--order", "fanout:4", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["level_widths"] == [2, 4, 20, 24]
    assert found["speedup"]["8"] == 6.25
    assert found["sections"][9]["predecessors"] == [0, 49]


def test_exact_length_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--seconds", "5", "--exact"]) == 0
    assert "5.00 s, 150 frames at 30 fps (31 of 181 trimmed)" in capsys.readouterr().out


def test_untrained_order_is_marked_experimental(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--order", "fanout:7"]) == 0
    assert "experimental" in capsys.readouterr().out
    assert main(["plan", "--order", "bisect"]) == 0
    assert "experimental" not in capsys.readouterr().out


def test_an_order_is_chosen_and_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--seconds", "20", "--order", "auto", "--devices", "8", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["order"] == "bisect"
    assert found["notes"] == [
        "order bisect: on 8 devices it takes as long as 5 of its 17 sections; of orders about as fast it drifts least."
    ]


def test_picture_draws_every_section_and_dependency(tmp_path: Path) -> None:
    picture = tmp_path / "out.svg"
    layout = "td_f16k4f2k2f1k1_g9_x_f1k1"
    assert main(["plan", "--seconds", "60", "--order", "bisect", "--layout", layout, "--picture", str(picture)]) == 0
    root = ElementTree.fromstring(picture.read_text())
    plan = make_plan(layout=layout, order="bisect", seconds=60, seed=0, prompt="")
    assert [text.text for text in root.findall(f".//{SVG}g/{SVG}g/{SVG}text")] == [str(i) for i in range(50)]
    assert len(root.findall(f".//{SVG}path")) == sum(len(section.predecessors) for section in plan.sections)
    tops = [float(box.get("y", "")) for box in root.findall(f".//{SVG}g/{SVG}g/{SVG}rect")]
    assert sorted(set(tops)) == [tops[section] for section in (0, 24, 12, 6, 3, 1, 2)]
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.svg"]


def test_anchors_and_prompts_are_shown_per_section(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "out.svg"
    options = ["--prompt", "A girl. [0s-4s: She waves.] [4s: She spins.]", "--blend", "1", "--keyframe", "4.8"]
    assert main(["plan", "-s", "9.6", *options, "--end-image", "--picture", str(picture)]) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "keyframe-1 at 4.80 s" in lines and "end_image at 9.60 s" in lines
    assert "3 3.63 4.83 keyframe-1 50% A girl. She waves. + 50% A girl. She spins." in lines
    assert "7 8.43 9.63 keyframe-1, end_image A girl. She spins." in lines
    titles = [title.text for title in ElementTree.fromstring(picture.read_text()).iter(f"{SVG}title")]
    assert "keyframe-1 at 4.80 s" in titles
    assert "section 7: 8.43 to 9.63 s, level 0, sees keyframe-1, end_image: A girl. She spins." in titles
    assert main(["plan", "-s", "9.6", "--extend-at", "start", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["anchors"] == [{"name": "source_video", "boundary": 8, "second": 9.6}]
    assert found["sections"][7]["anchors"] == ["source_video"]


def test_picture_of_a_long_chain_stays_well_formed() -> None:
    plan = make_plan(layout="td_f16k4f2k2f1k1_g9", order="vanilla", seconds=600, seed=0, prompt="")
    root = ElementTree.fromstring(plan_svg(plan))
    boxes = root.findall(f".//{SVG}g/{SVG}g/{SVG}rect")
    assert len(boxes) == 500
    width, height = float(root.get("width", "")), float(root.get("height", ""))
    assert all(0 <= float(box.get("x", "")) < width and 0 <= float(box.get("y", "")) < height for box in boxes)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--order", "bisec"], "Did you mean 'bisect'"),
        (["--order", "fanout:x"], "such as fanout:4"),
        (["--layout", "f1k1_x_h9"], "can't read 'h9'"),
        (["--layout", "td_f1k1_g9", "--order", "inverted"], "context after the window"),
        (["--model", "pupet"], "Did you mean 'puppet'"),
        (["--seconds", "0"], "more than 0"),
        (["--seconds", "nan"], "more than 0"),
        (["--fps", "0"], "1 to 120"),
        (["--picture", "out.png"], "ends in .svg"),
        (["--picture", "/nowhere/out.svg"], "can't write picture"),
    ],
)
def test_bad_option_is_one_clear_line(
    options: list[str],
    complaint: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["plan", *options]) == 2
    captured = capsys.readouterr()
    assert complaint in captured.err
    assert len(captured.err.strip().splitlines()) == 1
    assert "Traceback" not in captured.err and captured.out == ""
    assert not list(tmp_path.iterdir())


def test_image_shows_its_bucket_and_what_is_cut_off(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "wide.png"
    Image.new("RGB", (400, 100)).save(path)
    assert main(["plan", "--image", str(path)]) == 0
    assert "64x64 pixels from 400x100, 75% of the picture cut off" in capsys.readouterr().out
    assert main(["plan", "--image", str(path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["bucket"], found["crop"], found["kept"]) == ([64, 64], [150, 0, 250, 100], 0.25)
    assert main(["plan", "--resolution", "512"]) != 0
    assert "resolution 512: model 'puppet' has 64" in capsys.readouterr().err

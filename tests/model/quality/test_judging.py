"""Faults are named where they are, and clean clips are left in peace."""

import pytest

from model.quality.calibration import SECTIONS, calibrate, true_clip
from model.quality.faults import FAULTS, plant
from model.quality.judging import drift, findings, values_of
from model.quality.measures import measure
from model.quality.pieces import Measures
from model.quality.report import report


@pytest.fixture(scope="module")
def pieces() -> list[Measures]:
    return [measure(piece) for piece in true_clip(3)]


def test_planted_faults_are_named_and_clean_clips_raise_no_alarm() -> None:
    """A small part of ``farm bench quality``, with its bars."""
    *_, made = calibrate(2, first=500)
    assert made.named >= 0.95 and made.false_alarms <= 0.02 and made.planted == dict.fromkeys(FAULTS, 2)
    assert made.gate_named >= 0.9 and made.gate_false_alarms <= 0.02


def test_drift_compares_the_ends(pieces: list[Measures]) -> None:
    clip, other = true_clip(3), true_clip(4)

    def with_fault(kind: str) -> list[Measures]:
        return [measure(piece) for piece in plant(kind, clip, SECTIONS - 1, other)]

    assert drift(pieces, "tint") < 0.01 and drift(with_fault("tint"), "tint") == pytest.approx(0.05, abs=0.01)
    assert drift(with_fault("blur"), "sharpness") < -0.3 and abs(drift(pieces, "sharpness")) < 0.1
    assert drift(with_fault("look"), "look") > 0.4 and drift(pieces, "look") < 0.05


def test_report_knows_gaps_and_single_sections(pieces: list[Measures]) -> None:
    found = report({2: pieces[2], 5: pieces[5]})
    assert [each.section for each in found.sections] == [2, 5] and found.sections[0].values["tint"] == 0
    assert report({}).sections == () and report({0: pieces[0]}).drift == {}
    assert findings(values_of(pieces)) == []

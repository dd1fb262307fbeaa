"""How verdicts are told."""

from farm.jobs.gate import GATE, Judged, frees, outside, settled_text


def test_what_is_wrong_is_told_with_its_limit() -> None:
    judged = Judged(0, 1.4, ("blur", "seam"), {"blur": 0.5714, "seam": 2.3, "tint": 0.01})
    assert outside(7, judged) == (
        "section 7 is outside its limits: it is less sharp than the beginning (blur 0.571, right is from 0.6); "
        "it jumps where it begins (seam 2.3, right is to 2.2)"
    )
    assert Judged.of_json(judged.to_json()) == judged


def test_a_kind_of_a_later_version_is_named() -> None:
    assert outside(0, Judged(0, 2.0, ("warp",), {"warp": 3.0})) == "section 0 is outside its limits: warp"


def test_the_choice_is_told_with_all_scores() -> None:
    judged = {take: Judged(take, score, ("tint",) if score > 1 else (), {}) for take, score in ((0, 1.5), (1, 1.2))}
    text = "section 2 is take 1, the best of 2 (take 0: 1.50, take 1: 1.20); still outside: tint"
    assert settled_text(2, 1, judged) == text


def test_what_needs_a_section_outside_its_limits_or_a_take_is_for_the_rows_to_say() -> None:
    fine, wrong = ({GATE: Judged(0, 1.0, kinds, {}).to_json()} for kinds in ((), ("tint",)))
    assert frees("section-002", {}) and frees("section-002", fine)
    assert not frees("section-002", wrong) and not frees("section-002-take-1", fine)

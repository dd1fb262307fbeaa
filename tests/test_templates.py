"""Templates of file names: what they may hold, and that every file system takes what comes of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farm.templates import FIELDS, RESERVED, STEM_BYTES, UNSAFE, check_template, filled

VALUES = dict.fromkeys(FIELDS, "x") | {"name": "猫のダンス", "seed": "7", "id": "3f2a9c41", "date": "2026-11-26"}


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("", "猫のダンス-3f2a9c41"),
        ("{date}_{name}_{seed}", "2026-11-26_猫のダンス_7"),
        ("Shot 4 – {seed}", "Shot 4 – 7"),
        ("..{seed}. ", "7"),
        ("con.{seed}", "con.7_"),
    ],
)
def test_names_are_what_the_template_says(template: str, expected: str) -> None:
    assert filled(check_template(template), VALUES) == expected


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{sed}", "should use only {date}, {time}, {name}"),
        ("{name.__class__}", "not {name.__class__}"),
        ("{seed:>9}", "should use only"),
        ("{}", "should use only"),
        ("{name", "closing brace"),
        ("a/{name}", "should hold none of"),
        ("{name}\u202e", "no control characters"),
        ("video", "should use at least one of {date}"),
    ],
)
def test_what_is_no_template_is_refused_with_the_fields_there_are(template: str, said: str) -> None:
    with pytest.raises(ValueError) as caught:
        check_template(template)
    assert said in str(caught.value)


@given(st.fixed_dictionaries({name: st.text(max_size=80) for name in ("name", "owner")}))
def test_every_file_system_takes_every_name(values: dict[str, str]) -> None:
    found = filled("{name}{owner}", {**VALUES, **values})
    assert 0 < len(found.encode()) <= STEM_BYTES + 1 and not UNSAFE.search(found) and found.isprintable()
    assert found.strip(" .-") == found and not RESERVED.fullmatch(found.partition(".")[0])

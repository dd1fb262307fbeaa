"""Several files of one video: the forms in which users ask for them, and what becomes of fields beside them."""

from typing import Any

import pytest
from pydantic import ValidationError

from farm.jobs.exports import Export, read_exports
from farm.jobs.submission import Submission, changed


def submission(**fields: Any) -> Submission:
    return Submission.model_validate({"prompt": "The puppet waves", **fields})


def exports(**fields: Any) -> list[dict[str, Any]]:
    return [export.model_dump(exclude_defaults=True) for export in submission(**fields).job_order.exports]


def test_one_file_is_told_by_flat_fields() -> None:
    assert exports() == [{}]
    assert exports(exporter="webm", mp4_crf=30) == [{"exporter": "webm", "mp4_crf": 30}]
    assert exports(exports=["webm"], mp4_crf=30) == [{"exporter": "webm", "mp4_crf": 30}]
    assert submission(exports=["webm"]).exports == () and submission(exports=["webm"]).exporter == "webm"


def test_several_are_told_by_words_and_objects() -> None:
    asked = ["mp4", "webm:crf=30, codec=av1,output_fps=24", {"exporter": "gif", "options": {"fps": 12}}]
    assert exports(exports=asked, mp4_crf=20) == [
        {"mp4_crf": 20},
        {"exporter": "webm", "mp4_crf": 20, "output_fps": 24, "options": {"crf": "30", "codec": "av1"}},
        {"exporter": "gif", "mp4_crf": 20, "options": {"fps": 12}},
    ]


@pytest.mark.parametrize(
    "asked", [[], ["webm"], ["webm:crf=30"], ["mp4", "mp4:codec=h265"], ["gif:output_fps=12", "mp4"]]
)
def test_what_is_stored_and_shown_is_what_was_asked(asked: list[str]) -> None:
    found = submission(exports=asked)
    assert Submission.of(found.request, found.job_order) == found
    assert Submission.model_validate(found.model_dump(mode="json")) == found
    stored = [export.model_dump(mode="json") for export in found.job_order.exports]
    assert read_exports(stored) == found.job_order.exports
    assert found.request == submission().request and found.request.digest == submission().request.digest


def test_rows_without_options_are_read() -> None:
    assert read_exports([{"exporter": "mp4", "mp4_crf": 20}]) == (Export(mp4_crf=20),)


@pytest.mark.parametrize(
    ("asked", "where", "what"),
    [
        (["webm:crf"], "exports.0", "'crf' is no OPTION=VALUE"),
        (["mp4", "webm:"], "exports.1", "'' is no OPTION=VALUE"),
        (["webm:crf=1,crf=2"], "exports.0", "should name crf once"),
        (["webm:output_fps=0"], "output_fps", "greater than or equal to 1"),
        ([{"exporter": "webm", "crf": 30}], "exports.0.crf", "Extra inputs"),
        (["mp4"] * 9, "exports", "at most 8 items"),
        ([3], "exports.0", "valid dictionary"),
        ("mp4", "exports", "valid tuple"),
        ([{"exporter": "webm", "options": {"crf": [1]}}], "exports.0.options.crf", "valid"),
    ],
)
def test_what_can_not_be_read_is_refused_where_it_stands(asked: Any, where: str, what: str) -> None:
    with pytest.raises(ValidationError) as caught:
        submission(exports=asked)
    first = caught.value.errors()[0]
    assert ".".join(map(str, first["loc"])).startswith(where) and what in first["msg"]


def test_changes_go_for_every_file_or_replace_them() -> None:
    before = {"mp4_crf": 16, "exporter": "mp4", "exports": ["mp4", "webm:crf=30"]}
    assert exports(**changed(before, {"output_fps": 24})) == [
        {"output_fps": 24},
        {"exporter": "webm", "output_fps": 24, "options": {"crf": "30"}},
    ]
    assert exports(**changed(before, {"exporter": "gif"})) == [{"exporter": "gif"}]
    assert exports(**changed(before, {"exports": ["png", "exr"]})) == [{"exporter": "png"}, {"exporter": "exr"}]
    assert changed(before, {"seed": 3}) == {**before, "seed": 3}

"""What tasks of a job are called."""

from farm.jobs.names import (
    decode_index,
    export_name,
    is_export,
    latents_index,
    maker_of,
    output_of,
    preview_of,
    section_name,
    take_of,
    use_of,
)


def test_every_export_of_a_job_is_told_from_other_tasks() -> None:
    assert all(is_export(export_name(index)) for index in range(8))
    assert not any(map(is_export, ("encode", "section-001", "decode-000")))


def test_names_of_decodings() -> None:
    assert [decode_index(name) for name in ("decode-007", "decode-112", "decode-", "section-007", "export")] == [
        7,
        112,
        None,
        None,
        None,
    ]


def test_a_take_is_told_from_its_section() -> None:
    name = section_name(7, 2)
    assert (name, take_of(name), take_of("section-007"), take_of("decode-007")) == ("section-007-take-2", 2, 0, 0)
    assert output_of(name) == "latents-007-take-2" and maker_of(output_of(name)) == name
    assert preview_of(name) == "preview-007-take-2" and preview_of("section-007") == "preview-007"
    assert latents_index(output_of(name)) is None and use_of(output_of(name)) == "latents"

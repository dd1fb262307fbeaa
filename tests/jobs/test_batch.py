"""Many jobs from one wish."""

import pytest

from farm.errors import InputError
from farm.jobs.batch import Batch, variations

FIELDS = {"prompt": "The puppet waves", "seed": 7, "steps": 5}


def test_each_with_each_in_an_order_that_can_be_told_in_advance() -> None:
    batch = Batch(("cat", "dog"), ("Waves", "Bows"), 2, {"gs": [6, 10]})
    found = variations(FIELDS, batch)
    assert len(found) == batch.size == 16
    assert [one.image for one in found] == [0] * 8 + [1] * 8
    assert [one.fields["prompt"] for one in found[:8]] == ["Waves"] * 4 + ["Bows"] * 4
    assert [one.fields["gs"] for one in found[:4]] == [6, 6, 10, 10]
    seeds = {one.fields["seed"] for one in found}
    assert len(seeds) == 2 and 7 not in seeds, "the same seeds for all others, so that they can be compared"
    assert found[0].label.startswith("cat, Waves, gs 6, seed ") and found[0].fields["steps"] == 5


def test_one_job_is_as_it_was() -> None:
    (one,) = variations(FIELDS, Batch(("cat",)))
    assert (dict(one.fields), one.image, one.label) == (FIELDS, 0, "")
    (none,) = variations(FIELDS, Batch())
    assert none.image is None


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        (Batch(sweeps={"stepz": [1]}), "Did you mean 'steps'"),
        (Batch(sweeps={"owner": ["a"]}), "field to sweep"),
        (Batch(sweeps={"steps": []}), "has no values"),
        (Batch(seeds=0), "expected 1 to 500"),
        (Batch(seeds=100, prompts=["a"] * 6), "600 jobs"),
    ],
)
def test_what_can_not_be_varied(batch: Batch, message: str) -> None:
    with pytest.raises(InputError, match=message):
        variations(FIELDS, batch)

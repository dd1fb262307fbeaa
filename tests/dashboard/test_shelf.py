"""What browsers hold is kept for each of them."""

from dashboard.shelf import MOST, Shelf, _size
from model.footage.media import Media


def test_each_place_has_its_own_and_the_least_recently_used_goes() -> None:
    shelf = Shelf()
    for number in range(MOST):
        shelf.put(str(number), {"prompt": number})
    shelf.put("0", {"prompt": "again"})
    shelf.put("more", {})
    assert (shelf.get("0"), shelf.get("1"), shelf.get("2")) == ({"prompt": "again"}, {}, {"prompt": 2})


def test_files_are_weighed_wherever_they_are() -> None:
    assert _size(Media(b"12", keyframes=(b"345", b"6"))) == 6
    assert _size([("name", b"12345")]) == 5 and _size("text") == 0

"""The tree of takes."""

from dashboard.views.takes import in_order


def test_children_follow_their_parent_the_oldest_first():
    parents = {"a": "", "b": "a", "c": "a", "d": "b", "e": "c"}
    takes = [{"id": name, "parent": parent} for name, parent in parents.items()]
    assert [(take["id"], level) for take, level in in_order(takes)] == [
        ("a", 0),
        ("b", 1),
        ("d", 2),
        ("c", 1),
        ("e", 2),
    ]


def test_take_whose_parent_was_deleted_is_a_root():
    assert in_order([{"id": "b", "parent": "gone"}]) == [({"id": "b", "parent": "gone"}, 0)]

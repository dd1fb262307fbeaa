"""The list of people."""

import stat
from pathlib import Path

import pytest

from farm.accounts.people import HOUSEHOLD, Caller, Role
from farm.accounts.users import Users
from farm.errors import ConflictError, InputError, NotFoundError, StorageError


def test_tokens_are_kept_as_hashes_and_end_when_they_are_replaced(tmp_path: Path) -> None:
    users, others = Users(tmp_path / "users.json"), Users(tmp_path / "users.json")
    token = users.add(" ann ", Role.ARTIST)
    assert others.by_token(token) == Caller("ann", Role.ARTIST) and others.by_token("guess") is None
    assert token not in (tmp_path / "users.json").read_text()
    assert stat.S_IMODE((tmp_path / "users.json").stat().st_mode) == 0o600
    with pytest.raises(ConflictError, match="farm users token"):
        others.add("ann", Role.ADMIN)
    again = others.new_token("ann")
    assert users.by_token(token) is None and users.by_token(again) == Caller("ann", Role.ARTIST)
    assert others.change("ann", role=Role.VIEWER).role is Role.VIEWER
    assert users.by_name("ann") == Caller("ann", Role.VIEWER)
    users.remove("ann")
    assert others.by_token(again) is None and others.all() == []


def test_an_address_is_one_persons_alone(tmp_path: Path) -> None:
    users = Users(tmp_path / "users.json")
    users.add("ann", Role.ARTIST, " Ann@example.org ")
    users.add("ben", Role.ARTIST)
    assert [user.email for user in users.all()] == ["Ann@example.org", ""]
    with pytest.raises(ConflictError, match="ann's already"):
        users.change("ben", email="ann@EXAMPLE.org")
    for wrong in ("ann", "a b@c", "a@b@c", "@c", "a@"):
        with pytest.raises(InputError, match="no e-mail address"):
            users.change("ben", email=wrong)
    assert users.change("ann", email="ann@example.org").role is Role.ARTIST
    assert users.change("ann", role=Role.ADMIN).email == "ann@example.org"
    assert users.change("ann", email="").email == "" and users.change("ben", email="ann@example.org")


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "x" * 81])
def test_what_is_no_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError):
        Users(tmp_path / "users.json").add(name, Role.ARTIST)


def test_nobody_of_that_name_and_a_broken_list(tmp_path: Path) -> None:
    users = Users(tmp_path / "users.json")
    users.add("anna", Role.ARTIST)
    for change in (users.remove, users.new_token):
        with pytest.raises(NotFoundError, match="anna"):
            change("ana")
    (tmp_path / "users.json").write_text("[1]")
    with pytest.raises(StorageError, match="list of users"):
        Users(tmp_path / "users.json").all()


@pytest.mark.parametrize(
    ("caller", "own", "others", "machines"),
    [
        (Caller("ann", Role.VIEWER), False, False, False),
        (Caller("ann", Role.ARTIST), True, False, False),
        (Caller("ann", Role.ADMIN), True, True, True),
        (HOUSEHOLD, True, True, True),
    ],
)
def test_who_may_what(caller: Caller, own: bool, others: bool, machines: bool) -> None:
    assert (caller.may_change(caller.name), caller.may_change("ben")) == (own, others)
    assert caller.may(Role.ADMIN) is machines and caller.may(Role.VIEWER)

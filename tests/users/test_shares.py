"""The index of who shares with whom."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from mailkit.control import Home
from mailkit.users import shares
from mailkit.users.passwd import User
from tests.harness.homes import make_home, set_control

ALICE = User("alice@example.test")
BOB = User("bob@example.test", fields={"userdb_acl_groups": "sales,a/b"})
CAROL = User("carol@other.test")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = make_home(tmp_path, domains=("example.test", "other.test"))
    shares.rebuild(made, [])
    return made


@pytest.mark.parametrize("identifier", ["user=bob@example.test", "group=sales", "group-override=a/b", "anyone",
                                        "authenticated"])  # fmt: skip
def test_what_is_noted_is_found_until_it_is_forgotten(home: Home, identifier: str) -> None:
    shares.note(home, ALICE, identifier)
    shares.note(home, ALICE, identifier)
    assert shares.owners(home, BOB) == ["alice@example.test"]
    assert shares.owners(home, ALICE) == []
    assert shares.owners(home, CAROL) == []
    shares.forget(home, ALICE, identifier)
    shares.forget(home, ALICE, identifier)
    assert shares.owners(home, BOB) == []


def test_local_parts_with_a_slash(home: Home) -> None:
    odd = User("a%2F/../b@example.test")
    shares.note(home, odd, "anyone")
    assert shares.owners(home, BOB) == [odd.address]
    assert not list(Path(home.path).glob("run/shared/*/*/*"))


def test_domains_are_apart_unless_the_administrator_says_so(home: Home) -> None:
    shares.note(home, CAROL, "anyone")
    assert shares.owners(home, BOB) == []
    assert not shares.reach(home, BOB, CAROL)
    set_control(home, "sharing", "all")
    assert shares.owners(home, BOB) == ["carol@other.test"]
    assert shares.reach(home, BOB, CAROL)
    set_control(home, "sharing", "no")
    assert not shares.reach(home, BOB, ALICE)
    assert not shares.allowed(home)


def test_made_anew(home: Home) -> None:
    shares.note(home, ALICE, "anyone")
    shares.note(home, CAROL, "user=bob@example.test")
    shutil.rmtree(home.join("run", "shared"))
    assert shares.owners(home, BOB) == []
    shares.note(home, ALICE, "anyone")
    assert shares.missing(home), "one entry would pass for an index"
    assert shares.rebuild(home, []) == 0
    shares.note(home, CAROL, "anyone")  # which is not so any more
    shares.note(home, BOB, "anyone")  # which is so since a moment ago, when bob's folders had been read
    os.utime(home.join("run", "shared", "anyone@other.test", CAROL.address), (1e9, 1e9))
    assert shares.rebuild(home, [(ALICE, "anyone"), (ALICE, "user=bob@example.test")]) == 2
    assert shares.owners(home, BOB) == ["alice@example.test"]
    assert shares.owners(home, User("dan@other.test")) == []
    assert shares.owners(home, User("dan@example.test")) == [ALICE.address, BOB.address]

"""dovecot-acl: read and written as Dovecot does, and who gets what by it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailkit import clock, log
from mailkit.exits import Temp
from mailkit.maildir import acl, metadata
from tests.harness.crash import crashes

ALICE = acl.Who("alice@example.test", owner=True)
BOB = acl.Who("bob@example.test", {"sales", "staff"})
LETTERS = st.text(acl.ALL, max_size=5)
IDENTIFIERS = st.sampled_from(["anyone", "authenticated", "owner", "group=sales", "group=a b", "user=bob@example.test",
                               'user=x"y\\z@example.test', "group-override=staff"])  # fmt: skip


@given(st.lists(st.tuples(IDENTIFIERS, LETTERS, st.booleans()), max_size=8))
def test_what_is_written_is_read(entries: list[tuple[str, str, bool]]) -> None:
    written = {(name, negative): acl.Entry(name, rights, negative) for name, rights, negative in entries}
    read = acl.parse(b"".join(entry.line() for entry in written.values()))
    assert {entry.key: entry.rights for entry in read} == {key: entry.rights for key, entry in written.items()}


@given(st.binary(max_size=60) | st.lists(st.sampled_from([
    b"user=bob ", b"-", b'"', b"\\", b"lr", b"\n", b":", b"read", b"anyone", b"group=", b"#", b" ", b"Q",
]), max_size=12).map(b"".join))  # fmt: skip
def test_any_octets_are_entries_or_damage(data: bytes) -> None:
    try:
        entries = acl.parse(data)
    except ValueError:
        return
    assert all(set(entry.rights) <= set(acl.ALL) for entry in entries)


@pytest.mark.parametrize(("text", "who", "rights"), [
    ("", ALICE, acl.ALL),
    ("", BOB, ""),
    ("anyone l\nuser=bob@example.test lr", BOB, "lr"),  # the stronger replaces
    ("user=bob@example.test r\nanyone l", BOB, "r"),  # whatever the order of the lines
    ("group=sales l\ngroup=staff r\ngroup=others a", BOB, "lr"),  # groups together
    ("authenticated lrw\n-user=bob@example.test w", BOB, "lr"),
    ("-anyone w\nuser=bob@example.test lrw", BOB, "lr"),  # negative rights stay
    ("user=bob@example.test lrw\ngroup-override=staff l", BOB, "l"),
    ("anyone lr", ALICE, acl.ALL),  # not for the owner
    ("owner lr", ALICE, "lr"),
    ("owner lr\nuser=alice@example.test lra", ALICE, "lra"),
    ("-owner x", ALICE, "lrwstipeka"),
    ("owner lr", BOB, ""),
    ("user=bob@example.test :lookup read", BOB, "lr"),
    ("user=bob@example.test l :read,x-vendor", BOB, "lr"),
    ("user=bob@example.test l\nuser=bob@example.test r", BOB, "lr"),
    ("# a comment\n\nanonymous l", BOB, "l"),
    ('"user=bob@example.test" lr', BOB, "lr"),
])  # fmt: skip
def test_who_gets_what(tmp_path: Path, text: str, who: acl.Who, rights: str) -> None:
    (tmp_path / acl.NAME).write_text(text)
    assert acl.rights(str(tmp_path), who) == rights


@pytest.mark.parametrize("line", ["bob lr", "user= lr", "user=bob lQ", '"user=bob lr', "anyone l r", '"a"b l'])
def test_damage_gives_nothing_to_others(tmp_path: Path, line: str) -> None:
    (tmp_path / acl.NAME).write_text(f"anyone lrwstipekxa\n{line}\n")
    lines: list[str] = []
    before, log.sink = log.sink, lines.append
    try:
        assert acl.rights(str(tmp_path), BOB) == ""
        assert acl.rights(str(tmp_path), ALICE) == acl.ALL
        with pytest.raises(Temp):
            acl.change(str(tmp_path), lambda entries: entries)
    finally:
        log.sink = before
    assert lines[0].startswith("acl ")


def test_a_pipe_in_its_place_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / acl.NAME)
    os.mkfifo(tmp_path / metadata.NAME)
    assert acl.rights(str(tmp_path), BOB) == ""
    assert metadata.read(str(tmp_path / metadata.NAME)) == {}


def test_names_of_rights_without_letters_stay(tmp_path: Path) -> None:
    (tmp_path / acl.NAME).write_text("user=bob@example.test l :x-vendor\n")
    acl.change(str(tmp_path), lambda entries: [*entries, acl.Entry("anyone", "l")])
    assert (tmp_path / acl.NAME).read_text() == "anyone l\nuser=bob@example.test l :x-vendor\n"


def test_a_crash_leaves_the_old_rights_or_the_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "sleep", lambda seconds: None)

    def prepare(directory: Path) -> None:
        acl.change(str(directory), lambda _: [acl.Entry("anyone", "l")])

    def scenario(directory: Path) -> None:
        acl.change(str(directory), lambda _: [acl.Entry("user=bob@example.test", "lr")])

    for crash in crashes(tmp_path, scenario, prepare):
        found = acl.rights(str(crash.directory), BOB)
        assert found == "lr" if crash.done else found in ("l", "lr"), crash

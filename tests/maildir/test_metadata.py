"""Annotations in a file: whatever is noted comes back, a change is whole or not at all, and nobody fills the disk."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailkit import clock
from mailkit.maildir import metadata, tree
from tests.harness.crash import crashes

NAMES = st.from_regex(r"\A/(private|shared)/[a-z0-9 .()\\-]{1,20}\Z")
VALUES = st.binary(max_size=40) | st.sampled_from([b"\\n", b"\\", b"a\tb", b"\r\n", b"\\\\r", "Grüße".encode()])


@given(first=st.dictionaries(NAMES, VALUES, max_size=6), second=st.dictionaries(NAMES, VALUES | st.none(), max_size=6))
def test_what_was_set_is_read(first: dict[str, bytes], second: dict[str, bytes | None]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = f"{directory}/file"
        metadata.change(path, first)
        metadata.change(path, second)
        wanted = {name: value for name, value in {**first, **second}.items() if value is not None}
        assert metadata.read(path) == dict(sorted(wanted.items()))
        assert os.listdir(directory) == (["file"] if wanted else [])


def test_the_file_is_text(tmp_path: Path) -> None:
    path = tmp_path / "file"
    metadata.change(str(path), {"/shared/comment": b"two\r\nlines", "/private/comment": "Grüße".encode()})
    assert path.read_text("utf-8") == "/private/comment\tGrüße\n/shared/comment\ttwo\\r\\nlines\n"


def test_lines_by_hand(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"# a note\n\nrubbish\tx\n/Shared/Comment\tby hand\n/shared/comment\ttwice\n\xff\xfe/\tx\n/private/x")
    assert metadata.read(str(path)) == {"/shared/comment": b"by hand"}


def test_no_more_than_there_is_room_for(tmp_path: Path) -> None:
    path = str(tmp_path / "file")
    metadata.change(path, {f"/private/{number}": b"x" for number in range(metadata.ENTRIES_MOST)})
    before = metadata.read(path)
    with pytest.raises(metadata.Full):
        metadata.change(path, {"/private/more": b"x", "/private/0": b"changed"})
    assert metadata.read(path) == before
    metadata.change(path, {"/private/more": b"x", "/private/0": None})
    metadata.change(path, {"/private/0": None, "/private/1": None})
    with pytest.raises(metadata.Full):
        metadata.change(path, {f"/private/{number}": b"\n" * metadata.VALUE_MOST_OCTETS for number in range(9)})


def test_a_crash_leaves_all_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "sleep", lambda seconds: None)
    before, after = {"/shared/a": b"1", "/shared/b": b"1"}, {"/shared/a": b"2", "/shared/b": b"2"}

    def prepare(directory: Path) -> None:
        metadata.change(str(directory / "file"), before)

    def scenario(directory: Path) -> None:
        metadata.change(str(directory / "file"), after)

    for crash in crashes(tmp_path, scenario, prepare):
        found = metadata.read(str(crash.directory / "file"))
        assert found == after if crash.done else found in (before, after), crash


def test_annotations_go_with_their_folder(tmp_path: Path) -> None:
    folders = tree.Tree(str(tmp_path / "m"))
    tree.create(folders.maildir)
    for name in ("INBOX", "Sent"):
        metadata.change(f"{folders.path(name)}/{metadata.NAME}", {"/shared/comment": name.encode()})
    folders.rename("Sent", "Sent before")
    folders.rename("INBOX", "Old")
    noted = {name: metadata.read(f"{folders.path(name)}/{metadata.NAME}") for name in folders.names()}
    assert {name: entries for name, entries in noted.items() if entries} == {
        "Sent before": {"/shared/comment": b"Sent"},
        "INBOX": {"/shared/comment": b"INBOX"},
        "Old": {"/shared/comment": b"INBOX"},
    }

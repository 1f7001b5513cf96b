"""The key of a folder's URLs: the owner's alone, whole or missing."""

from __future__ import annotations

import os
from pathlib import Path

from mailkit.maildir import accesskey
from tests.harness.crash import crashes


def test_key_is_the_owners_alone(tmp_path: Path) -> None:
    os.mkdir(tmp_path / "tmp")
    key = accesskey.ensured(str(tmp_path))
    path = tmp_path / accesskey.NAME
    assert path.stat().st_mode & 0o777 == 0o600
    assert (path.read_text(), accesskey.ensured(str(tmp_path))) == (key.hex() + "\n", key)
    assert os.listdir(tmp_path / "tmp") == []


def test_what_is_no_key_is_replaced(tmp_path: Path) -> None:
    os.mkdir(tmp_path / "tmp")
    for rubbish in ("", "rubbish", "ab" * 31, "é" * 40):
        (tmp_path / accesskey.NAME).write_text(rubbish)
        assert accesskey.read(str(tmp_path)) is None
        assert accesskey.ensured(str(tmp_path)) == accesskey.read(str(tmp_path))
    assert os.listdir(tmp_path / "tmp") == []


def test_key_is_whole_or_missing(tmp_path: Path) -> None:
    def prepare(directory: Path) -> None:
        os.mkdir(directory / "tmp")

    for crash in crashes(tmp_path, lambda directory: accesskey.ensured(str(directory)), prepare):
        path = crash.directory / accesskey.NAME
        assert not path.exists() or len(path.read_text()) == 65
        assert path.exists() or not crash.done

"""mbox files."""

from __future__ import annotations

import contextlib
import mailbox
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailkit.deliver import mbox
from mailkit.exits import Temp
from tests.harness.crash import crashes, refusals

MESSAGE = b"Subject: x\n\nFrom here\n>From there\nbody\n"


def test_a_message_is_appended_with_its_from_line_and_quoting(tmp_path: Path) -> None:
    path = tmp_path / "mbox"
    mbox.append(str(path), "alice@example.net", [MESSAGE])
    lines = path.read_bytes().split(b"\n")
    assert lines[0].startswith(b"From alice@example.net ")
    assert lines[1:] == [b"Subject: x", b"", b">From here", b">>From there", b"body", b"", b""]
    assert os.listdir(tmp_path) == ["mbox"]
    assert path.stat().st_mode & 0o777 == 0o600


@given(st.lists(st.binary(max_size=30), max_size=4), st.integers(1, 7))
def test_python_reads_back_as_many_messages_as_were_written(bodies: list[bytes], piece: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "mbox")
        for body in bodies:
            data = b"Subject: x\n\n" + body
            mbox.append(path, "", [data[at : at + piece] for at in range(0, len(data), piece)])
        with contextlib.closing(mailbox.mbox(path)) as read:
            assert len(read) == len(bodies)


def test_a_null_sender_and_blanks_in_one(tmp_path: Path) -> None:
    path = tmp_path / "mbox"
    mbox.append(str(path), "", [b"a\n"])
    mbox.append(str(path), '"a b"@x', [b"a\n"])
    senders = [line.split()[1] for line in path.read_bytes().splitlines() if line.startswith(b"From ")]
    assert senders == [b"MAILER-DAEMON", b'"a-b"@x']


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with pytest.raises(Temp):
        mbox.append(str(fifo), "", [b"a\n"])
    with pytest.raises(Temp):
        mbox.append(str(tmp_path), "", [b"a\n"])
    with pytest.raises(Temp):
        mbox.append(str(tmp_path / "no" / "where"), "", [b"a\n"])


def test_a_locked_mailbox_is_temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mbox, "_WAIT_S", 0.05)
    path = tmp_path / "mbox"
    path.write_bytes(b"")
    script = "import fcntl,sys;f=open(sys.argv[1],'r+');fcntl.lockf(f,fcntl.LOCK_EX);print(flush=True);sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", script, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as reader:
        assert reader.stdout is not None and reader.stdin is not None
        reader.stdout.readline()
        with pytest.raises(Temp, match="locked"):
            mbox.append(str(path), "", [b"a\n"])
        reader.stdin.close()
    mbox.append(str(path), "", [b"a\n"])


def test_a_failure_in_the_middle_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    def broken() -> object:
        yield MESSAGE * 1000
        raise OSError(28, "No space left on device")

    path = tmp_path / "mbox"
    mbox.append(str(path), "", [MESSAGE])
    before = path.read_bytes()
    with pytest.raises(Temp):
        mbox.append(str(path), "", broken())  # type: ignore[arg-type]
    assert path.read_bytes() == before


def test_a_crash_keeps_what_was_there_before(tmp_path: Path) -> None:
    old = b"From old Mon\n\nold\n\n"

    def prepare(directory: Path) -> None:
        (directory / "mbox").write_bytes(old)

    for crash in crashes(tmp_path, lambda directory: mbox.append(str(directory / "mbox"), "a@b", [MESSAGE]), prepare):
        assert (crash.directory / "mbox").read_bytes().startswith(old), crash


def test_a_first_message_that_was_taken_survives_a_power_failure(tmp_path: Path) -> None:
    for crash in crashes(tmp_path, lambda directory: mbox.append(str(directory / "mbox"), "a@b", [MESSAGE])):
        if crash.done:
            assert (crash.directory / "mbox").read_bytes().endswith(b"\nbody\n\n"), crash


@pytest.mark.parametrize("old", [b"", b"From old Mon\n\nold\n\n"])
def test_a_disk_that_refuses_once_adds_a_whole_message_or_none(old: bytes, tmp_path: Path) -> None:
    def prepare(directory: Path) -> None:
        if old:
            (directory / "mbox").write_bytes(old)

    for directory, refused, error in refusals(
        tmp_path, lambda directory: mbox.append(str(directory / "mbox"), "a@b", [MESSAGE]), prepare
    ):
        found = (directory / "mbox").read_bytes() if (directory / "mbox").exists() else b""
        assert found == old if error else found.startswith(old) and found.endswith(b"\nbody\n\n"), refused
        assert isinstance(error, Temp | None), refused

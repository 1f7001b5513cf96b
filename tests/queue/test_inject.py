"""New entries: durable when commit returns, nothing before."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from mailkit import files
from mailkit.control import Home
from mailkit.exits import Temp
from mailkit.net.blocking import run
from mailkit.queue import inject, listing, name
from mailkit.queue.entry import Envelope, Recipient, decode
from mailkit.queue.inject import Spool
from tests.harness.crash import crashes

MESSAGE = b"Subject: hello\n\nbody\n"


def envelope() -> Envelope:
    return Envelope("alice@example.test", [Recipient("bob@example.test")])


def left(home: Home) -> list[str]:
    return [name for part in inject.DIRECTORIES for name in os.listdir(os.path.join(home.queue, part))]


def test_a_committed_message_is_whole_in_new(home: Home) -> None:
    spool = Spool(home)
    id = spool.begin(envelope())
    spool.write(MESSAGE[:7])
    spool.write(MESSAGE[7:])
    assert run(spool.commit()) == id
    (found,) = listing.entries(home, "new")
    assert (found.id, found.attempts, found.size) == (id, 0, len(MESSAGE))
    data = Path(home.queue, "new", str(found)).read_bytes()
    queued, offset = decode(data)
    assert (queued.sender, data[offset:]) == ("alice@example.test", MESSAGE)
    assert queued.params["arrived"].isdigit()
    assert left(home) == [str(found)]


def test_one_spool_takes_many_messages(home: Home) -> None:
    spool = Spool(home)
    ids = set()
    for i in range(3):
        spool.begin(envelope())
        spool.write(b"%d\n" % i)
        ids.add(run(spool.commit()))
    assert {found.id for found in listing.entries(home, "new")} == ids
    assert len(ids) == 3


def test_a_large_message_is_streamed(home: Home) -> None:
    spool = Spool(home)
    spool.begin(envelope())
    for _ in range(64):
        spool.write(b"x" * 65535 + b"\n")
    assert len(os.listdir(os.path.join(home.queue, "tmp"))) == 1
    run(spool.commit())
    (found,) = listing.entries(home, "new")
    assert found.size == 64 * 65536


def test_an_aborted_message_leaves_nothing(home: Home) -> None:
    spool = Spool(home)
    spool.begin(envelope())
    spool.write(b"x" * 300_000)
    spool.abort()
    spool.begin(envelope())
    spool.abort()
    assert left(home) == []


def test_a_message_without_recipients_is_not_queued(home: Home) -> None:
    with pytest.raises(ValueError, match="recipient"):
        Spool(home).begin(Envelope("a@b", []))


@pytest.mark.parametrize("operation", ["create", "write", "sync", "rename", "sync_dir"])
def test_a_full_disk_is_temporary_and_leaves_nothing(
    home: Home, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    def fault(called: str, *args: Any) -> None:
        if called == operation:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files, "fault", fault)
    spool = Spool(home)
    spool.begin(envelope())
    with pytest.raises(Temp) as raised:
        spool.write(b"x" * 300_000)
        run(spool.commit())
    assert raised.value.code == "4.3.1"
    monkeypatch.setattr(files, "fault", None)
    assert left(home) == []


def test_a_queue_that_may_not_be_written_is_not_said_to_be_full(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def fault(called: str, *args: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(files, "fault", fault)
    spool = Spool(home)
    spool.begin(envelope())
    with pytest.raises(Temp) as raised:
        run(spool.commit())
    assert (raised.value.code, raised.value.text) == ("4.3.0", "the queue cannot be written now")


def test_a_crash_leaves_the_whole_message_or_none(tmp_path: Path) -> None:
    def scenario(directory: Path) -> None:
        spool = Spool(Home(str(directory)))
        spool.begin(envelope())
        spool.write(MESSAGE)
        run(spool.commit())

    for crash in crashes(tmp_path, scenario, lambda directory: inject.prepare(Home(str(directory)))):
        home = Home(str(crash.directory))
        found = list(listing.entries(home, "new"))
        assert len(found) == 1 if crash.done else len(found) <= 1, crash
        for one in found:
            data = Path(home.queue, "new", str(one)).read_bytes()
            assert data.endswith(b"\n\n" + MESSAGE), crash
        assert all(name.parse(text) is None for text in os.listdir(os.path.join(home.queue, "tmp")))

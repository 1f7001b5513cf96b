"""The drop directory: anybody may leave a message, nobody may fool the runner."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from mailkit import clock, files
from mailkit.control import Home
from mailkit.exits import Temp
from mailkit.net.blocking import run
from mailkit.queue import claim, drop, listing
from mailkit.queue.entry import Envelope, Recipient, encode
from tests.harness.crash import crashes, refusals
from tests.queue.homes import prepared

MESSAGE = b"Subject: hello\n\nbody\n"


def envelope() -> Envelope:
    return Envelope("alice@example.test", [Recipient("bob@example.test")])


def left(home: Home) -> list[str]:
    return os.listdir(drop.directory(home))


def test_anybody_may_write_and_nobody_may_list(home: Home) -> None:
    assert os.stat(drop.directory(home)).st_mode & 0o7777 == 0o1733
    assert os.stat(home.queue).st_mode & 0o777 == 0o711


def test_a_dropped_message_is_queued_with_its_owners_uid(home: Home, lines: list[str]) -> None:
    drop.deposit(home, envelope(), [MESSAGE[:5], MESSAGE[5:]])
    assert run(drop.collect(home)) == 1
    assert left(home) == []
    (found,) = listing.entries(home, "new")
    got = claim.claim(home, "new", str(found))
    assert got is not None
    assert got.envelope.sender == "alice@example.test"
    assert got.head.endswith(MESSAGE)
    assert f"from uid {os.getuid()})".encode() in got.head.splitlines()[0]
    assert found.id.encode() in got.head
    got.release()
    assert f"uid={os.getuid()}" in lines[0]


def test_only_what_an_author_may_say_is_taken_over(home: Home) -> None:
    recipient = Recipient("bob@example.test", "D", {"notify": "NEVER", "expanded": "yes", "via": "x@y"})
    drop.deposit(home, Envelope("", [recipient], {"auth": "root@example.test", "ret": "HDRS"}), [MESSAGE])
    run(drop.collect(home))
    (found,) = listing.entries(home, "new")
    got = claim.claim(home, "new", str(found))
    assert got is not None
    assert sorted(got.envelope.params) == ["arrived", "ret"]
    assert got.envelope.recipients[0].params == {"notify": "NEVER"}
    assert got.envelope.recipients[0].status == "T"
    got.release()


@pytest.mark.parametrize("trick", ["link", "symlink", "fifo", "directory", "rubbish", "large"])
def test_tricks_are_refused_and_the_next_message_goes_on(home: Home, lines: list[str], trick: str) -> None:
    secret = Path(home.path, "secret")
    secret.write_bytes(encode(envelope()) + MESSAGE)
    path = Path(drop.directory(home), "abc")
    if trick == "link":
        os.link(secret, path)
    elif trick == "symlink":
        path.symlink_to(secret)
    elif trick == "fifo":
        os.mkfifo(path)
    elif trick == "directory":
        path.mkdir()
    elif trick == "rubbish":
        path.write_bytes(b"\0" * 100)
    else:
        Path(home.path, "control").mkdir()
        Path(home.path, "control", "databytes").write_text("10\n")
        path.write_bytes(encode(envelope()) + MESSAGE)
    assert run(drop.collect(home)) == 0
    assert list(listing.entries(home, "new")) == []
    assert "verdict=removed" in lines[0]
    assert secret.exists()
    Path(home.path, "control", "databytes").unlink(missing_ok=True)
    drop.deposit(home, envelope(), [MESSAGE])
    assert run(drop.collect(home)) == 1


def test_what_is_being_written_is_left_alone_until_it_is_old(home: Home) -> None:
    young, old = Path(drop.directory(home), ".young"), Path(drop.directory(home), ".old")
    young.write_bytes(b"")
    old.write_bytes(b"")
    os.utime(old, (clock.now() - 37 * 3600,) * 2)
    assert run(drop.collect(home)) == 0
    assert left(home) == [".young"]


def test_a_crash_while_leaving_a_message_leaves_it_whole_or_not_at_all(tmp_path: Path) -> None:
    def scenario(directory: Path) -> None:
        drop.deposit(Home(str(directory)), envelope(), [MESSAGE])

    for crash in crashes(tmp_path, scenario, prepared):
        home = Home(str(crash.directory))
        assert run(drop.collect(home)) == len(list(listing.entries(home, "new"))), crash
        assert not crash.done or len(list(listing.entries(home, "new"))) == 1, crash


def test_a_disk_that_refuses_leaves_a_message_or_nothing(tmp_path: Path) -> None:
    for directory, refused, error in refusals(
        tmp_path, lambda directory: drop.deposit(Home(str(directory)), envelope(), [MESSAGE]), prepared
    ):
        assert len(left(Home(str(directory)))) == (0 if error else 1), refused
        assert isinstance(error, Temp | None), refused


def test_a_disk_that_refuses_while_taking_loses_nothing(tmp_path: Path) -> None:
    def prepare(directory: Path) -> None:
        drop.deposit(prepared(directory), envelope(), [MESSAGE])

    def scenario(directory: Path) -> None:
        run(drop.collect(Home(str(directory))))

    for directory, refused, _ in refusals(tmp_path, scenario, prepare):
        home = Home(str(directory))
        run(drop.collect(home))
        assert len(list(listing.entries(home, "new"))) == (2 if refused == "unlink" else 1), refused
        assert left(home) == os.listdir(f"{home.queue}/tmp") == [], refused


def test_who_may_not_list_the_directory_syncs_the_file_under_its_name(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []

    def refused(path: str) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)

    monkeypatch.setattr(files, "sync_dir", refused)
    monkeypatch.setattr(files, "fault", lambda operation, *args: done.append(operation))
    drop.deposit(home, envelope(), [MESSAGE])
    assert done[-2:] == ["rename", "sync"]


def test_a_name_that_cannot_be_made_durable_is_taken_back(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def sick(path: str) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO), path)

    monkeypatch.setattr(files, "sync_dir", sick)
    with pytest.raises(Temp):
        drop.deposit(home, envelope(), [MESSAGE])
    assert left(home) == []


def test_a_file_that_cannot_be_read_waits_and_holds_up_no_other(
    home: Home, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sick = drop.deposit(home, envelope(), [b"Subject: sick\n\n", b"x" * (300 << 10)])
    drop.deposit(home, envelope(), [MESSAGE])
    inode, read = os.stat(Path(drop.directory(home), sick)).st_ino, os.pread

    def refused(fd: int, octets: int, at: int) -> bytes:
        if at and os.fstat(fd).st_ino == inode:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return read(fd, octets, at)

    monkeypatch.setattr(os, "pread", refused)
    assert run(drop.collect(home)) == 1
    assert left(home) == [sick]
    assert os.listdir(f"{home.queue}/tmp") == []
    assert [line for line in lines if "waits" in line] == [f'drop file={sick} error="Input/output error" verdict=waits']
    monkeypatch.undo()
    assert run(drop.collect(home)) == 1


@pytest.mark.parametrize(
    "smuggled",
    [
        Envelope("a@b>\r\nRCPT TO:<x@y", [Recipient("bob@example.test")]),
        Envelope("a@b", [Recipient("bob@example.test>\nDATA")]),
        Envelope("a@b", [Recipient("bob@example.test", params={"notify": "NEVER\r\nRSET"})]),
        Envelope("a@b", [Recipient("bob@example.test")], {"ret": "HDRS\r\nRSET"}),
        Envelope("a@b", [Recipient("bob@example.test")], {"envid": "x\r\nRSET"}),
        Envelope("a@b", [Recipient("bob@example.test")], {"body": "8BITMIME SIZE=1"}),
    ],
    ids=lambda envelope: repr(envelope.sender + str(envelope.recipients) + str(envelope.params)),
)
def test_nobody_smuggles_a_command_through_an_envelope(home: Home, lines: list[str], smuggled: Envelope) -> None:
    drop.deposit(home, smuggled, [MESSAGE])
    assert run(drop.collect(home)) == 0
    assert left(home) == []
    assert "verdict=removed" in lines[0]


def test_a_crash_while_taking_loses_nothing(tmp_path: Path) -> None:
    def prepare(directory: Path) -> None:
        drop.deposit(prepared(directory), envelope(), [MESSAGE])

    def scenario(directory: Path) -> None:
        run(drop.collect(Home(str(directory))))

    for crash in crashes(tmp_path, scenario, prepare):
        home = Home(str(crash.directory))
        run(drop.collect(home))
        found = list(listing.entries(home, "new"))
        assert len(found) == 1 or (len(found) == 2 and crash.operation in ("sync_dir", "unlink")), crash
        assert left(home) == [], crash

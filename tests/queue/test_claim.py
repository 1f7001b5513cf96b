"""Claims: one worker at a time, nothing lost or repeated, hands welcome."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from mailkit import files
from mailkit.control import Home
from mailkit.net.blocking import run
from mailkit.queue import claim, inject, listing
from mailkit.queue.claim import Claim
from mailkit.queue.entry import DONE, FAILED, Envelope, Recipient, read_note
from mailkit.queue.inject import Spool
from mailkit.queue.name import Name
from tests.harness.crash import crashes

MESSAGE = b"Subject: hello\n\nbody\n"
ADDRESSES = ("bob@example.test", "carol@example.test", "dave@example.net")


def queued(home: Home, *addresses: str) -> Name:
    spool = Spool(home)
    spool.begin(Envelope("alice@example.test", [Recipient(address) for address in addresses or ADDRESSES]))
    spool.write(MESSAGE)
    run(spool.commit())
    (found,) = listing.entries(home, "new")
    return found


def claimed(home: Home, found: Name, directory: str = "new") -> Claim:
    got = claim.claim(home, directory, str(found))
    assert got is not None
    return got


def everything(home: Home) -> dict[str, list[str]]:
    found = {part: os.listdir(os.path.join(home.queue, part)) for part in inject.DIRECTORIES}
    return {part: names for part, names in found.items() if names}


def test_a_claim_reads_envelope_and_message(home: Home) -> None:
    got = claimed(home, queued(home))
    assert [recipient.address for recipient in got.envelope.pending] == list(ADDRESSES)
    assert os.pread(got.fd, 1000, got.offset) == MESSAGE == got.head
    got.release()


def test_an_envelope_larger_than_one_read(home: Home) -> None:
    many = [f"user{i}@example.test" for i in range(5000)]
    got = claimed(home, queued(home, *many))
    assert [recipient.address for recipient in got.envelope.recipients] == many
    assert os.pread(got.fd, 1000, got.offset) == MESSAGE
    got.release()


def test_only_one_has_the_lock(home: Home) -> None:
    found = queued(home)
    got = claimed(home, found)
    with pytest.raises(claim.Busy):
        claim.claim(home, "new", str(found))
    got.release()
    claimed(home, found).release()


def test_a_name_that_is_gone_or_not_ours_is_nothing(home: Home) -> None:
    assert claim.claim(home, "new", "1.0.abc,S=3") is None
    Path(home.queue, "new", ".hidden").write_text("x")
    assert claim.claim(home, "new", ".hidden") is None


def test_a_finished_entry_is_not_claimed_by_who_opened_it_before(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    found = queued(home)
    first = claimed(home, found)
    lock = files.lock

    def late(fd: int, wait_s: float = 0) -> bool:
        first.finish()  # the other runner ends between our open and our lock
        return lock(fd, wait_s)

    monkeypatch.setattr(files, "lock", late)
    assert claim.claim(home, "new", str(found)) is None


def test_marks_are_seen_by_the_next(home: Home) -> None:
    found = queued(home)
    got = claimed(home, found)
    got.mark(got.envelope.recipients[:1], DONE)
    got.mark(got.envelope.recipients[2:], FAILED)
    got.note("carol@example.test: 450 4.2.1 later")
    got.release()
    again = claimed(home, found)
    assert [recipient.status for recipient in again.envelope.recipients] == ["D", "T", "F"]
    assert [recipient.address for recipient in again.envelope.pending] == ["carol@example.test"]
    assert read_note(os.pread(again.fd, 4096, 0)) == "carol@example.test: 450 4.2.1 later"
    assert again.head == MESSAGE
    again.release()


def test_defer_moves_to_cur_with_the_new_time(home: Home) -> None:
    got = claimed(home, queued(home))
    assert got.defer(2_000_000_000.7, 3)
    (found,) = listing.entries(home, "cur")
    assert (found.due, found.attempts, found.id) == (2_000_000_000, 3, got.name.id)
    assert list(everything(home)) == ["cur"]
    claimed(home, found, "cur").release()


def test_finish_removes(home: Home) -> None:
    assert claimed(home, queued(home)).finish()
    assert everything(home) == {}


@pytest.mark.parametrize("step", ["finish", "defer"])
def test_what_hands_moved_stays_where_they_put_it(home: Home, step: str) -> None:
    found = queued(home)
    got = claimed(home, found)
    held = Path(home.queue, "hold", str(found))
    os.rename(got.path, held)
    got.mark(got.envelope.recipients[:2], DONE)
    assert (got.finish() if step == "finish" else got.defer(2_000_000_000, 1)) is False
    assert everything(home) == {"hold": [str(found)]}
    again = claimed(home, found, "hold")
    assert [recipient.status for recipient in again.envelope.recipients] == ["D", "D", "T"]
    again.release()


def test_what_hands_removed_stays_removed(home: Home) -> None:
    got = claimed(home, queued(home))
    os.unlink(got.path)
    assert got.defer(2_000_000_000, 1) is False
    assert everything(home) == {}


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda data: data[:-3], "the name says"),
        (lambda data: data + b"x", "the name says"),
        (lambda data: b"", "does not end"),
        (lambda data: data[:60], "does not end"),
        (lambda data: b"\0" * len(data), "line 1"),
        (lambda data: data.replace(b"from <", b"fro"), "line 3"),
        (lambda data: data.replace(b"\nT <", b"\nQ <"), "unknown status"),
    ],
)
def test_a_damaged_entry_is_set_aside_and_named(home: Home, lines: list[str], damage: Any, said: str) -> None:
    found = queued(home)
    path = Path(home.queue, "new", str(found))
    damaged = damage(path.read_bytes())
    path.write_bytes(damaged)
    assert claim.claim(home, "new", str(found)) is None
    assert everything(home) == {"failed": [str(found)]}
    assert Path(home.queue, "failed", str(found)).read_bytes() == damaged
    assert len(lines) == 1
    assert f"damaged file=new/{found}" in lines[0]
    assert said in lines[0]


def test_a_disk_that_refuses_a_mark_does_not_stop_the_work(
    home: Home, monkeypatch: pytest.MonkeyPatch, lines: list[str]
) -> None:
    got = claimed(home, queued(home))

    def fault(called: str, *args: Any) -> None:
        if called == "overwrite":
            raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(files, "fault", fault)
    got.mark(got.envelope.recipients, DONE)
    assert got.envelope.pending == []
    assert got.finish()
    assert "Input/output error" in lines[0]


def test_crashes_lose_nothing_and_repeat_only_what_was_in_flight(tmp_path: Path) -> None:
    """Two recipients are delivered one after the other, the third is put off. Whatever the step of death: the entry is
    there with exactly the deliveries marked that were reported, but for the one that was being marked."""
    reported: list[str] = []

    def prepare(directory: Path) -> None:
        reported.clear()
        home = Home(str(directory))
        inject.prepare(home)
        queued(home)

    def scenario(directory: Path) -> None:
        home = Home(str(directory))
        (found,) = listing.entries(home, "new")
        got = claimed(home, found)
        for recipient in got.envelope.pending[:2]:
            got.mark([recipient], DONE)
            reported.append(recipient.address)
        got.sync()
        got.defer(2_000_000_000, 1)

    for crash in crashes(tmp_path, scenario, prepare):
        home = Home(str(crash.directory))
        where = everything(home)
        assert sorted(where) in (["new"], ["cur"]), crash
        ((directory, (text,)),) = where.items()
        got = claim.claim(home, directory, text)
        assert got is not None, crash
        done = [recipient.address for recipient in got.envelope.recipients if recipient.status == DONE]
        assert done == reported, crash
        assert got.head == MESSAGE
        got.release()


def test_a_crash_while_finishing_leaves_the_marked_entry_or_nothing(tmp_path: Path) -> None:
    def prepare(directory: Path) -> None:
        home = Home(str(directory))
        inject.prepare(home)
        queued(home)

    def scenario(directory: Path) -> None:
        home = Home(str(directory))
        (found,) = listing.entries(home, "new")
        got = claimed(home, found)
        got.mark(got.envelope.pending, DONE)
        got.finish()

    for crash in crashes(tmp_path, scenario, prepare):
        home = Home(str(crash.directory))
        assert everything(home) == {} or list(everything(home)) == ["new"], crash
        if crash.done and crash.variant == "kill":
            assert everything(home) == {}


def test_a_crash_while_setting_aside_keeps_the_damaged_entry(tmp_path: Path) -> None:
    def prepare(directory: Path) -> None:
        home = Home(str(directory))
        inject.prepare(home)
        Path(home.queue, "new", "1.0.abc,S=5").write_bytes(b"rubbish")

    def scenario(directory: Path) -> None:
        assert claim.claim(Home(str(directory)), "new", "1.0.abc,S=5") is None

    for crash in crashes(tmp_path, scenario, prepare):
        where = everything(Home(str(crash.directory)))
        assert list(where.values()) == [["1.0.abc,S=5"]], crash
        assert list(where) == ["failed"] or not crash.done


def test_find_looks_everywhere(home: Home) -> None:
    found = queued(home)
    where = listing.find(home, found.id)
    assert where is not None and where[0] == "new"
    os.rename(os.path.join(home.queue, "new", str(found)), os.path.join(home.queue, "hold", str(found)))
    where = listing.find(home, found.id)
    assert where is not None and where[0] == "hold"
    assert listing.find(home, "nobody") is None


def test_a_late_mark_is_written_when_the_entry_was_moved_meanwhile(home: Home) -> None:
    found = queued(home, "bob@example.test")
    got = claimed(home, found)
    os.rename(got.path, os.path.join(home.queue, "hold", str(found)))
    got.mark(got.envelope.recipients, DONE, late=True)
    assert got.finish() is False
    again = claimed(home, found, "hold")
    assert again.envelope.pending == []
    again.release()

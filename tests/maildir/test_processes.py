"""Real processes on one folder at the same time: nobody is told a UID that another message has, nothing is lost."""

from __future__ import annotations

import json
import os
import random
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from mailkit import clock
from mailkit.maildir import index, marks, names, uidlist
from mailkit.maildir.save import Delivery
from mailkit.net import blocking
from tests.maildir import boxes

TURNS = 40


def in_children(*works: Callable[[], None]) -> None:
    """Run each in a process of its own; all must end well."""
    children = []
    for work in works:
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                work()
                code = 0
            except BaseException:
                traceback.print_exc()
                sys.stderr.flush()
            os._exit(code)
        children.append(pid)
    assert [os.waitpid(pid, 0)[1] for pid in children] == [0] * len(children)


def writer(directory: str, seed: int, report: Path) -> None:
    """A server process: appends, flags, expunges what it appended, reads; notes what it was told."""
    chance = random.Random(seed)
    folder = boxes.alone(directory)
    folder.view()
    told: dict[int, str] = {}
    mine: list[int] = []
    for turn in range(TURNS):
        text = f"Subject: {seed}-{turn}\n\n"
        delivery = Delivery(directory)
        delivery.write(text.encode())
        (uid,) = blocking.run(folder.append([(delivery, marks.SEEN, None)]))
        told[uid] = text
        mine.append(uid)
        folder.store(chance.sample(mine, min(3, len(mine))), add=marks.FLAGGED)
        if turn % 4 == 3:
            folder.expunge([mine.pop(chance.randrange(len(mine)))])
        folder.sync()
        list(folder.parts(folder.table, range(len(folder.table)), (0, 7), boxes.build))
    report.write_text(json.dumps({"told": told, "kept": mine}))


def deliverer(directory: str) -> None:
    """Deliveries, and a user who flags messages with another program."""
    chance = random.Random(0)
    for turn in range(TURNS):
        Path(directory, "new", names.unique()).write_bytes(b"Subject: other %d\n\n" % turn)
        found = sorted(os.listdir(f"{directory}/cur"))
        if found:
            name = chance.choice(found)
            try:
                os.rename(f"{directory}/cur/{name}", f"{directory}/cur/{name.partition(':')[0]}:2,RS")
            except FileNotFoundError:
                continue


@pytest.mark.parametrize("small", [False, True])
def test_three_processes_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small: bool) -> None:
    monkeypatch.setattr(os, "fsync", lambda fd: None)
    if small:
        monkeypatch.setattr(index, "_REPLAY", 100)
        monkeypatch.setattr(index, "_SMALL_LOG", 3000)
    directory = boxes.make(tmp_path / "m")
    reports = [tmp_path / "1", tmp_path / "2"]
    in_children(
        lambda: writer(directory, 1, reports[0]),
        lambda: writer(directory, 2, reports[1]),
        lambda: deliverer(directory),
    )
    minute_ns = 60_000_000_000
    monkeypatch.setattr(clock, "now_ns", lambda: time.time_ns() + minute_ns)  # what came in one tick is seen after it
    folder = boxes.alone(directory)
    folder.view()
    texts = {uid: folder.read(uid).decode() for uid in folder.table.uids}
    kept = set()
    for path in reports:
        report = json.loads(path.read_text())
        for uid, text in report["told"].items():
            assert texts.get(int(uid), text) == text
        kept |= set(report["kept"])
    assert kept <= texts.keys()
    assert len(texts) == len(set(texts.values())) == len(kept) + TURNS
    assert sorted(folder.row_path(row) for row in range(len(folder.table))) == sorted(
        f"{directory}/cur/{name}" for name in os.listdir(f"{directory}/cur")
    )
    read = uidlist.read(directory)
    assert read is not None
    assert read[0].sound
    assert sorted(os.listdir(f"{directory}/tmp")) == sorted(os.listdir(f"{directory}/new")) == []

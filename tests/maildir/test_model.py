"""Random things happen to a folder, through two processes of ours and by other programs; a simple model says what must hold.

The model knows each message by its text: a UID is bound to one text for ever, UIDs rise, whoever has synchronised knows
exactly the files that are there with the flags in their names, and a session's numbers follow from what it was told.
"""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailkit.maildir import index, marks, names
from mailkit.maildir.folder import Folder
from mailkit.maildir.view import View
from mailkit.net import blocking
from tests.maildir import boxes


class World:
    """The directory, two of our processes with one session each, and what was ever said about UIDs."""

    def __init__(self, directory: str, seed: int) -> None:
        self.directory = directory
        self.chance = random.Random(seed)
        self.folders = [boxes.alone(directory) for _ in range(2)]
        self.views = [folder.view(readonly=n == 1) for n, folder in enumerate(self.folders)]
        self.shown = [list(view.uids) for view in self.views]
        self.told: dict[int, bytes] = {}
        self.highest = 0
        self.modseq = 0
        self.made = 0
        self.aside: list[str] = []

    def text(self) -> bytes:
        self.made += 1
        return b"Subject: %d\n\n" % self.made

    def some_file(self) -> str | None:
        found = [f"{self.directory}/cur/{name}" for name in os.listdir(f"{self.directory}/cur")]
        return self.chance.choice(sorted(found)) if found else None

    # others

    def others_deliver(self) -> None:
        Path(self.directory, self.chance.choice(["new", "cur"]), names.unique()).write_bytes(self.text())

    def others_flag(self) -> None:
        path = self.some_file()
        if path:
            letters = "".join(self.chance.sample("DFPRSTab", 3))
            os.rename(path, path.partition(":")[0] + ":2," + letters)

    def others_remove(self) -> None:
        path = self.some_file()
        if path:
            os.unlink(path)

    def others_take_aside(self) -> None:
        path = self.some_file()
        if path:
            os.rename(path, f"{self.directory}/tmp/{os.path.basename(path)}")
            self.aside.append(os.path.basename(path))

    def others_bring_back(self) -> None:
        if self.aside:
            name = self.aside.pop()
            os.rename(f"{self.directory}/tmp/{name}", f"{self.directory}/cur/{name}")

    def others_move_to_new(self) -> None:
        path = self.some_file()
        if path:
            os.rename(path, f"{self.directory}/new/{os.path.basename(path).partition(':')[0]}")

    def others_read_new(self) -> None:
        for name in os.listdir(f"{self.directory}/new")[:2]:
            os.rename(f"{self.directory}/new/{name}", f"{self.directory}/cur/{name.partition(':')[0]}:2,S")

    def others_damage(self) -> None:
        name = self.chance.choice(["mailkit-log", "mailkit-index"])
        path = Path(self.directory, name)
        if path.exists():
            data = path.read_bytes()
            at = self.chance.randrange(len(data) + 1)
            path.write_bytes(data[:at] + bytes(9) + data[at + 9 :])

    def others_delete_cache(self) -> None:
        Path(self.directory, self.chance.choice(["mailkit-log", "mailkit-index"])).unlink(missing_ok=True)

    # we

    def us(self) -> Folder:
        return self.chance.choice(self.folders)

    def some_uids(self, folder: Folder) -> list[int]:
        uids = list(folder.table.uids)
        return self.chance.sample(uids, min(len(uids), self.chance.randrange(1, 4)))

    def we_store(self) -> None:
        folder = self.us()
        add, remove = self.chance.choice([(marks.SEEN, 0), (marks.FLAGGED, ~marks.FLAGGED), (0, marks.SEEN)])
        folder.store(self.some_uids(folder), add=add, remove=remove)

    def we_expunge(self) -> None:
        folder = self.us()
        folder.expunge(self.some_uids(folder))

    def we_append(self) -> None:
        from mailkit.maildir.save import Delivery

        folder = self.us()
        delivery = Delivery(self.directory)
        text = self.text()
        delivery.write(text)
        (uid,) = blocking.run(folder.append([(delivery, marks.SEEN, None)]))
        self.say(folder, uid, text)

    def we_copy(self) -> None:
        folder = self.us()
        try:
            blocking.run(folder.copy(self.some_uids(folder), folder))
        except FileNotFoundError:
            return

    def we_read_pieces(self) -> None:
        folder = self.us()
        found = folder.parts(folder.table, range(len(folder.table)), (7,), boxes.build)
        for uid, piece in zip(list(folder.table.uids), found, strict=False):
            assert piece is None or self.told.get(uid, piece) == piece

    def we_open_anew(self) -> None:
        which = self.chance.randrange(2)
        self.folders[which] = boxes.alone(self.directory)
        self.views[which] = self.folders[which].view(readonly=which == 1)
        self.shown[which] = list(self.views[which].uids)

    # what must hold

    def say(self, folder: Folder, uid: int, text: bytes) -> None:
        assert self.told.setdefault(uid, text) == text, "a UID was given to another message"

    def check(self) -> None:
        for folder in self.folders * 2:
            folder.sync()
        for which, folder in enumerate(self.folders):
            self.check_files(folder)
            self.check_view(which, self.views[which])
        assert list(self.folders[0].table.uids) == list(self.folders[1].table.uids)

    def check_files(self, folder: Folder) -> None:
        table = folder.table
        assert list(table.uids) == sorted(set(table.uids))
        expected = sorted(folder.row_path(row) for row in range(len(table)))
        there = [f"{self.directory}/cur/{name}" for name in os.listdir(f"{self.directory}/cur")]
        there += [f"{self.directory}/new/{name}" for name in os.listdir(f"{self.directory}/new")]
        assert expected == sorted(there)
        for row, uid in enumerate(table.uids):
            self.say(folder, uid, folder.read(uid))
            _, letters = names.parse(os.path.basename(folder.row_path(row)))
            assert table.marks[row] == marks.READING[b":2," + letters.encode()][0]
        new = [uid for uid in table.uids if uid > self.highest]
        self.highest = max([self.highest, *new])
        assert folder.uidnext > self.highest
        assert folder.highestmodseq >= self.modseq
        self.modseq = folder.highestmodseq

    def check_view(self, which: int, view: View) -> None:
        shown = self.shown[which]
        changes = view.changes(expunges=self.chance.random() < 0.7)
        for number in changes.sequence:
            del shown[number - 1]
        assert changes.exists is None or changes.exists > len(shown)
        if changes.exists is not None:
            shown += list(view.uids[len(shown) : changes.exists])
        assert view.valid
        assert shown == list(view.uids[: view.count])
        table, rows = view.rows(1, view.count)
        for uid, row in zip(shown, rows, strict=True):
            assert row == -1 or table.uids[row] == uid
        assert [shown[number - 1] for number, _ in changes.changed] == [uid for _, uid in changes.changed]


ACTIONS = [name for name in vars(World) if name.startswith(("we_", "others_"))]


@settings(max_examples=60)
@given(st.integers(0, 2**32), st.lists(st.sampled_from(ACTIONS), max_size=30))
def test_whatever_happens_the_promises_hold(tmp_path: Path, seed: int, actions: list[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda fd: None)
        patch.setattr(index, "_REPLAY", 20)
        patch.setattr(index, "_SMALL_LOG", 800)
        directory = boxes.make(tmp_path / "m")
        world = World(directory, seed)
        for action in actions:
            getattr(world, action)()
            if world.chance.random() < 0.6:
                world.check()
        world.check()
    shutil.rmtree(directory)

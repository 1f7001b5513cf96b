"""Folders as names and directories; subscriptions and special uses as Dovecot and the RFCs have them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailkit.exits import Perm
from mailkit.maildir import folder, subscriptions, tree, uidlist
from mailkit.maildir.tree import Tree
from tests.harness.crash import crashes
from tests.maildir import boxes


@pytest.fixture
def root(tmp_path: Path) -> Tree:
    return Tree(boxes.make(tmp_path / "Maildir"))


def test_new_maildir_has_the_standard_folders_subscribed(tmp_path: Path) -> None:
    for _ in range(2):
        tree.create(str(tmp_path / "m"))
    found = Tree(str(tmp_path / "m"))
    assert found.names() == ["INBOX", "Archive", "Drafts", "Junk", "Sent", "Trash"]
    assert found.subscriptions() == set(found.names())
    assert found.special()["Sent"] == "\\Sent"
    assert os.stat(tmp_path / "m/.Sent/cur").st_mode & 0o777 == 0o700


def test_names_on_disk_are_dovecots(root: Tree) -> None:
    root.create("Lists/Ünï & co")
    assert os.path.isdir(f"{root.maildir}/.Lists.&ANw-n&AO8- &- co/cur")
    assert root.names() == ["INBOX", "Lists/Ünï & co"]
    assert not root.exists("Lists")


def test_inbox_is_the_maildir_in_any_case(root: Tree) -> None:
    assert root.path("inbox") == root.path("INBOX") == root.maildir
    assert root.path("inbox/Sub") == f"{root.maildir}/.INBOX.Sub"
    assert root.exists("Inbox")


@pytest.mark.parametrize(
    "name",
    ["", "/", "a//b", "/a", "a/", "a.b", "..", ".", "a/../b", "a\0b", "a\nb", "a\x7f", "a*", "50%", "\ud800", "x" * 300,
     "/".join("abcdefghijklmnopqrstuvwxyzabcdefghijk")],
)  # fmt: skip
def test_names_that_cannot_be_are_refused(root: Tree, name: str) -> None:
    with pytest.raises(ValueError, match=r"\w+ \w+"):
        root.create(name)
    assert os.listdir(os.path.dirname(root.maildir)) == ["Maildir"]
    assert sorted(os.listdir(root.maildir)) == ["cur", "new", "tmp"]


@given(st.text(max_size=40))
def test_a_name_is_refused_or_comes_back(tmp_path: Path, name: str) -> None:
    root = Tree(boxes.make(tmp_path / "any"))
    before = root.names()
    try:
        root.create(name)
    except ValueError:
        assert root.names() == before
        return
    except FileExistsError:
        return
    assert tree.canonical(name) in root.names()
    assert root.exists(name)
    assert os.path.dirname(root.path(name)) in (root.maildir, os.path.dirname(root.maildir))


@given(st.binary(min_size=1, max_size=30).filter(lambda octets: b"/" not in octets and b"\0" not in octets))
def test_any_directory_of_others_is_found_under_its_name(tmp_path: Path, octets: bytes) -> None:
    root = Tree(boxes.make(tmp_path / "disk"))
    directory = os.fsencode(root.maildir) + b"/." + octets
    if octets.startswith(b".") or b"" in octets.split(b"."):
        return
    os.makedirs(directory + b"/cur", exist_ok=True)
    names = [name for name in root.names() if os.fsencode(root.path(name)) == directory]
    assert len(names) == 1 or octets.split(b".")[0].upper() == b"INBOX"


def test_what_is_no_folder_is_not_listed(root: Tree) -> None:
    for name in (".x", "..", ".a..b/cur", ".file", "Sent/cur"):
        os.makedirs(f"{root.maildir}/{name}", exist_ok=True)
    assert root.names() == ["INBOX"]


def test_create_twice(root: Tree) -> None:
    root.create("A")
    for name in ("A", "inbox"):
        with pytest.raises(FileExistsError):
            root.create(name)


def test_delete_takes_the_folder_and_leaves_those_below(root: Tree) -> None:
    root.create("A")
    root.create("A/B")
    boxes.deliver(root.path("A"), 2)
    root.delete("A")
    assert root.names() == ["INBOX", "A/B"]
    assert os.listdir(f"{root.maildir}/tmp") == []
    with pytest.raises(FileNotFoundError):
        root.delete("A")
    with pytest.raises(ValueError, match="INBOX"):
        root.delete("inbox")


def test_a_folder_of_a_name_that_became_free_has_another_uidvalidity(root: Tree) -> None:
    root.create("A/B")
    before = folder.status(root.path("A/B")).uidvalidity
    root.rename("A", "C")
    root.create("A/B")
    assert folder.status(root.path("A/B")).uidvalidity > before
    assert folder.status(root.path("C/B")).uidvalidity == before


def test_a_folder_of_a_deleted_name_has_another_uidvalidity(root: Tree) -> None:
    seen = set()
    for _ in range(3):
        root.create("A")
        seen.add(folder.status(root.path("A")).uidvalidity)
        root.delete("A")
    assert len(seen) == 3
    assert sorted(os.listdir(root.maildir))[1:3] == ["dovecot-uidvalidity", f"dovecot-uidvalidity.{max(seen):08x}"]


def test_a_use_that_was_set_goes_with_the_folder(root: Tree) -> None:
    root.create("A/B")
    root.set_special("A/B", "\\Archive")
    root.rename("A", "C")
    assert root.special() == {"C/B": "\\Archive"}
    root.delete("C/B")
    root.create("C/B")
    assert root.special() == {}


def test_rename_takes_what_is_below(root: Tree) -> None:
    for name in ("A", "A/B", "A/B/C", "AB"):
        root.create(name)
    boxes.deliver(root.path("A/B"))
    before = folder.status(root.path("A/B"))
    root.rename("A", "X/Y")
    assert root.names() == ["INBOX", "AB", "X/Y", "X/Y/B", "X/Y/B/C"]
    assert folder.status(root.path("X/Y/B")).uidvalidity == before.uidvalidity


def test_renames_that_cannot_be(root: Tree) -> None:
    for name in ("A", "A/B", "C", "D", "D/B"):
        root.create(name)
    for old, new, error in (
        ("A", "C", FileExistsError),
        ("A", "A/B/C", ValueError),
        ("nothing", "E", FileNotFoundError),
        ("A", "a.b", ValueError),
        ("A", "x" * 253, ValueError),
    ):
        with pytest.raises(error):
            root.rename(old, new)
    assert root.names() == ["INBOX", "A", "A/B", "C", "D", "D/B"]


def test_renaming_inbox_empties_it(root: Tree) -> None:
    boxes.deliver(root.maildir, 3)
    root.create("INBOX/Below")
    root.rename("INBOX", "Old")
    assert root.names() == ["INBOX", "INBOX/Below", "Old"]
    assert folder.status(root.maildir).messages == 0
    assert folder.status(root.path("Old")).messages == 3


def test_subscriptions_are_dovecots_version_2(root: Tree) -> None:
    root.subscribe("Lists/Ünï")
    root.subscribe("inbox")
    root.subscribe("Gone\tTab".replace("\t", ""))
    root.unsubscribe("GoneTab")
    assert Path(root.maildir, "subscriptions").read_bytes() == b"V\t2\n\nLists\t&ANw-n&AO8-\nINBOX\n"
    assert root.subscriptions() == {"Lists/Ünï", "INBOX"}


def test_a_version_1_file_stays_one(root: Tree) -> None:
    path = Path(root.maildir, "subscriptions")
    path.write_bytes(b"INBOX\nLists.Foo\n")
    assert root.subscriptions() == {"INBOX", "Lists/Foo"}
    root.subscribe("A/B")
    root.subscribe("A/B")
    root.unsubscribe("INBOX")
    assert path.read_bytes() == b"Lists.Foo\nA.B\n"


def test_couriers_subscriptions_are_taken_over(root: Tree) -> None:
    Path(root.maildir, "courierimapsubscribed").write_bytes(b"INBOX\nINBOX.Sent\nINBOX.A.B\n")
    assert root.subscriptions() == {"INBOX", "Sent", "A/B"}
    root.subscribe("C")
    assert root.subscriptions() == {"INBOX", "Sent", "A/B", "C"}


@given(st.binary(max_size=80))
def test_any_subscriptions_file_is_read(tmp_path: Path, octets: bytes) -> None:
    for data in (octets, b"V\t2\n\n" + octets):
        (tmp_path / "subscriptions").write_bytes(data)
        found = subscriptions.read(str(tmp_path))
        subscriptions.change(str(tmp_path), "Mine", True)
        assert subscriptions.read(str(tmp_path)) == found | {"Mine"}


def test_a_crash_keeps_the_old_subscriptions_or_the_new(tmp_path: Path) -> None:
    def prepare(directory: Path) -> None:
        (directory / "subscriptions").write_bytes(b"V\t2\n\nA\n")

    for crash in crashes(tmp_path, lambda directory: subscriptions.change(str(directory), "B", True), prepare):
        expected = [{"A", "B"}] if crash.done else [{"A"}, {"A", "B"}]
        assert subscriptions.read(str(crash.directory)) in expected


def test_a_crash_keeps_a_deleted_folder_whole_or_takes_it(tmp_path: Path) -> None:
    def prepare(directory: Path) -> None:
        root = Tree(boxes.make(directory))
        root.create("A")
        boxes.deliver(root.path("A"), 2)
        boxes.alone(root.path("A")).sync()

    for crash in crashes(tmp_path, lambda directory: Tree(str(directory)).delete("A"), prepare):
        root = Tree(str(crash.directory))
        if root.exists("A"):
            assert len(boxes.files_in(root.path("A"))) == 2
            assert not crash.done


def test_special_uses_by_name_and_as_set(root: Tree) -> None:
    for name in ("Sent Items", "spam", "Papierkorb", "Work"):
        root.create(name)
    assert root.special() == {"Sent Items": "\\Sent", "spam": "\\Junk"}
    root.set_special("Papierkorb", "\\Trash")
    root.set_special("Work", "\\Junk")
    assert root.special() == {"Sent Items": "\\Sent", "Papierkorb": "\\Trash", "Work": "\\Junk"}
    assert Path(root.maildir, "mailkit-special").read_bytes() == b"\\Trash Papierkorb\n\\Junk Work\n"
    root.set_special("Work", "")
    assert root.special()["spam"] == "\\Junk"
    with pytest.raises(ValueError, match="no such"):
        root.set_special("Work", "\\Nonsense")


def test_a_folder_made_again_does_not_know_the_old_list(root: Tree) -> None:
    root.create("A")
    boxes.deliver(root.path("A"))
    opened = folder.open(root.path("A"))
    opened.sync()
    root.delete("A")
    root.create("A")
    again = folder.open(root.path("A"))
    again.sync()
    assert len(again.table) == 0
    assert uidlist.read(root.path("A")) is not None
    opened.close()
    again.close()


def test_subscriptions_without_end_are_refused_and_none_is_lost(root: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    root.subscribe("a")
    monkeypatch.setattr(subscriptions, "_MOST_OCTETS", 10)
    root.subscribe("b")
    with pytest.raises(Perm):
        root.subscribe("c" * 20)
    root.unsubscribe("a")
    root.subscribe("d")
    assert root.subscriptions() == {"b", "d"}

"""Delivery: whole or not at all, sizes right, nothing left behind."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailkit import clock, files
from mailkit.maildir import names, save
from mailkit.net import blocking
from tests.harness.crash import crashes
from tests.maildir import boxes


def commit(delivery: save.Delivery, *args: object, **kwargs: object) -> str:
    return blocking.run(delivery.commit(*args, **kwargs))  # type: ignore[arg-type]


def test_message_arrives_in_new_with_its_sizes(tmp_path: Path) -> None:
    delivery = save.Delivery(str(tmp_path / "Maildir"))
    delivery.write(b"Subject: x\n\none\r\n")
    path = commit(delivery)
    assert os.path.dirname(path) == str(tmp_path / "Maildir/new")
    assert names.sizes(os.path.basename(path)) == (17, 19)
    assert Path(path).read_bytes() == b"Subject: x\n\none\r\n"
    assert os.listdir(tmp_path / "Maildir/tmp") == []
    assert os.stat(path).st_mode & 0o777 == 0o600


def test_flags_and_internaldate_go_to_cur(tmp_path: Path) -> None:
    delivery = save.Delivery(str(tmp_path))
    delivery.write(b"x\n")
    path = commit(delivery, flags="SF", internaldate=1_000_000_000)
    assert path.startswith(f"{tmp_path}/cur/")
    assert path.endswith(":2,FS")
    assert os.stat(path).st_mtime == 1_000_000_000


def test_keywords_get_letters_of_the_folder(tmp_path: Path) -> None:
    for expected in (":2,Sab", ":2,Sab"):
        delivery = save.Delivery(str(tmp_path))
        path = commit(delivery, flags="S", keywords=[b"$Junk", b"work"])
        assert path.endswith(expected)
    assert (tmp_path / "dovecot-keywords").read_bytes() == b"0 $Junk\n1 work\n"


def test_delivery_into_a_folder_makes_it(tmp_path: Path) -> None:
    delivery = save.Delivery(str(tmp_path), "Lists/Foo")
    delivery.write(b"x\n")
    assert commit(delivery).startswith(f"{tmp_path}/.Lists.Foo/new/")
    assert (tmp_path / ".Lists.Foo/maildirfolder").exists()
    assert not (tmp_path / "maildirfolder").exists()


@given(st.lists(st.text(alphabet="a\r\n", max_size=6), max_size=8))
def test_wire_size_is_that_of_all_line_ends_as_crlf(tmp_path: Path, chunks: list[str]) -> None:
    delivery = save.Delivery(str(tmp_path / "m"))
    for chunk in chunks:
        delivery.write(chunk.encode())
    delivery.abort()
    whole = "".join(chunks).encode()
    assert delivery.size == len(whole)
    assert delivery.wire_size == len(whole.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))


def test_abort_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="changed my mind"), save.Delivery(str(tmp_path)) as delivery:
        delivery.write(b"x")
        raise ValueError("changed my mind")
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


@pytest.mark.parametrize("operation", ["sync", "rename", "sync_dir"])
def test_failed_commit_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, operation: str) -> None:
    directory = boxes.make(tmp_path)
    delivery = save.Delivery(directory)
    delivery.write(b"x\n")

    def full(name: str, *args: object) -> None:
        if name == operation:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "fault", full)
    with pytest.raises(OSError, match="No space"):
        commit(delivery)
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


def test_a_crash_leaves_a_whole_message_or_none(tmp_path: Path) -> None:
    def scenario(directory: Path) -> str:
        delivery = save.Delivery(str(directory / "Maildir"))
        delivery.write(b"Subject: x\n\n")
        delivery.write(b"body\n")
        return commit(delivery)

    for crash in crashes(tmp_path, scenario, prepare=lambda directory: boxes.make(directory / "Maildir")):
        found = os.listdir(crash.directory / "Maildir/new")
        for name in found:
            assert (crash.directory / "Maildir/new" / name).read_bytes() == b"Subject: x\n\nbody\n"
        if crash.done:
            assert [f"{crash.directory}/Maildir/new/{name}" for name in found] == [crash.result]


def test_share_links_and_keeps_sizes(tmp_path: Path) -> None:
    (source,) = boxes.deliver(boxes.make(tmp_path / "a"))
    shared = blocking.run(save.share(source, str(tmp_path / "b"), "Box"))
    assert shared.startswith(f"{tmp_path}/b/.Box/new/")
    assert os.path.samefile(source, shared)
    assert names.sizes(os.path.basename(shared)) == names.sizes(os.path.basename(source))
    assert os.path.basename(shared) != os.path.basename(source)


def test_share_copies_where_links_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (source,) = boxes.deliver(boxes.make(tmp_path / "a"))

    def no_links(name: str, *args: object) -> None:
        if name == "link":
            raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(files, "fault", no_links)
    shared = blocking.run(save.share(source, str(tmp_path / "b")))
    assert not os.path.samefile(source, shared)
    assert Path(shared).read_bytes() == Path(source).read_bytes()


def test_clean_removes_only_what_is_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = boxes.make(tmp_path)
    (tmp_path / "tmp/1.of.a-dead-process").write_text("half a mess")
    for name in ("dovecot-uidlist.lock.mail.12.ab", "mailkit-log.12.ab.tmp", "dovecot-uidlist.lock.cd.stale"):
        (tmp_path / name).write_text("x")
    kept = ["dovecot-uidlist", "mailkit-log", "mailkit-index", "dovecot-uidlist.lock", "subscriptions", "mine.tmp"]
    for name in kept:
        (tmp_path / name).write_text("x")
    (tmp_path / "tmp/old.deleted/cur").mkdir(parents=True)
    (tmp_path / "tmp/old.deleted/cur/x").write_text("x")
    assert save.clean(directory) == 0
    later = clock.now() + 36 * 3600 + 10
    monkeypatch.setattr(clock, "now", lambda: later)
    assert save.clean(directory) == 5
    assert os.listdir(tmp_path / "tmp") == []
    assert sorted(os.listdir(tmp_path)) == sorted([*kept, "cur", "new", "tmp"])
    assert save.clean(str(tmp_path / "nowhere")) == 0

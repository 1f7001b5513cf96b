"""Plain deliveries: the same file as by the ordinary way, with less work; whatever is not plain goes that way."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailkit import files
from mailkit.control import Home
from mailkit.deliver import local, plain, route
from mailkit.deliver.message import Message
from mailkit.deliver.runner import Runner
from mailkit.exits import Perm
from mailkit.maildir import names
from mailkit.net.blocking import run
from mailkit.queue import ready
from tests.deliver.homes import MESSAGE, mailbox, make, queue, waiting
from tests.deliver.test_runner import running, until
from tests.harness.crash import crashes

ID = "6f1d2c7a90be3345"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return prepared(tmp_path)


def prepared(directory: Path) -> Home:
    """bob has had mail before."""
    home = make(directory)
    queue(home, "bob@example.test")
    asyncio.run(Runner(home, once=True).run())
    for path in Path(home.domains, "example.test/bob/Maildir/new").iterdir():
        path.unlink()
    return Home(str(directory))  # the runner's reads no control value anew by itself


def put(home: Home, address: str = "bob@example.test", message: bytes = MESSAGE, id: str = ID) -> bool:
    return run(plain.put(home, route.judge(home, address), "alice@example.net", id, message))


def line(home: Home, fields: str) -> None:
    """What bob's line in users/passwd ends in, from the uid on."""
    Path(home.passwd).write_text(f"bob@example.test:{{PLAIN}}secret:{fields}\nalice@example.test:{{PLAIN}}secret::::::\n")


def control(home: Home, name: str, value: str) -> None:
    Path(home.control.directory, name).write_text(value + "\n")


def bob(home: Home, name: str) -> Path:
    return Path(home.domains, "example.test/bob", name)


NOT_PLAIN: dict[str, Callable[[Home], object]] = {
    "a quota": lambda home: line(home, ":::::userdb_quota_rule=*:storage=1G"),
    "a uid": lambda home: line(home, "12345:12345:::"),
    "a group": lambda home: line(home, ":12345:::"),
    "a folder": lambda home: line(home, ":::::extfolder=yes"),
    "instructions": lambda home: bob(home, ".qmail").touch(),
    "a link that leads nowhere": lambda home: bob(home, ".forward").symlink_to("nowhere"),
    "of the extension": lambda home: bob(home, ".qmail-list").touch(),
    "look for duplicates": lambda home: control(home, "duplicates", "1d"),
    "no Maildir": lambda home: os.rename(bob(home, "Maildir/new"), bob(home, "Maildir/old")),
    "an alias for several": lambda home: Path(home.aliases).write_text("bob+list@example.test: alice, bob\n"),
    "an alias for elsewhere": lambda home: Path(home.aliases).write_text("bob+list@example.test: x@example.net\n"),
    "no place to leave it": lambda home: os.rmdir(Path(home.queue, "ready")),
    "nobody of this name": lambda home: Path(home.passwd).write_text("alice@example.test:{PLAIN}secret::::::\n"),
    "not to receive": lambda home: line(home, ":::::disabled"),
}


@pytest.mark.parametrize("what", NOT_PLAIN)
def test_what_takes_more_than_a_rename_is_not_left(what: str, home: Home) -> None:
    address = "bob+list@example.test"
    assert plain.place(home, route.judge(home, address)) == str(bob(home, "Maildir/new"))
    NOT_PLAIN[what](home)
    assert not put(home, address)


@pytest.mark.parametrize("what", ["st_uid", "st_dev"])
def test_a_maildir_of_somebody_else_or_elsewhere(what: str, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.stat

    def stat(path: str, **options: bool) -> object:
        found = real(path, **options)
        if not str(path).endswith("Maildir/new"):
            return found
        return SimpleNamespace(**{"st_uid": found.st_uid, "st_dev": found.st_dev} | {what: -1})

    monkeypatch.setattr(os, "stat", stat)
    assert not put(home)


def test_mail_for_elsewhere_is_not_ours_to_leave(home: Home) -> None:
    assert not put(home, "bob@example.net")


@pytest.mark.parametrize("line", [b"Delivered-To: bob@example.test\n", b"delivered-to:\n  BOB@example.test\n"])
def test_a_message_that_comes_back_is_refused(home: Home, line: bytes) -> None:
    with pytest.raises(Perm, match="loop"):
        put(home, message=line + MESSAGE)
    assert ready.entries(home) == []


def test_an_address_that_no_name_can_say_goes_the_ordinary_way(tmp_path: Path) -> None:
    home = make(tmp_path, users="b!b")
    queue(home, "b!b@example.test")
    asyncio.run(Runner(home, once=True).run())
    assert plain.place(home, route.judge(home, "b!b@example.test"))
    assert not put(home, "b!b@example.test")


def test_a_disk_that_refuses_is_told_and_the_ordinary_way_is_left(
    home: Home, monkeypatch: pytest.MonkeyPatch, lines: list[str]
) -> None:
    def full(operation: str, *_: object) -> None:
        if operation == "write":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files, "fault", full)
    assert not put(home)
    assert lines[1:] == [f'queue q={ID} operation=ready error="No space left on device" instead=entry']


HEADS = st.lists(
    st.sampled_from([b"Subject: x\n", b"Return-Path: <x@y>\n", b"return-path:\n <x@y>\n", b"X: Return-Path:\n", b"\n", b"\r\n"])
).map(b"".join)


@given(head=HEADS, body=st.binary(max_size=200))
def test_the_file_is_that_of_the_ordinary_way(home: Home, head: bytes, body: bytes) -> None:
    message = b"Received: by mail.example.test\n" + head + body
    verdict = route.judge(home, "bob@example.test")
    assert run(local.handle(home, verdict, "alice@example.net", Message(-1, 0, len(message), message))).ok
    ordinary = mailbox(home, "bob")
    (by_hand,) = bob(home, "Maildir/new").iterdir()
    by_hand.unlink()
    assert put(home, message=message)
    (found,) = ready.entries(home)
    assert plain.finish(home, found)
    (path,) = bob(home, "Maildir/new").iterdir()
    assert [path.read_bytes()] == ordinary
    assert names.sizes(path.name) == names.sizes(by_hand.name)
    path.unlink()


def test_the_name_has_the_id_of_the_log(home: Home, lines: list[str]) -> None:
    assert put(home)
    asyncio.run(Runner(home, once=True).run())
    (path,) = bob(home, "Maildir/new").iterdir()
    assert f".R{ID}." in path.name
    wanted = f'deliver q={ID} to=bob@example.test by=local verdict=ok code=2.0.0 said="delivered to INBOX" file={path.name}'
    assert lines[1:] == [wanted]


def test_it_is_there_at_once(home: Home) -> None:
    async def scenario() -> None:
        async with running(home):
            for number in range(20):
                assert await plain.put(
                    home, route.judge(home, "bob@example.test"), "", f"{number:016x}", b"Subject: %d\n" % number
                )
            await until(lambda: len(mailbox(home, "bob")) == 20)

    asyncio.run(scenario())
    assert ready.entries(home) == [] and waiting(home) == []


@pytest.mark.parametrize("polled", [False, True])
def test_what_is_not_plain_any_more_goes_the_ordinary_way(
    home: Home, polled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert put(home)
    bob(home, ".forward").write_text("alice@example.test\n")
    bob(home, ".forward").chmod(0o600)

    async def scenario() -> None:
        async with running(home):
            await until(lambda: mailbox(home, "alice"))
            if not polled:
                data = b"Return-Path: <>\nDelivered-To: bob@example.test\nSubject: told\n"
                name = ready.name(f"1.R77.h,S={len(data)},W=99", data, "bob@example.test")
                Path(home.queue, "ready", name).write_bytes(data)
                await until(lambda: len(mailbox(home, "alice")) == 2)

    asyncio.run(scenario())
    assert mailbox(home, "bob") == [] and ready.entries(home) == []
    assert mailbox(home, "alice")[0].endswith(MESSAGE)


def test_a_user_who_has_gone_is_told_to_the_sender(home: Home) -> None:
    assert put(home)
    line(home, ":::::disabled")
    queue(home, "alice@example.test")

    async def scenario() -> None:
        async with running(home):
            await until(lambda: mailbox(home, "alice") and not ready.entries(home))

    asyncio.run(scenario())
    assert mailbox(home, "bob") == []


def test_users_that_cannot_be_read_leave_it_where_it_is(home: Home, lines: list[str]) -> None:
    assert put(home)
    os.rename(home.passwd, f"{home.passwd}.away")
    os.mkdir(home.passwd)
    asyncio.run(Runner(home, once=True).run())
    assert len(ready.entries(home)) == 1 and "verdict=later" in lines[-1]
    os.rmdir(home.passwd)
    os.rename(f"{home.passwd}.away", home.passwd)
    asyncio.run(Runner(home, once=True).run())
    assert len(mailbox(home, "bob")) == 1


def test_two_runners_deliver_once(home: Home) -> None:
    async def scenario() -> None:
        async with running(home), running(home):
            verdict = route.judge(home, "bob@example.test")
            await asyncio.gather(*(plain.put(home, verdict, "", f"{number:016x}", MESSAGE) for number in range(30)))
            await until(lambda: not ready.entries(home))

    asyncio.run(scenario())
    assert len(mailbox(home, "bob")) == 30


def test_half_a_file_is_never_delivered(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    assert put(home)
    (found,) = ready.entries(home)
    path = Path(ready.path(home, found))
    path.write_bytes(path.read_bytes()[:-1])
    assert plain.finish(home, found)  # nothing is left to do for it
    run(plain.look(home))
    assert mailbox(home, "bob") == [] and path.exists()


def test_what_was_left_is_there_once_whoever_dies_when(tmp_path: Path) -> None:
    """From the writer's first step to the runner's last; then a runner comes."""
    accepted: list[bool] = []

    def scenario(directory: Path) -> None:
        home = Home(str(directory))
        assert put(home)
        accepted.append(True)
        run(plain.look(home))

    def prepare(directory: Path) -> None:
        accepted.clear()
        prepared(directory)

    for died in crashes(tmp_path, scenario, prepare):
        home = Home(str(died.directory))
        run(plain.look(home))
        found = mailbox(home, "bob")
        assert len(found) == 1 or not (found or accepted), died
        assert all(one.endswith(MESSAGE) for one in found), died

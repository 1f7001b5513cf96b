"""Long answers: large messages are sent in pieces, and what takes long is done where it holds nobody up."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mailkit.control import Home
from mailkit.imap.messages import sections, slices
from tests.imap import mailboxes
from tests.imap.pair import Client, WaitingConn

ITEMS = ["BODY.PEEK[]", "BODY.PEEK[1]", "BODY.PEEK[3]", "BODY.PEEK[3.TEXT]", "BODY.PEEK[TEXT]", "BODY.PEEK[9]"]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return mailboxes.make(tmp_path)


@pytest.mark.parametrize("item", ITEMS)
def test_streamed_item_is_as_the_other(home: Home, item: str, monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client(home)
    at_once = client.do(f"UID FETCH 1:* (FLAGS {item})")
    monkeypatch.setattr(sections, "STREAM_OCTETS", 0)
    monkeypatch.setattr(sections, "CHUNK_OCTETS", 7)
    streamed = client.do(f"UID FETCH 1:* (FLAGS {item})")
    assert [line for line in streamed if line.startswith("* ")] == [line for line in at_once if line.startswith("* ")]
    assert len(streamed) == len(at_once) > 3


def test_streamed_and_other_items_together(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sections, "STREAM_OCTETS", 0)
    found = "\n".join(Client(home).do("FETCH 2 (UID BODY.PEEK[3.TEXT] BODY.PEEK[9] BODY.PEEK[1]<0.4>)"))
    assert "* 2 FETCH (UID 2 BODY[1]<0> {4}" in found
    assert "BODY[3.TEXT] {" in found
    assert "inner text" in found
    assert "BODY[9] NIL)" in found


def test_a_slice_opens_no_file_that_it_has_no_room_for(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client(home)
    at_once = client.do("UID FETCH 1:* (BODY.PEEK[])")
    client.do("FETCH 1:* (RFC822.SIZE)")
    monkeypatch.setattr(slices, "SLICE_OCTETS", 1)
    opened: list[str] = []
    really = os.open

    def noted(path: str | bytes, *args: int, **keywords: int) -> int:
        opened.append(os.path.basename(os.fsdecode(path)))
        return really(path, *args, **keywords)

    monkeypatch.setattr(os, "open", noted)
    assert client.do("UID FETCH 1:* (BODY.PEEK[])")[:-1] == at_once[:-1]
    messages = os.listdir(f"{mailboxes.inbox(home)}/cur")
    assert sorted(name for name in opened if name in messages) == sorted(messages)


def test_an_upload_goes_to_another_thread_once(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    aside: list[str] = []

    async def offload(conn: WaitingConn, function: Callable[..., Any], *args: Any) -> Any:
        aside.append(function.__name__)
        return function(*args)

    client = Client(home)
    client.do("APPEND Sent {14+}\r\nSubject: one\r\n")
    monkeypatch.setattr(WaitingConn, "offload", offload)
    assert "[APPENDUID" in client.do("APPEND Sent {14+}\r\nSubject: two\r\n")[-1]
    assert [name for name in aside if name != "sync"] == ["take_in"], "a look at the folder may be due as well"


def test_what_the_index_lacks_is_made_aside(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    aside: list[str] = []

    async def offload(conn: WaitingConn, function: Callable[..., Any], *args: Any) -> Any:
        aside.append(function.__name__)
        return function(*args)

    client = Client(home)
    monkeypatch.setattr(WaitingConn, "offload", offload)
    for command in ("FETCH 1:* (UID ENVELOPE)", "FETCH 1:* (UID BODY.PEEK[HEADER.FIELDS (SUBJECT)])"):
        first = client.do(command)
        assert "quick_lines" in aside, "others have their turn while files are read"
        aside.clear()
        assert client.do(command)[:-1] == first[:-1]
        assert "quick_lines" not in aside, "it is in the index now"
    client.do("FETCH 1:* (UID FLAGS MODSEQ)")
    assert "quick_lines" not in aside

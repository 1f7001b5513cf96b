"""Messages from a pipe."""

from __future__ import annotations

import os
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailkit.deliver.intake import Received
from mailkit.exits import Perm


def received(data: bytes) -> tuple[bytes, str]:
    """The message and the sender found in what came through a pipe."""
    read_fd, write_fd = os.pipe()

    def feed() -> None:
        with open(write_fd, "wb") as pipe:
            pipe.write(data)

    feeder = threading.Thread(target=feed)
    feeder.start()
    try:
        with Received(read_fd) as got:
            return b"".join(got.message.chunks()), got.sender
    finally:
        feeder.join()
        os.close(read_fd)


@given(st.binary(min_size=1, max_size=2000).filter(lambda data: not data.startswith(b"From ") and b"\r" not in data))
def test_a_message_comes_through_as_it_is(data: bytes) -> None:
    assert received(data)[0] == data


@given(st.lists(st.text("ab \r", max_size=5).map(str.encode), min_size=1))
def test_line_ends_become_lf_when_the_first_is_crlf(lines: list[bytes]) -> None:
    data = b"x\r\n" + b"\r\n".join(lines)
    assert received(data)[0] == data.replace(b"\r\n", b"\n")


@pytest.mark.parametrize(
    ("data", "message", "sender"),
    [
        (b"From alice@example.net Mon Jan  1\nA: b\n\nc\n", b"A: b\n\nc\n", "alice@example.net"),
        (b"From MAILER-DAEMON Mon Jan  1\nA: b\n", b"A: b\n", ""),
        (b"From \nA: b\n", b"A: b\n", ""),
        (b"From alice@example.net x\r\nA: b\r\n\r\nc\r\n", b"A: b\n\nc\n", "alice@example.net"),
        (b"Return-Path: <alice@example.net>\nA: b\n", b"Return-Path: <alice@example.net>\nA: b\n", "alice@example.net"),
        (b"From: alice@example.net\n\nx", b"From: alice@example.net\n\nx", ""),
        (b"From bob x\nReturn-Path: <alice@example.net>\n\n", b"Return-Path: <alice@example.net>\n\n", "bob"),
    ],
)
def test_the_envelope_lines_in_front(data: bytes, message: bytes, sender: str) -> None:
    assert received(data) == (message, sender)


def test_a_large_message_goes_to_a_file_without_a_name() -> None:
    data = b"A: b\r\n\r\n" + b"0123456789abcde\r\n" * 600_000
    assert received(data)[0] == data.replace(b"\r\n", b"\n")


def test_nothing_is_not_a_message() -> None:
    with pytest.raises(Perm) as raised:
        received(b"")
    assert raised.value.code == "5.6.0"

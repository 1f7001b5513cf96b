"""Messages from a pipe."""

from __future__ import annotations

import contextlib
import os
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailkit.deliver.intake import Received
from mailkit.exits import Perm


def received(data: bytes, dots_end: bool = False, piece: int = 0, marked: bool = False) -> tuple[bytes, str]:
    """The message and the sender found in what came through a pipe."""
    read_fd, write_fd = os.pipe()

    def feed() -> None:
        with open(write_fd, "wb", buffering=0) as pipe, contextlib.suppress(BrokenPipeError):
            for at in range(0, len(data), piece or len(data) or 1):
                pipe.write(data[at : at + (piece or len(data))])

    feeder = threading.Thread(target=feed)
    feeder.start()
    try:
        with Received(read_fd, dots_end, marked) as got:
            return b"".join(got.message.chunks()), got.sender
    finally:
        os.close(read_fd)
        feeder.join()


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


@pytest.mark.parametrize("piece", [0, 1])
@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"Return-Path: <a>\nDelivered-To: b\n c\nReceived: x\n\ny", b"Return-Path: <a>\nReceived: x\n\ny"),
        (b"delivered-to : b\nDelivered-To: c\n\ny", b"Delivered-To: c\n\ny"),
        (b"Received: x\nDelivered-To: b\n\ny", b"Received: x\nDelivered-To: b\n\ny"),
        (b"Subject: x\n\nDelivered-To: b\n", b"Subject: x\n\nDelivered-To: b\n"),
    ],
)
def test_the_mark_of_who_hands_it_over_is_taken_off(data: bytes, message: bytes, piece: int) -> None:
    assert received(data, marked=True, piece=piece)[0] == message
    assert received(data, piece=piece)[0] == data


def test_a_large_message_goes_to_a_file_without_a_name() -> None:
    data = b"A: b\r\n\r\n" + b"0123456789abcde\r\n" * 600_000
    assert received(data)[0] == data.replace(b"\r\n", b"\n")


def test_nothing_is_not_a_message() -> None:
    with pytest.raises(Perm) as raised:
        received(b"")
    assert raised.value.code == "5.6.0"


@pytest.mark.parametrize("piece", [1, 2, 3, 5, 1000])
@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"A: b\n\nc\n.\nd\n", b"A: b\n\nc\n"),
        (b"A: b\r\n\r\nc\r\n.\r\nd\r\n", b"A: b\n\nc\n"),
        (b"A: b\n\n.c\n..\n. \n", b"A: b\n\n.c\n..\n. \n"),
        (b"A: b\n.", b"A: b\n"),
        (b"A: b\nx.\n", b"A: b\nx.\n"),
        (b"A: b\nx", b"A: b\nx"),
    ],
)
def test_a_single_dot_ends_a_message_when_it_may(data: bytes, message: bytes, piece: int) -> None:
    assert received(data, dots_end=True, piece=piece)[0] == message


def test_a_dot_alone_is_no_message() -> None:
    with pytest.raises(Perm):
        received(b".\n", dots_end=True)


def test_a_dot_is_only_a_dot_when_the_end_is_the_end() -> None:
    assert received(b"A: b\n.\nc\n")[0] == b"A: b\n.\nc\n"

"""The message that is held for the checks."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mailkit.control import Home
from mailkit.exits import Temp
from mailkit.policy.message import Held
from tests.harness.homes import make_home

SMALL = b"Subject: x\nTo: y\n\nbody\n"
BIG = b"Subject: x\nTo: y\n\n" + b"body of many lines\n" * 40_000


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return make_home(tmp_path)


def held(home: Home, data: bytes) -> Held:
    message = Held(home)
    for at in range(0, len(data), 50_000):
        message.write(data[at : at + 50_000])
    return message


@pytest.mark.parametrize("data", [SMALL, BIG], ids=["memory", "file"])
def test_kept_as_written(data: bytes, home: Home) -> None:
    message = held(home, data)
    assert b"".join(message.pieces()) == data == b"".join(message.pieces())
    assert message.header == b"Subject: x\nTo: y\n"
    assert b"".join(message.body()) == data.partition(b"\n\n")[2]
    assert message.size == len(data)
    assert max(map(len, message.pieces())) <= 1 << 17
    message.close()


@pytest.mark.parametrize("data", [SMALL, BIG], ids=["memory", "file"])
def test_header_can_be_replaced_again_and_again(data: bytes, home: Home) -> None:
    message = held(home, data)
    for block in (b"A: b\nC: d\nE: f\n", b"G: h\n", b""):
        message.replace_header(block)
        assert message.header == block
        assert b"".join(message.pieces()) == block + b"\n" + data.partition(b"\n\n")[2]
        assert b"".join(message.body()) == data.partition(b"\n\n")[2]
    message.close()


@pytest.mark.parametrize(("data", "header"), [(b"\nbody\n", b""), (b"A: b\n", b"A: b\n"), (b"", b"")])
def test_odd_messages(data: bytes, header: bytes, home: Home) -> None:
    message = held(home, data)
    assert message.header == header
    assert b"".join(message.body()) == data[len(header) + 1 :]


def test_file_has_no_name(home: Home) -> None:
    message = held(home, BIG)
    assert os.listdir(os.path.join(home.queue, "tmp")) == []
    message.close()


def test_no_room_is_temporary(home: Home) -> None:
    os.rmdir(home.run)
    with pytest.raises(Temp):
        held(home, BIG)

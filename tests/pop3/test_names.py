"""Unique names: ours, and those of the servers a Maildir was taken over from."""

from __future__ import annotations

from array import array
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from mailkit.pop3 import names

COURIER = b"""/3 1044 1262304000
1276533073.M2P3.mail:2,S 2481 25:1262304000:0
1276533074.M2P3.mail 10 26:0:0
1276533075.M'P3.mail:2, 10 0:0:0
1276533076.M2P3.mail 10
 10 27:1262304000:0
"""


def test_ours_is_dovecots_default(tmp_path: Path) -> None:
    uids = array("I", [1, 255, 4294967294])
    assert names.of_messages(str(tmp_path), 1700000000, uids, list) == [
        "000000016553f100", "000000ff6553f100", "fffffffe6553f100",
    ]  # fmt: skip


def test_none_for_no_messages(tmp_path: Path) -> None:
    assert names.of_messages(str(tmp_path), 1700000000, array("I"), list) == []


def test_name_in_dovecots_list_stays(tmp_path: Path) -> None:
    (tmp_path / "dovecot-uidlist").write_bytes(b"3 V7 N9\n3 P25.x W120 :a\n4 W3 :b\n5 W3 Py :c P d\n8 Pgone :d\n")
    assert names.of_messages(str(tmp_path), 7, array("I", [3, 4, 5]), list) == ["25.x", "0000000400000007", "y"]


def test_names_nobody_may_say_are_not_taken() -> None:
    assert names.dovecots(b"3 V7 N9\n3 P :a\n4 P" + b"x" * 71 + b" :b\n5 P\xff :c\n6 Pgood :d\nx Pgood :e\n") == {
        6: "good"
    }


def test_couriers_three_forms() -> None:
    assert names.couriers(COURIER) == {
        b"1276533073.M2P3.mail": "UID25-1262304000",
        b"1276533074.M2P3.mail": "UID26",
        b"1276533075.M'P3.mail": "1276533075.M+27P3.mail",
    }


def test_couriers_names_stay_and_later_messages_get_ours(tmp_path: Path) -> None:
    (tmp_path / "courierpop3dsizelist").write_bytes(COURIER)
    bases = [b"1276533073.M2P3.mail", b"1800000000.M1P1.mail"]
    assert names.of_messages(str(tmp_path), 7, array("I", [1, 2]), lambda: bases) == [
        "UID25-1262304000", "0000000200000007",
    ]  # fmt: skip


@given(st.binary(max_size=200))
def test_rubbish_is_no_error(data: bytes) -> None:
    for head in (b"", b"3 V7 N9\n", b"/3 1 2\n"):
        assert isinstance(names.dovecots(head + data), dict)
        assert isinstance(names.couriers(head + data), dict)

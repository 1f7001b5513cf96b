"""control: values, defaults, bad files."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailkit import control
from mailkit.control import Control, parse
from mailkit.control.table import ROWS, TABLE
from mailkit.exits import Perm
from tests.harness import fakeclock


def test_missing_file_means_the_default(tmp_path: Path) -> None:
    values = Control(str(tmp_path / "nowhere"))
    assert values.text("me") == "localhost"
    assert values.lines("domains") == []


def test_a_change_is_seen_without_reload(tmp_path: Path) -> None:
    values = Control(str(tmp_path))
    (tmp_path / "domains").write_text("# ours\nexample.test\n\nexample.org\n")
    assert values.lines("domains") == ["example.test", "example.org"]
    (tmp_path / "domains").write_text("example.net\n")
    assert values.lines("domains") == ["example.net"]


def test_who_looks_by_turns_sees_a_change_at_the_next(tmp_path: Path) -> None:
    values = Control(str(tmp_path))
    values.look()
    assert values.number("maxconn") == 1000
    (tmp_path / "maxconn").write_text("7\n")
    assert values.number("maxconn") == 1000
    values.look()
    assert values.number("maxconn") == 7


def test_who_asks_often_looks_now_and_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = fakeclock.install(monkeypatch)
    values = Control(str(tmp_path))
    values.look(every_s=0.2)
    assert values.number("maxconn") == 1000
    (tmp_path / "maxconn").write_text("7\n")
    assert values.number("maxconn") == 1000
    now.advance(0.25)
    assert values.number("maxconn") == 7


def test_bad_value_keeps_the_default_and_says_so(tmp_path: Path, lines: list[str]) -> None:
    (tmp_path / "maxconn").write_text("many\n")
    assert Control(str(tmp_path)).number("maxconn") == 1000
    assert lines and "maxconn" in lines[0] and "'many'" in lines[0]


def test_bad_value_that_matters_stops_the_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TABLE, "strict", control.table.Value("strict", "number", "1", "a test", "tests", safe=False))
    (tmp_path / "strict").write_text("x\n")
    with pytest.raises(Perm) as caught:
        Control(str(tmp_path)).number("strict")
    assert "strict" in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("seconds", "90", 90),
        ("seconds", "1h30m", 5400),
        ("seconds", "5d", 432000),
        ("octets", "64K", 65536),
        ("octets", "2GB", 2 << 30),
        ("octets", "17", 17),
        ("flag", "Yes", True),
        ("flag", "off", False),
        ("number", "12", 12),
    ],
)
def test_kinds(kind: str, text: str, value: object) -> None:
    assert parse(kind, text) == value


@pytest.mark.parametrize(
    ("kind", "text"),
    [("seconds", ""), ("seconds", "5x"), ("seconds", "m"), ("octets", "M"), ("octets", "1.5M"), ("flag", "maybe"),
     ("number", "-1"), ("number", "")],
)  # fmt: skip
def test_kinds_refuse(kind: str, text: str) -> None:
    with pytest.raises(ValueError):
        parse(kind, text)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_default_is_of_its_kind(row: control.table.Value) -> None:
    parse(row.kind, row.default)

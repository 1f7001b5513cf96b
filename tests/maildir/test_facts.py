"""The cache of numbers by which messages are sorted and threaded: right or empty, whatever is in the file."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailkit.maildir import facts
from mailkit.maildir.facts import Facts
from tests.harness.crash import crashes

VALIDITY = 7


def some(*uids: int) -> Facts:
    """Messages whose facts follow from their UIDs."""
    found = Facts()
    for uid in uids:
        found.add(uid, 1000 - uid, uid * 3, uid, uid % 2 == 0, [uid + 1] * (uid % 4))
    return found


def shown(found: Facts) -> list[list[int]]:
    return [column.tolist() for column in found.columns]


def test_what_is_written_is_read(tmp_path: Path) -> None:
    both = facts.write(str(tmp_path), VALIDITY, Facts(), some(1, 2, 3))
    assert shown(both) == shown(facts.read(str(tmp_path), VALIDITY)) == shown(some(1, 2, 3))
    facts.write(str(tmp_path), VALIDITY, facts.read(str(tmp_path), VALIDITY), some(5, 6))
    found = facts.read(str(tmp_path), VALIDITY)
    assert (shown(found), found.segments) == (shown(some(1, 2, 3, 5, 6)), 2)


def test_of_another_time(tmp_path: Path) -> None:
    facts.write(str(tmp_path), VALIDITY, Facts(), some(1))
    assert len(facts.read(str(tmp_path), VALIDITY + 1)) == 0
    assert len(facts.read(str(tmp_path / "nowhere"), VALIDITY)) == 0


def test_two_writers_at_once(tmp_path: Path) -> None:
    first = facts.write(str(tmp_path), VALIDITY, Facts(), some(1, 2))
    before = facts.read(str(tmp_path), VALIDITY)
    facts.write(str(tmp_path), VALIDITY, before, some(3, 4))
    facts.write(str(tmp_path), VALIDITY, before, some(3, 4, 5))
    assert shown(facts.read(str(tmp_path), VALIDITY)) == shown(some(1, 2, 3, 4, 5))
    facts.write(str(tmp_path), VALIDITY, facts.read(str(tmp_path), VALIDITY), some(6))
    assert facts.read(str(tmp_path), VALIDITY).segments == 1
    assert shown(first) == shown(some(1, 2))


@given(cut=st.integers(0, 400), at=st.integers(0, 400), octet=st.integers(1, 255))
def test_damage_is_noticed(tmp_path_factory: pytest.TempPathFactory, cut: int, at: int, octet: int) -> None:
    directory = tmp_path_factory.mktemp("facts")
    facts.write(str(directory), VALIDITY, Facts(), some(1, 2, 3))
    facts.write(str(directory), VALIDITY, facts.read(str(directory), VALIDITY), some(4))
    path = directory / facts.NAME
    data = bytearray(path.read_bytes())
    if at < len(data):
        data[at] ^= octet
    path.write_bytes(data[: max(len(data) - cut, 0)])
    found = facts.read(str(directory), VALIDITY)
    assert shown(found) in [shown(some(*range(1, most + 1))) for most in (0, 3, 4)]


@given(st.sets(st.integers(1, 40)), st.sets(st.integers(1, 40)))
def test_joined_and_chosen(mine: set[int], other: set[int]) -> None:
    both = some(*sorted(mine)).joined(some(*sorted(other)))
    assert shown(both) == shown(some(*sorted(mine | other)))
    places = [at for at, uid in enumerate(both.uids) if uid in other]
    assert shown(both.chosen(places)) == shown(some(*sorted(other)))


def test_crash_leaves_something_readable(tmp_path: Path) -> None:
    def scenario(directory: Path) -> None:
        known = facts.write(str(directory), VALIDITY, Facts(), some(1, 2))
        known.segments = 1
        facts.write(str(directory), VALIDITY, known, some(3))
        known.segments = facts.SEGMENTS_MOST
        facts.write(str(directory), VALIDITY, known, some(3, 4))

    for crash in crashes(tmp_path, scenario):
        found = facts.read(str(crash.directory), VALIDITY)
        assert shown(found) in [shown(some(*range(1, most + 1))) for most in (0, 2, 3, 4)]

"""Batches of UIDs cover every UID there is once, and hold as many messages as were asked for."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mailkit.imap.commands.uidbatches import batches


def test_example_of_the_rfc() -> None:
    uids = [*range(7000, 7500), *range(20_000, 20_500), *range(99_000, 99_500)]
    assert batches(uids, 500) == [(99_499, 99_000), (98_999, 20_000), (19_999, 1)]
    assert batches([], 500) == []


@given(st.sets(st.integers(1, 10_000)), st.integers(1, 50))
def test_batches_part_the_folder(numbers: set[int], size: int) -> None:
    uids = sorted(numbers)
    found = batches(uids, size)
    assert [uid for high, low in found for uid in range(high, low - 1, -1)] == list(range(max(uids, default=0), 0, -1))
    held = [sum(low <= uid <= high for uid in uids) for high, low in found]
    assert all(count == size for count in held[:-1])
    assert all(0 < count <= size for count in held)

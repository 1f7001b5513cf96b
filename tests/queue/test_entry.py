"""Envelopes: what is encoded is read back, and damage is told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailkit.queue import entry
from mailkit.queue.entry import Envelope, Recipient

KEYS = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=2, max_size=9).filter(str.islower)
TEXTS = st.text(max_size=40)
ADDRESSES = st.text(min_size=1, max_size=40)
PARAMS = st.dictionaries(KEYS, TEXTS, max_size=4)
RECIPIENTS = st.builds(Recipient, ADDRESSES, st.sampled_from(entry.STATUSES), PARAMS)


def test_the_file_reads_as_the_manual_says() -> None:
    envelope = Envelope(
        "alice@example.test",
        [Recipient("bob@example.net", "T", {"notify": "DELAY,FAILURE"}), Recipient("carol@example.test", "D")],
        {"arrived": "1763768464", "auth": "alice@example.test"},
    )
    assert entry.encode(envelope).decode().splitlines() == [
        "mailkit-queue 1",
        "note " + " " * entry.NOTE_OCTETS,
        "from <alice@example.test>",
        "arrived 1763768464",
        "auth alice@example.test",
        "T <bob@example.net> notify=DELAY,FAILURE",
        "D <carol@example.test>",
        "",
    ]


@given(TEXTS, st.lists(RECIPIENTS, min_size=1, max_size=5), PARAMS, st.binary(max_size=50))
def test_what_was_encoded_is_read_back(
    sender: str, recipients: list[Recipient], params: dict[str, str], message: bytes
) -> None:
    data = entry.encode(Envelope(sender, recipients, params)) + message
    found, offset = entry.decode(data)
    assert data[offset:] == message
    assert (found.sender, found.params) == (sender, params)
    assert [(r.address, r.status, r.params) for r in found.recipients] == [
        (r.address, r.status, r.params) for r in recipients
    ]
    assert all(data[r.at : r.at + 1].decode() == r.status for r in found.recipients)


@given(st.lists(RECIPIENTS, min_size=1, max_size=3), st.data())
def test_a_cut_envelope_is_never_taken_for_a_whole_one(recipients: list[Recipient], data: st.DataObject) -> None:
    head = entry.encode(Envelope("a@b", recipients))
    with pytest.raises(EOFError):
        entry.decode(head[: data.draw(st.integers(0, len(head) - 2))])


@given(TEXTS, st.lists(RECIPIENTS, min_size=1, max_size=5), PARAMS, st.binary(max_size=50))
def test_what_was_marked_since_can_be_taken_off(
    note: str, recipients: list[Recipient], params: dict[str, str], message: bytes
) -> None:
    marked = bytearray(entry.encode(Envelope("a@b", recipients, params)) + message)
    marked[entry.NOTE_AT : entry.NOTE_AT + entry.NOTE_OCTETS] = entry.note(note)
    for recipient in recipients:
        recipient.status = entry.WAITS
    assert entry.fresh(bytes(marked)) == entry.encode(Envelope("a@b", recipients, params)) + message


@given(st.binary(max_size=300))
def test_rubbish_is_refused(data: bytes) -> None:
    head = entry.encode(Envelope("a@b", [Recipient("c@d")]))
    for bad in (data, head[:230] + data + b"\n\n", entry.MAGIC + data + b"\n\n"):
        try:
            envelope, offset = entry.decode(bad)
        except (ValueError, EOFError):
            continue
        assert envelope.recipients and offset <= len(bad)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"Q <bob@example.test>", "unknown status"),
        (b"T <>", "no address"),
        (b"T <bob@example.test", "no address"),
        (b"T <bob@example.test> notify", "not key=value"),
        (b"T <bob@example.test%G1>", "bad escape"),
        (b"auth= x", "not a key"),
    ],
)
def test_the_damaged_line_is_named(line: bytes, said: str) -> None:
    head = entry.encode(Envelope("a@b", [Recipient("c@d")]))
    with pytest.raises(ValueError, match=said):
        entry.decode(head[:-1] + line + b"\n\n")


def test_an_envelope_without_recipients_is_damaged() -> None:
    with pytest.raises(ValueError, match="no recipients"):
        entry.decode(entry.encode(Envelope("a@b", [])))


@given(st.text(max_size=400))
def test_the_note_is_one_line_of_fixed_width(text: str) -> None:
    data = entry.note(text)
    assert len(data) == entry.NOTE_OCTETS
    assert b"\n" not in data
    head = bytearray(entry.encode(Envelope("a@b", [Recipient("c@d")])))
    head[entry.NOTE_AT : entry.NOTE_AT + entry.NOTE_OCTETS] = data
    entry.decode(bytes(head))
    assert entry.read_note(bytes(head)) == data.decode().rstrip()

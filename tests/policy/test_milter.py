"""The milter client, against a scripted milter, through whole SMTP sessions."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailkit.policy import packets
from tests.policy.milters import ScriptedMilter
from tests.smtp.worlds import codes, queued, replies, talk, world

MESSAGE = [
    b"EHLO client.example.net\r\n",
    b"MAIL FROM:<carol@example.net>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n",
    b"Subject: hi\r\nX-Old: 1\r\nX-Old: 2\r\n\r\nhello\r\n.\r\n",
    b"QUIT\r\n",
]
Scripted = Callable[..., ScriptedMilter]


@pytest.fixture
def milter(tmp_path: Path) -> Iterator[Scripted]:
    made: list[ScriptedMilter] = []

    def make(
        answers: dict[bytes, Iterable[bytes]] | None = None, actions: int = packets.ACTIONS, steps: int = 0
    ) -> ScriptedMilter:
        made.append(ScriptedMilter(tmp_path / f"milter{len(made)}", answers or {}, actions, steps))
        return made[-1]

    yield make
    for one in made:
        one.close()


def session(tmp_path: Path, *milters: ScriptedMilter, mode: str = "on") -> tuple[list[str], list[bytes]]:
    """(reply codes, messages queued) of one message with these milters."""
    places = [one.place for one in milters]
    home = world(tmp_path / "home", {"policy": [f"milter {mode}"], "milters": places, "policytime": ["5"]})
    conn = talk(home, *MESSAGE)
    return codes(conn), [message for _, message in queued(home)]


def reply(text: bytes) -> bytes:
    return packets.encode(b"y", text + b"\0")


def test_milter_is_told_everything(milter: Scripted, tmp_path: Path) -> None:
    one = milter()
    said, messages = session(tmp_path, one)
    assert said[-2:] == ["250", "221"] and len(messages) == 1
    assert one.commands() == "OCHMRTLLLNBEQ"
    told = dict(one.told)
    assert told[b"C"] == b"[192.0.2.1]\x004\xd4\x31192.0.2.1\0"
    assert told[b"H"] == b"client.example.net\0"
    assert told[b"M"] == b"<carol@example.net>\0" and told[b"R"] == b"<bob@example.test>\0"
    assert (b"L", b"Subject\0hi\0") in one.told
    assert told[b"B"] == b"hello\r\n"


def test_steps_left_out_are_not_told(milter: Scripted, tmp_path: Path) -> None:
    steps = packets.NO_CONNECT | packets.NO_HELO | packets.NO_RCPT | packets.NO_BODY | packets.NO_DATA
    one = milter(steps=steps | packets.LEADING_SPACE)
    session(tmp_path, one)
    assert one.commands() == "OMLLLNEQ"
    assert (b"L", b"Subject\0 hi\0") in one.told


def test_unanswered_steps_are_not_waited_for(milter: Scripted, tmp_path: Path) -> None:
    quiet: dict[bytes, list[bytes]] = {b"L": [], b"N": [], b"B": []}
    one = milter(quiet, steps=packets.NR_HEADER | packets.NR_END_OF_HEADERS | packets.NR_BODY)
    assert session(tmp_path, one)[0][-2] == "250"


@pytest.mark.parametrize(
    ("command", "answer", "wanted"),
    [
        (b"C", packets.encode(b"r"), ["554"]),
        (b"C", packets.encode(b"t"), ["421"]),
        (b"H", packets.encode(b"r"), ["220", "550", "503", "503", "503"]),
        (b"M", reply(b"550 5.7.0 not %% you"), ["220", "250", "550", "503", "503"]),
        (b"R", packets.encode(b"t"), ["220", "250", "250", "451", "554"]),
        (b"R", reply(b"450 4.2.0 later\r\n450 4.2.0 more"), ["220", "250", "250", "450", "554"]),
        (b"L", packets.encode(b"r"), ["220", "250", "250", "250", "354", "550"]),
        (b"B", packets.encode(b"r"), ["220", "250", "250", "250", "354", "550"]),
        (b"E", packets.encode(b"d"), ["220", "250", "250", "250", "354", "550"]),
        (b"E", reply(b"554 5.6.0 virus"), ["220", "250", "250", "250", "354", "554"]),
    ],
)
def test_refusals(command: bytes, answer: bytes, wanted: list[str], milter: Scripted, tmp_path: Path) -> None:
    said, messages = session(tmp_path, milter({command: [answer]}))
    assert said[: len(wanted)] == wanted
    assert messages == []


@pytest.mark.parametrize(("command", "commands"), [(b"C", "OCQ"), (b"M", "OCHMQ"), (b"B", "OCHMRTLLLNBQ")])
def test_accept_ends_the_questions(command: bytes, commands: str, milter: Scripted, tmp_path: Path) -> None:
    one = milter({command: [packets.encode(b"a")]})
    said, messages = session(tmp_path, one)
    assert said[-2] == "250" and len(messages) == 1
    assert one.commands() == commands


def test_skip_ends_the_body(milter: Scripted, tmp_path: Path) -> None:
    one = milter({b"B": [packets.encode(b"s")]})
    assert session(tmp_path, one)[0][-2] == "250"
    assert one.commands().endswith("BEQ")


def test_header_changes(milter: Scripted, tmp_path: Path) -> None:
    done = [
        packets.encode(b"h", packets.texts("X-Added", "at the end")),
        packets.encode(b"i", b"\0\0\0\0" + packets.texts("X-Top", "first\n\tfolded")),
        packets.encode(b"m", b"\0\0\0\2" + packets.texts("x-old", "")),
        packets.encode(b"m", b"\0\0\0\1" + packets.texts("Subject", "changed")),
        packets.encode(b"m", b"\0\0\0\1" + packets.texts("X-New", "by change")),
        packets.encode(b"p"),
        packets.encode(b"c"),
    ]
    _, (message,) = session(tmp_path, milter({b"E": done}))
    after_received = message[message.index(b"X-Top") :]
    wanted = b"X-Top: first\n\tfolded\nSubject: changed\nX-Old: 1\nX-Added: at the end\nX-New: by change\n\nhello\n"
    assert after_received == wanted


def test_quarantine_is_junk(milter: Scripted, tmp_path: Path) -> None:
    one = milter({b"E": [packets.encode(b"q", packets.texts("looks bad")), packets.encode(b"c")]})
    _, (message,) = session(tmp_path, one)
    assert b"\nX-Junk: milter: looks bad\n" in message


def test_every_milter_is_asked_until_one_refuses(milter: Scripted, tmp_path: Path) -> None:
    first, second = milter(), milter({b"E": [packets.encode(b"r")]})
    said, _ = session(tmp_path, first, second)
    assert said[-2] == "550"
    assert first.commands() == "OCHMRTLLLNBEQ" and second.commands() == "OCHMRTLLLNBEQ"


def test_second_message_of_a_session(milter: Scripted, tmp_path: Path) -> None:
    one = milter()
    home = world(tmp_path / "home", {"policy": ["milter"], "milters": [one.place]})
    talk(home, MESSAGE[0], b"MAIL FROM:<a@example.net>\r\n", b"RSET\r\n", *MESSAGE[1:])
    assert one.commands() == "OCHMAMRTLLLNBEQ"


@pytest.mark.parametrize(
    "answers",
    [
        {b"O": [b"hang up"]},
        {b"O": [b"\0\0\0\0"]},
        {b"O": [b"\xff\xff\xff\xff"]},
        {b"O": [packets.encode(b"O", b"\0\0\0\x06\0\0\0\xff\0\0\0\0")]},
        {b"M": [b"hang up"]},
        {b"M": [packets.encode(b"?")]},
        {b"M": [reply(b"250 fine")]},
        {b"E": [packets.encode(b"b", b"new body"), packets.encode(b"c")]},
        {b"E": [packets.encode(b"h", b"half"), packets.encode(b"c")]},
    ],
)
def test_a_broken_milter_costs_no_message(
    answers: dict[bytes, list[bytes]], milter: Scripted, tmp_path: Path, lines: list[str]
) -> None:
    said, messages = session(tmp_path, milter(answers))
    assert said[-2] == "250" and len(messages) == 1
    assert [line for line in lines if line.startswith("policy ") and "by=milter" in line]


def test_a_milter_that_must_answer_defers_when_it_is_away(tmp_path: Path) -> None:
    home = world(tmp_path, {"policy": ["milter must"], "milters": ["unix:/nonexistent", "inet:127.0.0.1:1"]})
    assert replies(talk(home, *MESSAGE))[0].startswith("421 4.3.0")


@given(
    st.lists(st.tuples(st.sampled_from([b"c", b"y"]), st.binary(max_size=40)), max_size=5), st.lists(st.integers(1, 9))
)
def test_packets_however_cut(wanted: list[tuple[bytes, bytes]], cuts: list[int]) -> None:
    octets = b"".join(packets.encode(command, data) for command, data in wanted)
    reader, found = packets.Packets(), []
    for size in [*cuts, len(octets)]:
        reader.feed(octets[:size])
        octets = octets[size:]
        while (packet := reader.packet()) is not None:
            found.append(packet)
    assert found == wanted


@pytest.mark.parametrize(
    ("command", "told", "header"),
    [
        (b"h", b"X-New\0 a\nBcc: x@y\n\nbody\0", b"X-New: a\n\tBcc: x@y\n\tbody\n"),
        (b"h", b"X-New\0a\r\n b\rc\r\n\0", b"X-New: a\n bc\n"),
        (b"i", b"\0\0\0\1X-New\0\r\n\r\nbody\0", b"X-New: \n\tbody\n"),
        (b"m", b"\0\0\0\1Subject\0a\nTo: x@y\0", b"Subject: a\n\tTo: x@y\n"),
    ],
)
def test_a_milter_adds_one_field_at_a_time(
    milter: Scripted, tmp_path: Path, command: bytes, told: bytes, header: bytes
) -> None:
    said, (message,) = session(tmp_path, milter({b"E": [packets.encode(command, told), packets.encode(b"a")]}))
    assert said[-2:] == ["250", "221"]
    block, _, body = message.partition(b"\n\n")
    assert header in block + b"\n" and body == b"hello\n"


@pytest.mark.parametrize(
    "told", [b"X-New\0", b"X\0y\0z\0", b"\0y\0", b"X: y\nZ\0v\0", b"X-\xff\0v\0", b"", b"no end"], ids=repr
)
def test_what_is_no_field_counts_as_a_milter_that_failed(milter: Scripted, tmp_path: Path, told: bytes) -> None:
    said, messages = session(tmp_path, milter({b"E": [packets.encode(b"h", told), packets.encode(b"a")]}), mode="must")
    assert said[-2:] == ["451", "221"] and messages == []


def test_a_milter_that_asks_for_patience_for_ever_is_left(milter: Scripted, tmp_path: Path) -> None:
    home = world(tmp_path / "home", {
        "policy": ["milter must"], "milters": [milter({b"E": itertools.repeat(packets.encode(b"p"))}).place],
        "policytime": ["1"],
    })  # fmt: skip
    assert codes(talk(home, *MESSAGE))[-2:] == ["451", "221"]

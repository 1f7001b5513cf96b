"""mailkit-why: the life of a message from every kind of log."""

from __future__ import annotations

import gzip
import json
import os
import string
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailkit import log
from mailkit.exits import Temp
from mailkit.programs import why
from mailkit.trace import life, source, words
from mailkit.trace import line as lines_of
from tests.harness import fakeclock
from tests.harness.homes import make_home
from tests.harness.servers import environment, program

STORY = """\
connect c=aaa111 service=mx peer=192.0.2.9
close c=aaa111 ms=4
connect c=aaa111 service=submission peer=192.0.2.7
login c=aaa111 service=submission peer=192.0.2.7 mech=PLAIN user=carol@example.test verdict=ok ms=70
accept c=aaa111 q=e000 from=<carol@example.test> to=<other@example.net> recipients=1 size=10 msgid=<0@x>
policy c=aaa111 moment=data by=rate verdict=note text="many messages"
connect c=bbb222 service=mx peer=198.51.100.3
refuse c=bbb222 peer=198.51.100.3 id=bbb222-1 verb=RCPT argument=TO:<nobody@example.test> code=550 by=route-unknown text="<nobody@example.test>: no such user here"
accept c=aaa111 q=e1 from=<carol@example.test> to=<team@example.test> recipients=1 size=4200 user=carol@example.test msgid=<m1@x>
program q=e1 to=team@example.test command=./sort status=0 said="looks fine"
deliver q=e1 to=team@example.test by=local verdict=ok code=2.0.0 said="sent on to 2 as e2" ms=3
close c=aaa111 ms=90
deliver q=e2 to=bob@example.test by=local verdict=ok code=2.0.0 said="delivered to INBOX" file=1.M2P3.vm ms=8
session q=e2 c=ccc333 host=mx.example.net ip=203.0.113.5 port=25 tls=TLSv1.3
deliver q=e2 to=dave@example.net by=remote verdict=temp code=4.2.1 said="450 4.2.1 greylisted, come back" remote=mx.example.net ms=80
defer q=e2 attempts=1 due=1795309500 left=1 alone=1
deliver q=e2 to=dave@example.net by=remote verdict=perm code=5.1.1 said="550 5.1.1 no such user" remote=mx.example.net ms=80
report q=e2 kind=failed to=carol@example.test report=e3
deliver q=e3 to=carol@example.test by=local verdict=ok code=2.0.0 said="delivered to INBOX" ms=8
"""
FIRST = 1795309200.0


def iso(second: int, zone: str = "Z") -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(FIRST + second)) + zone


PREFIXES = {
    "up": lambda i: iso(i, ".012Z") + " smtpd: ",
    "journal": lambda i: iso(i, ".012345+0000") + " host mailkit-smtpd[812]: ",
    "syslog": lambda i: time.strftime("%b %e %H:%M:%S", time.localtime(FIRST + i)) + " host mailkit-smtpd[812]: ",
    "tai64n": lambda i: f"@{(1 << 62) + 10 + int(FIRST) + i:016x}00b71b00 ",
    "bare": lambda i: "",
}


def written(path: Path, kind: str = "up", story: str = STORY) -> Path:
    text = "".join(f"{PREFIXES[kind](i)}{one}\n" for i, one in enumerate(story.splitlines()))
    path.write_text("-- a line of somebody else --\nkernel: eth0: up\n" + text)
    return path


def run(capsys: pytest.CaptureFixture[str], home: str, *arguments: str, status: int = 0) -> str:
    assert why.main(["--home", home, *arguments]) == status
    return capsys.readouterr().out


def records(capsys: pytest.CaptureFixture[str], log_path: Path, wanted: str, *more: str) -> list[dict[str, object]]:
    out = run(capsys, str(log_path.parent), "--json", "--log", str(log_path), *more, wanted)
    return [json.loads(one) for one in out.splitlines()]


@pytest.mark.parametrize("kind", PREFIXES)
def test_a_life_is_told_in_order_from_any_log(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fakeclock.install(monkeypatch, FIRST + 3600)
    found = records(capsys, written(tmp_path / "mail.log", kind), "<m1@x>")
    assert [(one["id"], one["state"]) for one in found] == [("e1", "delivered"), ("e2", "failed"), ("e3", "delivered")]
    first = found[0]["events"]
    assert isinstance(first, list)
    assert [one["word"] for one in first] == ["connect", "login", "policy", "accept", "program", "deliver"]
    assert first[0]["fields"]["peer"] == "192.0.2.7", "a connection begins at its own connect"
    times = [one["time"] for one in first]
    assert times == ([None] * 6 if kind == "bare" else sorted(times))
    if kind != "bare":
        assert int(times[0]) == int(FIRST) + 2


def test_what_a_dot_file_sends_on_is_followed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = "delivered as the user's own file says; sent on to 2 as e2 e3"
    log_path = written(tmp_path / "log", story=STORY.replace("sent on to 2 as e2", said).replace("report=e3", "report=e9"))
    assert [one["id"] for one in records(capsys, log_path, "m1@x")] == ["e1", "e2", "e3"]


@pytest.mark.parametrize(
    ("last", "state"),
    [
        ("defer q=e1 attempts=1 due=1795309500 left=1", "waiting"),
        ("report q=e1 kind=delayed to=carol@example.test report=e9\ndefer q=e1 attempts=1 due=1795309500 left=1", "waiting"),
        ("report q=e1 kind=failed to=carol@example.test report=e9", "failed"),
        ("report q=e1 kind=failed to=carol@example.test report=e9\ndefer q=e1 attempts=1 due=1795309500 left=1", "waiting"),
    ],
)
def test_what_could_not_be_delivered_for_now_waits_until_it_is_given_up(
    last: str, state: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tried = "deliver q=e1 to=dave@example.net by=remote verdict=temp code=4.2.1 said=later ms=80\n"
    (found,) = records(capsys, written(tmp_path / "log", story=f"{tried}{last}\n"), "e1")
    assert found["state"] == state


def test_words_for_people(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = run(capsys, str(tmp_path), "--log", str(written(tmp_path / "log")), "dave@example.net")
    assert text.startswith("message e2: failed\n")
    for told in (
        "delivered to bob@example.test: delivered to INBOX (1.M2P3.vm)",
        "connected to mx.example.net [203.0.113.5], TLSv1.3",
        "not delivered to dave@example.net yet; mx.example.net said: 4.2.1 450 4.2.1 greylisted, come back",
        "waits for 1 of its recipients after attempt 1; 1 not tried, as their destination is left alone; next at ",
        "cannot be delivered to dave@example.net; mx.example.net said: 5.1.1 550 5.1.1 no such user",
        "carol@example.test was told (failed) by the message e3",
    ):
        assert told in text, text
    assert "the program ./sort ended with status 0: looks fine" in run(capsys, str(tmp_path), "e1")


def test_what_was_refused_is_told_of_its_connection(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log_path = written(tmp_path / "log")
    for wanted in ("nobody@example.test", "bbb222-1", "bbb222"):
        (found,) = records(capsys, log_path, wanted)
        assert (found["kind"], found["id"], found["state"]) == ("connection", "bbb222", "refused")
    assert "refused RCPT TO:<nobody@example.test>: 550" in run(capsys, str(tmp_path), "nobody@example.test")


def test_what_is_still_queued_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = make_home(tmp_path)
    story = "\n".join(STORY.splitlines()[:16])
    written(tmp_path / "log", story=story)
    assert "not in the queue any more" in run(capsys, home.path, "e2")
    (tmp_path / "queue/hold/1795309500.1.e2,S=3").write_bytes(b"")
    assert "message e2: waiting" in (text := run(capsys, home.path, "e2")) and "it is held" in text


def test_the_journal_is_read_where_there_is_no_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path / "kept", "journal")
    journalctl = tmp_path / "journalctl"
    journalctl.write_text(f'#!/bin/sh\ncase "$*" in *mailkit*) exec cat {tmp_path}/kept;; esac\nexit 1\n')
    journalctl.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with source.journal() as log_of_units:
        (first, *_), total = life.find(log_of_units, "e1", 10)
    assert (first.id, first.state, total) == ("e1", "delivered", 2), "e1, and e2 which its line names"
    journalctl.write_text("#!/bin/sh\nexit 1\n")
    with pytest.raises(Temp):
        source.journal()


def test_only_the_newest_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = records(capsys, written(tmp_path / "log"), "carol@example.test", "--last", "1")
    assert [one["id"] for one in found] == ["e3"]


def test_rotated_and_packed_logs_are_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = written(tmp_path / "whole").read_bytes()
    cut = whole.index(b"deliver q=e1")
    cut = whole.rindex(b"\n", 0, cut) + 1
    (tmp_path / "log.1.gz").write_bytes(gzip.compress(whole[:cut]))
    (tmp_path / "log").write_bytes(whole[cut:])
    both = ("--log", str(tmp_path / "log"), "--log", str(tmp_path / "log.1.gz"), "e1")
    assert run(capsys, str(tmp_path), *both) == run(capsys, str(tmp_path), "--log", str(tmp_path / "whole"), "e1")


def test_standard_input_and_unknown_things(tmp_path: Path) -> None:
    text = written(tmp_path / "x").read_bytes()
    for wanted, status in (("e1", 0), ("e9", 100)):
        command = program("why", "--home", str(tmp_path), "--log", "-", wanted)
        done = subprocess.run(command, input=text, capture_output=True, env=environment(), check=False)
        assert done.returncode == status, done.stderr
        assert (b"message e1" in done.stdout) == (status == 0)


def test_a_home_without_log_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert why.main(["--home", str(tmp_path), "e1"]) == 100
    assert "--log" in capsys.readouterr().err
    assert why.main(["--home", str(tmp_path), "--log", str(tmp_path / "missing"), "e1"]) == 111


@pytest.mark.parametrize("ids", [{b"e1"}, {b"e1", *(b"f%d" % i for i in range(30))}])
@pytest.mark.parametrize("chunk", [1, 100, 1 << 20])
def test_pieces_of_any_size_give_the_same_lines(ids: set[bytes], chunk: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "_CHUNK", chunk)
    with open(written(tmp_path / "log"), "rb") as file:
        opened = source.Source([file])
        assert [lines_of.parse(one).word for one in opened.about(ids)] == ["accept", "program", "deliver"]  # type: ignore[union-attr]
        assert len(list(opened.holding(b"E1 "))) == 3


KEYS = st.text(string.ascii_lowercase, min_size=1, max_size=8)


@given(st.dictionaries(KEYS, st.text(st.characters(exclude_categories=["Cs"]), max_size=40), min_size=1, max_size=5))
def test_what_the_log_wrote_is_read_back(fields: dict[str, str]) -> None:
    kept: list[str] = []
    old, log.sink = log.sink, kept.append
    try:
        log.event("word", **fields)
    finally:
        log.sink = old
    found = lines_of.parse(kept[0].encode("utf-8", "backslashreplace"))
    assert found is not None and found.word == "word" and found.fields == fields


@given(st.binary(max_size=200))
def test_no_line_breaks_the_reader(octets: bytes) -> None:
    for prefix in (b"", b"deliver q=", b"@40000000", b"2026-13-45T99:99:99Z x: word k=", b"Feb 30 00:00:00 word k="):
        found = lines_of.parse(prefix + octets.replace(b"\n", b""))
        assert found is None or words.sentence(found)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("connect c=a service=mx peer=192.0.2.7", "192.0.2.7 connected (mx)"),
        ("connect c=a service=local", "somebody on this machine connected (local)"),
        ("connect q=a host=mx.example.net ip=192.0.2.1 error=refused", "mx.example.net [192.0.2.1] could not be reached: refused"),
        ("close c=a ms=3", "the connection was closed"),
        ("close c=a messages=2 ended=quit ms=3", "the session ended (quit), 2 messages taken"),
        ("login c=a user=bob@x.test mech=PLAIN verdict=ok", "logged in as bob@x.test (PLAIN)"),
        ("login c=a user=bob@x.test mech=PLAIN verdict=password", "login as bob@x.test refused: password"),
        ("tls c=a error=eof", "the TLS handshake failed: eof"),
        ("forwarded c=a name=mx addr=192.0.2.3", "a front end passed it on for mx [192.0.2.3]"),
        ("policy c=a by=rate skipped=time", "the check rate could not be made: time"),
        ("session q=a host=mx kept=yes", "went over the open connection to mx"),
        ("session q=a host=mx ip=192.0.2.1 tls=no", "connected to mx [192.0.2.1], without TLS"),
        ("session q=a host=mx ip=192.0.2.1 code=554 said=no", "mx [192.0.2.1] wanted none: 554 no"),
        ("drop q=a uid=33", "taken from the drop directory, where uid 33 had left it, as a"),
        ("report q=a kind=failed about=x@y said=null-sender", "nobody to tell that x@y is failed: null-sender"),
        ("report c=a kind=limit to=p@x about=bob@x report=e9", "bob@x reached a limit; p@x was told"),
        ("later q=a remote=mx to=x@y code=4.2.0 said=busy", "mx said of x@y: 4.2.0 busy; another host was asked"),
        ("defer q=a attempts=2 due=1795309500 left=3", f"waits for 3 of its recipients after attempt 2; next at {words.clock_time(1795309500)}"),
        ("queue q=e1 operation=recover verdict=queued", "found whole in queue/tmp after a crash, and queued"),
        ("queue q=e1 operation=adopt to=b@x", "no plain delivery to b@x any more: an entry of the queue from here on"),
        ("queue q=e1 operation=ready error=full instead=entry",
         "could not be left for its mailbox: full; an entry of the queue instead"),
        ("queue q=e1 operation=mark error=full", "the queue could not be written: full"),
    ],
)  # fmt: skip
def test_each_event_as_a_sentence(text: str, told: str) -> None:
    found = lines_of.parse(text.encode())
    assert found is not None and words.sentence(found) == told


def test_an_empty_log_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """As mailkit-setup makes it, for a shell to write to: where a journal has the lines, they are looked for there."""
    monkeypatch.setattr(why.shutil, "which", lambda name: None)
    (tmp_path / "log").touch()
    assert why.main(["--home", str(tmp_path), "bob@example.test"]) == 100
    assert f"{tmp_path}/log is missing or empty" in capsys.readouterr().err

"""Dialogues as text files, replayed whole, octet by octet and cut at random.

    # a comment
    S: 220 mail.example.test ESMTP          the server's line, to the letter
    C: EHLO client.example                  the client's line; CRLF is added
    S~ 250[- ].*                            a regular expression for one line
    S*                                      any number of lines (until the next S line matches)
    C- {5}                                  text without line end
    C~ \\x00\\xff\\r\\n                     octets, with Python's escapes
    X: starttls                             here the server takes the connection to TLS
    W: wake                                 a watch fires while the server waits
    E:                                      the client closes

The lines of the client up to the next server line are one block: it is sent when all the server lines before it have
been seen. At the end the server must have written exactly the S lines, and returned.
"""

from __future__ import annotations

import ast
import os
import random
import re
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

from mailkit.net.conn import Closing, Elsewhere, Gone


class FakeTls:
    """TLS facts that nobody negotiated."""

    version = "TLSv1.3"
    cipher = "TLS_AES_256_GCM_SHA384"
    sni = ""

    def __init__(self, client_cert: bytes | None = None, bindings: dict[str, bytes] | None = None) -> None:
        self.client_cert = client_cert
        self.server_cert: bytes | None = None
        self.bindings = bindings or {}

    def binding(self, kind: str) -> bytes | None:
        return self.bindings.get(kind)


class FakeWatch:
    def __init__(self, conn: FakeConn, directories: list[str]) -> None:
        self.conn = conn
        self.directories = directories
        conn.watches.append(self)

    def close(self) -> None:
        if self in self.conn.watches:
            self.conn.watches.remove(self)


class FakeConn:
    """A connection in memory that never suspends.

    `incoming` is an iterator of what `more` gives: octets, None (a wake), a Closing to raise, or a callable which is
    called first and whose result is taken instead. When it ends, the client has closed.
    """

    def __init__(
        self,
        incoming: Iterator[Any] | list[Any] = (),  # type: ignore[assignment]
        *,
        service: str = "mx",
        peer: str = "192.0.2.1",
        tls: FakeTls | None = None,
        can_starttls: bool = True,
    ) -> None:
        self.incoming = iter(incoming)
        self.id = "c0ffee"
        self.service = service
        self.peer = peer
        self.peer_port = 54321
        self.local = "192.0.2.25"
        self.local_port = 25
        self.tls = tls
        self.can_starttls = can_starttls and tls is None
        self.idle_s = 300.0
        self.outcome: dict[str, object] = {}
        self.output = bytearray()
        self.events: list[str] = []
        self.paused_s = 0.0
        self.watches: list[FakeWatch] = []
        self.handed_over: list[tuple[dict[str, str], bytes]] = []
        self.on_starttls: Callable[[], None] | None = None
        self.fact: Any = None
        self._queued: list[bytes] = []

    async def more(self, wake: bool = False) -> bytes | None:
        self._push()
        item = next(self.incoming, b"")
        while callable(item):
            item = item()
        if isinstance(item, BaseException):
            raise item
        if item is None:
            assert wake, "a wake reached a session that was not waiting for one"
            assert self.watches, "a wake without a watch"
        return item  # type: ignore[no-any-return]

    def write(self, data: bytes) -> None:
        self._queued.append(bytes(data))

    async def flush(self) -> None:
        self._push()

    def _push(self) -> None:
        self.output += b"".join(self._queued)
        self._queued.clear()

    async def starttls(self) -> None:
        self._push()
        assert self.can_starttls
        self.can_starttls = False
        self.tls = FakeTls()
        self.events.append("starttls")
        if self.on_starttls is not None:
            self.on_starttls()

    async def offload(self, function: Callable[..., Any], *args: Any) -> Any:
        return function(*args)

    async def alongside(self, function: Callable[..., Any], *args: Any) -> Any:
        self._push()
        return await self.offload(function, *args)

    async def pause(self, seconds: float) -> None:
        self.paused_s += seconds

    def watch(self, directories: list[str]) -> FakeWatch:
        return FakeWatch(self, directories)

    def tie(self, fact: Any) -> None:
        self.fact = fact

    def untie(self) -> None:
        self.fact = None

    alone = False

    async def hand_over(self, words: dict[str, str], rest: bytes) -> None:
        self._push()
        self.handed_over.append((words, rest))
        raise Elsewhere


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine that never suspends."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    coroutine.close()
    raise AssertionError("the session suspended on something that is no connection")


class Step:
    """One block: what the server says, then what the client sends (or does)."""

    def __init__(self) -> None:
        self.expect: list[tuple[str, str]] = []
        self.send = b""
        self.action = ""


def parse(text: str) -> list[Step]:
    steps = [Step()]
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        mark, rest = line[:2], line[3:]
        step = steps[-1]
        if mark in ("S:", "S~", "S*"):
            if step.send or step.action:
                steps.append(step := Step())
            step.expect.append((mark, rest))
        elif mark in ("C:", "C-", "C~"):
            if step.action:
                steps.append(step := Step())
            if mark == "C~":
                step.send += ast.literal_eval("b'" + rest.replace("'", "\\'") + "'")
            else:
                step.send += rest.encode() + (b"\r\n" if mark == "C:" else b"")
        elif mark in ("E:", "X:", "W:"):
            if step.send or step.action:
                steps.append(step := Step())
            step.action = {"E:": "close", "W:": "wake"}.get(mark, rest.strip())
        else:
            raise AssertionError(f"line {number}: {line!r} is no transcript line")
    return steps


def _matches(expect: list[tuple[str, str]], lines: list[str]) -> bool:
    if not expect:
        return not lines
    mark, text = expect[0]
    if mark == "S*":
        return any(_matches(expect[1:], lines[i:]) for i in range(len(lines) + 1))
    if not lines:
        return False
    fits = lines[0] == text if mark == "S:" else re.fullmatch(text, lines[0]) is not None
    return fits and _matches(expect[1:], lines[1:])


def replay(
    session: Callable[[Any], Coroutine[Any, Any, Any]],
    dialogue: str | os.PathLike[str],
    fresh: Callable[[], None] | None = None,
    **conn_kwargs: Any,
) -> None:
    """Replay a dialogue (text, or the path of a file) in every way of cutting it.

    session: called with the connection for each replay; fresh: called before each, to make the world anew.
    """
    text = dialogue if isinstance(dialogue, str) and "\n" in dialogue else open(dialogue, encoding="utf-8").read()
    steps = parse(text)
    cuts: list[Callable[[bytes], list[bytes]]] = [lambda data: [data], _octets]
    cuts += [_at_random(random.Random(seed)) for seed in range(20)]
    for cut in cuts:
        if fresh is not None:
            fresh()
        _once(session, steps, cut, conn_kwargs)


def _octets(data: bytes) -> list[bytes]:
    return [data[i : i + 1] for i in range(len(data))]


def _at_random(chance: random.Random) -> Callable[[bytes], list[bytes]]:
    def cut(data: bytes) -> list[bytes]:
        places = sorted({chance.randrange(1, len(data)) for _ in range(chance.randrange(4))}) if len(data) > 1 else []
        return [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True)]

    return cut


def _once(session: Any, steps: list[Step], cut: Callable[[bytes], list[bytes]], conn_kwargs: dict[str, Any]) -> None:
    seen = 0
    dialogue: list[str] = []

    def check(step: Step, strict: bool = True) -> None:
        nonlocal seen
        said = bytes(conn.output[seen:])
        seen = len(conn.output)
        lines = said.decode("utf-8", "surrogateescape").split("\r\n")
        tail = lines.pop()
        assert tail == "", f"the server ended in the middle of a line: {tail!r}"
        dialogue.extend(f"S: {line}" for line in lines)
        wanted = "\n".join(f"{mark} {text}" for mark, text in step.expect)
        assert _matches(step.expect, lines), "after\n{}\nwanted\n{}\ngot\n{}".format(
            "\n".join(dialogue[: len(dialogue) - len(lines)][-12:]), wanted, "\n".join(lines)
        )

    def incoming() -> Iterator[Any]:
        for i, step in enumerate(steps):
            check(step)
            if step.action == "starttls":
                assert "starttls" in conn.events, "the server did not start TLS"
                conn.events.remove("starttls")
            elif step.action == "wake":
                yield None
            elif step.action == "close":
                yield b""
            elif step.send:
                dialogue.append("C: " + step.send.decode("utf-8", "backslashreplace"))
                yield from cut(step.send)
            elif i < len(steps) - 1:
                raise AssertionError("an empty step")
            progress[0] = i + 1

    progress = [0]
    conn = FakeConn((), **conn_kwargs)
    conn.incoming = incoming()
    try:
        run(session(conn))
    except Gone:
        pass
    except Closing as why:
        raise AssertionError(f"the session let {why!r} through") from why
    conn._push()
    rest = steps[progress[0] :] if progress[0] < len(steps) else []
    # The last block's answer arrives after its octets are consumed; a session that ends there never asks for more.
    if progress[0] < len(steps) and (steps[progress[0]].send or steps[progress[0]].action):
        rest = rest[1:]
    if rest:
        check(rest[0])
        assert len(rest) == 1 and not rest[0].send, f"the server ended before: {rest[0].send!r}"
    else:
        assert bytes(conn.output[seen:]) == b"", f"the server said more: {bytes(conn.output[seen:])!r}"

"""milter: asks outside programs over the milter protocol, as Sendmail and Postfix do (control/milters).

    inet:127.0.0.1:8891
    unix:/run/opendkim/opendkim.sock

One connection to each milter for each session. A milter may refuse at every moment, add, insert, change and delete
header fields, and quarantine, which here means junk. Changing the body, the sender or the recipients is not offered.
A milter that cannot be reached is passed over, or means 451 where control/policy says `must`.
"""

from __future__ import annotations

import socket

from mailkit import clock
from mailkit.exits import Temp
from mailkit.mail import header as headers
from mailkit.policy import packets
from mailkit.policy.verdict import DEFER, REJECT, Verdict, defer, junk, reject
from mailkit.smtp.reply import split_status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from mailkit.policy.facts import Facts

_STATE = "milter"
_RECEIVE_OCTETS = 65536
# Replies that end a command; b"p" (progress) only asks for patience.
_VERDICTS = (b"c", b"a", b"r", b"d", b"t", b"y", b"s")


async def connect(facts: Facts) -> Verdict | None:
    """Open the connections."""
    if facts.service == "lmtp":
        return None
    return await _all(facts, Link.connect)


async def helo(facts: Facts) -> Verdict | None:
    """SMFIC_HELO."""
    return await _all(facts, Link.helo)


async def mail(facts: Facts) -> Verdict | None:
    """SMFIC_MAIL."""
    return await _all(facts, Link.mail)


async def rcpt(facts: Facts) -> Verdict | None:
    """SMFIC_RCPT."""
    return await _all(facts, Link.rcpt)


async def data(facts: Facts) -> Verdict | None:
    """The message: SMFIC_DATA, headers, body, end."""
    return await _all(facts, Link.data)


async def _all(facts: Facts, ask: Callable[[Link, Facts], Verdict | None]) -> Verdict | None:
    """Ask every milter at one moment; the first refusal counts, a wish for junk is kept while the others are asked."""
    kept: Verdict | None = None
    for link in _links(facts):
        if link.over or (link.passed and ask not in (Link.connect, Link.helo, Link.mail)):
            continue
        try:
            found = await facts.offload(ask, link, facts)
        except (OSError, ValueError, packets.Broken) as error:
            link.close()
            raise Temp("a milter is not available", detail=f"milter {link.place}: {error or type(error).__name__}")
        if isinstance(found, Verdict):
            if found.kind in (REJECT, DEFER):
                return found
            kept = kept or found
    return kept


def _links(facts: Facts) -> list[Link]:
    links = facts.state.get(_STATE)
    if links is None:
        links = [Link(place) for place in facts.home.control.lines("milters")]
        facts.state[_STATE] = links
        facts.closers += [link.quit for link in links]
    assert isinstance(links, list)
    return links


class Link:
    """The connection to one milter. over: it said all it has to say of this session; passed: of this message."""

    __slots__ = ("_actions", "_packets", "_socket", "_steps", "in_message", "over", "passed", "place")

    def __init__(self, place: str) -> None:
        self.place = place
        self._socket: socket.socket | None = None
        self._packets = packets.Packets()
        self._actions = self._steps = 0
        self.over = self.passed = self.in_message = False

    def connect(self, facts: Facts) -> Verdict | None:
        """Reach the milter, agree on what it wants, tell who the client is."""
        self.agree(facts.deadline)
        me = facts.home.control.text("me")
        self._send(packets.macros(b"C", {"j": me, "{daemon_name}": facts.service, "v": "mailkit"}))
        name = facts.peer_name or (f"[{facts.peer}]" if facts.peer else "localhost")
        sent = packets.connect(name, facts.peer, facts.peer_port)
        return self._step(facts, sent, packets.NO_CONNECT, packets.NR_CONNECT)

    def agree(self, deadline: float) -> None:
        """Reach the milter, and agree on what it wants. OSError, Broken, ValueError."""
        self._socket = _reached(self.place, deadline)
        self._send(packets.options(packets.ACTIONS, packets.STEPS))
        self._actions, self._steps = packets.negotiated(*self._packet(deadline))

    def helo(self, facts: Facts) -> Verdict | None:
        """Tell the client's name."""
        if facts.tls is not None:
            tls = {"{tls_version}": facts.tls.version, "{cipher}": facts.tls.cipher}
            self._send(packets.macros(b"H", tls))
        return self._step(facts, packets.encode(b"H", packets.texts(facts.helo)), packets.NO_HELO, packets.NR_HELO)

    def mail(self, facts: Facts) -> Verdict | None:
        """A message begins; one that was given up is dropped."""
        if self.in_message:
            self._send(packets.encode(b"A"))
        self.in_message, self.passed = True, False
        macros = {"i": facts.id, "{mail_addr}": facts.sender, "{auth_authen}": facts.account}
        if facts.account:
            macros["{auth_type}"] = "SASL"
        self._send(packets.macros(b"M", macros))
        sent = packets.encode(b"M", packets.texts(f"<{facts.sender}>"))
        return self._step(facts, sent, packets.NO_MAIL, packets.NR_MAIL)

    def rcpt(self, facts: Facts) -> Verdict | None:
        """A recipient."""
        self._send(packets.macros(b"R", {"{rcpt_addr}": facts.recipient}))
        sent = packets.encode(b"R", packets.texts(f"<{facts.recipient}>"))
        return self._step(facts, sent, packets.NO_RCPT, packets.NR_RCPT)

    def data(self, facts: Facts) -> Verdict | None:
        """The message from DATA to its end."""
        found = self._step(facts, packets.encode(b"T"), packets.NO_DATA, packets.NR_DATA)
        if found is None and not self.passed:
            found = self._header(facts)
        if found is None and not self.passed:
            found = self._body(facts)
        if found is None and not self.passed:
            found = self._end(facts)
        self.in_message = False
        return found

    def _header(self, facts: Facts) -> Verdict | None:
        assert facts.message is not None
        if not self._steps & packets.NO_HEADERS:
            for raw in headers.raw_fields(facts.message.header):
                name, _, value = raw.removesuffix(b"\n").partition(b":")
                if not self._steps & packets.LEADING_SPACE:
                    value = value.removeprefix(b" ")
                found = self._step(facts, packets.header(name, value), 0, packets.NR_HEADER)
                if found is not None or self.passed:
                    return found
        return self._step(facts, packets.encode(b"N"), packets.NO_END_OF_HEADERS, packets.NR_END_OF_HEADERS)

    def _body(self, facts: Facts) -> Verdict | None:
        assert facts.message is not None
        if self._steps & packets.NO_BODY:
            return None
        for piece in facts.message.body():
            wire = piece.replace(b"\n", b"\r\n")
            for at in range(0, len(wire), packets.BODY_MOST):
                sent = packets.encode(b"B", wire[at : at + packets.BODY_MOST])
                answer = self._answer(facts, sent, 0, packets.NR_BODY)
                if answer == (b"s", b""):
                    return None
                found = self._verdict(*answer)
                if found is not None or self.passed:
                    return found
        return None

    def _end(self, facts: Facts) -> Verdict | None:
        """The end of the message: the milter tells what it wants changed, then its verdict."""
        self._send(packets.encode(b"E"))
        quarantined: Verdict | None = None
        while True:
            command, told = self._packet(facts.deadline)
            if command == b"q" and self._actions & packets.QUARANTINE:
                quarantined = junk((packets.split(told) or ["quarantined"])[0])
            elif command in _VERDICTS:
                return self._verdict(command, told) or quarantined
            elif command != b"p":
                _change(facts, command, told)

    def _step(self, facts: Facts, sent: bytes, left_out: int, unanswered: int) -> Verdict | None:
        return self._verdict(*self._answer(facts, sent, left_out, unanswered))

    def _answer(self, facts: Facts, sent: bytes, left_out: int, unanswered: int) -> tuple[bytes, bytes]:
        """Send a command unless the milter wants it left out; its reply, or "continue" where it gives none."""
        if self._steps & left_out:
            return b"c", b""
        self._send(sent)
        if self._steps & unanswered:
            return b"c", b""
        while True:
            command, told = self._packet(facts.deadline)
            if command in _VERDICTS:
                return command, told
            if command != b"p":
                raise packets.Broken(f"reply {command!r}")

    def _verdict(self, command: bytes, told: bytes) -> Verdict | None:
        if command == b"a":
            # Before MAIL it holds for the session, then for the message.
            self.passed = True
            self.over = not self.in_message
            return None
        if command == b"r":
            return reject("5.7.1", "refused by a filter")
        if command == b"t":
            return defer("4.7.1", "a filter asks you to try again later")
        if command == b"d":
            # Discarding silently is nothing we do: the sender is told.
            return reject("5.7.1", "refused by a filter", detail="discard")
        if command == b"y":
            return _reply(told)
        return None

    def _send(self, octets: bytes) -> None:
        if self._socket is None:
            raise packets.Broken("not connected")
        self._socket.sendall(octets)

    def _packet(self, deadline: float) -> tuple[bytes, bytes]:
        assert self._socket is not None
        while (packet := self._packets.packet()) is None:
            left_s = deadline - clock.monotonic()
            if left_s <= 0:  # however often it asks for patience
                raise packets.Broken("took too long")
            self._socket.settimeout(left_s)
            data = self._socket.recv(_RECEIVE_OCTETS)
            if not data:
                raise packets.Broken("closed the connection")
            self._packets.feed(data)
        return packet

    def quit(self) -> None:
        """The session is over."""
        if self._socket is not None:
            try:
                self._send(packets.encode(b"Q"))
            except OSError:
                pass  # it is gone already
        self.close()

    def close(self) -> None:
        """No more of this milter in this session."""
        self.over = True
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def parse(place: str) -> tuple[str, int]:
    """Host and port of inet:HOST:PORT, path and 0 of unix:PATH. ValueError."""
    kind, _, rest = place.partition(":")
    if kind == "unix" and rest.startswith("/"):
        return rest, 0
    host, _, port = rest.rpartition(":")
    if kind != "inet" or not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError(f"{place!r} is neither inet:HOST:PORT nor unix:/PATH")
    return host.strip("[]"), int(port)


def _reached(place: str, deadline: float) -> socket.socket:
    """A connection to inet:HOST:PORT or unix:PATH. OSError, ValueError."""
    host, port = parse(place)
    wait_s = max(0.01, deadline - clock.monotonic())
    if port:
        return socket.create_connection((host, port), wait_s)
    end = socket.socket(socket.AF_UNIX)
    try:
        end.settimeout(wait_s)
        end.connect(host)
    except OSError:
        end.close()
        raise
    return end


def _reply(told: bytes) -> Verdict:
    """The verdict of a reply the milter made up: "550 5.7.1 text"."""
    text = (packets.split(told) or [""])[0].replace("%%", "%")
    code, words = text[:3], text[4:]
    if not (len(code) == 3 and code.isdigit() and code[0] in "45"):
        raise packets.Broken(f"reply code {code!r}")
    status, words = split_status(int(code), words.partition("\n")[0].rstrip("\r"))
    make = reject if code[0] == "5" else defer
    return make(status or f"{code[0]}.7.1", words or "refused by a filter", code=int(code))


def _change(facts: Facts, command: bytes, told: bytes) -> None:
    """Do what the milter wants done to the header. Broken for anything that was not agreed on."""
    assert facts.message is not None
    block = facts.message.header
    if command == b"h":
        name, value = packets.field(told)
        block = headers.appended(block, _field(name, value))
    elif command == b"i":
        at, (name, value) = int.from_bytes(told[:4], "big"), packets.field(told[4:])
        raw = headers.raw_fields(block)
        block = b"".join([*raw[:at], _field(name, value), *raw[at:]])
    elif command == b"m":
        at, (name, value) = int.from_bytes(told[:4], "big"), packets.field(told[4:])
        block = _changed(block, at, name, value)
    else:
        raise packets.Broken(f"wants {command!r}")
    facts.message.replace_header(block)


def _changed(block: bytes, number: int, name: str, value: str) -> bytes:
    """The block with the `number`th field of that name (from 1) changed, or deleted where `value` is empty."""
    raw, seen = headers.raw_fields(block), 0
    for i, field in enumerate(raw):
        if field.partition(b":")[0].strip().lower() != name.lower().encode():
            continue
        seen += 1
        if seen == max(number, 1):
            raw[i] = _field(name, value) if value else b""
            return b"".join(raw)
    return b"".join(raw) + (_field(name, value) if value else b"")


def _field(name: str, value: str) -> bytes:
    """A field with LF line ends. Lines that would be another field, or end the header, go on with this one."""
    first, *more = value.replace("\r", "").split("\n")
    folded = [line if line[:1] in (" ", "\t") else f"\t{line}" for line in more if line.strip()]
    text = "\n".join([first, *folded])
    blank = "" if text.startswith((" ", "\t")) else " "
    return f"{name}:{blank}{text}\n".encode("utf-8", "surrogateescape")



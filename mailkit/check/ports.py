"""The sockets of control/listen: does the right server greet there, with the right name and the right certificate?"""

from __future__ import annotations

import socket
import ssl
from concurrent.futures import ThreadPoolExecutor

from mailkit.check.finding import BAD, GOOD, NOTE, WARN, Finding, Site
from mailkit.net import sockets, tls
from mailkit.net.certificates import Certificates

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_WAIT_S = 3.0
_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}
_GREETINGS = {"imap": b"* OK", "pop3": b"+OK"}
_STARTTLS = {"imap": (b"a STARTTLS\r\n", b"a OK"), "pop3": (b"STLS\r\n", b"+OK"), "smtp": (b"STARTTLS\r\n", b"220")}


def check(site: Site) -> Iterator[Finding]:
    """All sockets at once, told in their order."""
    lines = site.home.control.lines("listen")
    wanted = [*sockets.understood(lines)]
    if not lines:
        yield Finding(NOTE, "control/listen is empty: ports that systemd or inetd hold are not looked at")
        return
    certificate = _certificate(site)
    with ThreadPoolExecutor(len(wanted) or 1) as pool:
        yield from pool.map(lambda one: _looked_at(site.me, certificate, *one), wanted)


def _certificate(site: Site) -> bytes:
    """The certificate that is to be shown to who asks for this host, DER; b"" when there is none."""
    known = Certificates(site.home)
    name = known.default()
    pair = known.pair(name) if name is not None else None
    if pair is None:
        return b""
    try:
        with open(pair[0], encoding="ascii", errors="replace") as file:
            return tls.leaf(file.read())
    except (OSError, ValueError):
        return b""  # check.certificates says so


def _looked_at(me: str, certificate: bytes, name: str, address: str, port: int) -> Finding:
    where = f"{name} on {address} port {port}"
    try:
        with socket.create_connection((_ANY.get(address, address), port), _WAIT_S) as end:
            return Visit(end, me, name, where, certificate).finding()
    except ConnectionRefusedError:
        return Finding(BAD, f"{where}: nobody listens", "start it: mailkit-up, or systemctl start mailkit.target")
    except (OSError, ValueError) as error:
        return Finding(BAD, f"{where}: {error}", "its log says more: mailkit-log(7)")


class Visit:
    """One connection to one socket."""

    def __init__(self, end: socket.socket, me: str, name: str, where: str, certificate: bytes) -> None:
        self._end = end
        self._me = me
        self._name = name
        self._protocol = name.removesuffix("s") if name[:4] in ("imap", "pop3") else "smtp"
        self._where = where
        self._certificate = certificate

    def finding(self) -> Finding:
        """Greeting and certificate judged. OSError, ValueError."""
        if self._name in sockets.IMPLICIT_TLS:
            shown = self._shaken()
            greeting = self._line()
        else:
            greeting = self._line()
            shown = self._upgraded() if self._certificate and self._name != "lmtp" else None
        wanted = _GREETINGS.get(self._protocol, b"220 " + self._me.encode())
        if not greeting.startswith(wanted):
            said = greeting.decode("ascii", "backslashreplace").strip()
            text = f"{self._where}: greets with {said!r} and not with {wanted.decode()!r}"
            return Finding(BAD, text, "is another server on this port?")
        if not self._certificate:  # there is none, or it may not be read: check.certificates says so
            shown = None
        if shown is not None and shown != self._certificate:
            text = f"{self._where}: shows another certificate than tls/ has"
            return Finding(WARN, text, "restart what ends TLS there")
        return Finding(GOOD, f"{self._where}: answers" + (" with the right certificate" if shown is not None else ""))

    def _shaken(self) -> bytes | None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # it is compared with the file
        tls = context.wrap_socket(self._end, server_hostname=self._me)
        self._end = tls
        return tls.getpeercert(binary_form=True)

    def _upgraded(self) -> bytes | None:
        if self._protocol == "smtp":
            self._end.sendall(b"EHLO localhost\r\n")
            while self._line()[3:4] == b"-":
                pass
        command, yes = _STARTTLS[self._protocol]
        self._end.sendall(command)
        answer = self._line()
        while answer.startswith(b"* "):
            answer = self._line()
        if not answer.startswith(yes):
            raise ValueError(f"refuses TLS: {answer.decode('ascii', 'backslashreplace').strip()}")
        return self._shaken()

    def _line(self) -> bytes:
        line = b""
        while not line.endswith(b"\n") and len(line) < 4096:
            octet = self._end.recv(1)
            if not octet:
                raise ValueError("closes the connection without a word")
            line += octet
        return line

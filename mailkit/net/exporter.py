"""Handshakes that give the channel binding tls-exporter (RFC 9266), which Python's ssl module does not: by pyOpenSSL.

A context is set up as an SSLContext first, with all its checks and messages, and then a second time for pyOpenSSL. What
uvloop and our own driver use of an SSLObject is written here over an OpenSSL.SSL.Connection, which has memory of its
own between the drivers' MemoryBIOs and the library.

No callbacks: pyOpenSSL makes them out of memory that is both writable and executable, which the units in
contrib/systemd forbid (MemoryDenyWriteExecute=). So the name that a client asks for is read from its ClientHello
(mailkit.net.hello), before there is a Connection, instead of by a callback in the midst of the handshake.
"""

from __future__ import annotations

import ssl

from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL

from mailkit.exits import Temp
from mailkit.net import hello
from mailkit.net.tls import RECORD, Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    from mailkit.net.tls import Chosen

    R = TypeVar("R")

_LABEL = b"EXPORTER-Channel-Binding"  # RFC 9266 2
_OCTETS = 32
_FEED = 65536  # octets that the library is given at once
_SAID = RECORD + 256  # octets that are taken from it at once: a record, with what TLS adds


class ExporterContext(Context):
    """A server's context whose handshakes are made by pyOpenSSL."""

    made: SSL.Context
    _chosen: Chosen | None = None

    def equip(self, chain: str, key: str, clients: str) -> None:
        super().equip(chain, key, clients)
        try:
            self.made = self._made(chain, key, clients)
        except SSL.Error as error:
            raise ValueError(_words(error))

    def _made(self, chain: str, key: str, clients: str) -> SSL.Context:
        made = SSL.Context(SSL.TLS_SERVER_METHOD)
        made.set_min_proto_version(self.minimum_version)
        # Not self.options: the bits of another library may mean something else.
        made.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION | SSL.OP_CIPHER_SERVER_PREFERENCE)
        made.set_mode(SSL.MODE_RELEASE_BUFFERS)
        names = [cipher["name"] for cipher in self.get_ciphers() if cipher["protocol"] != "TLSv1.3"]
        made.set_cipher_list(f"{':'.join(names)}:@SECLEVEL={self.security_level}".encode())
        made.set_session_id(b"mailkit")  # without one, sessions with client certificates are not resumed
        made.use_certificate_chain_file(chain)
        made.use_privatekey_file(key)
        if clients:
            made.load_verify_locations(clients)
            made.set_verify(SSL.VERIFY_PEER)
        return made

    def choose_by(self, chosen: Chosen) -> None:
        self._chosen = chosen

    def wrap_bio(self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, *_: Any, **__: Any) -> Any:
        """The server's end of a connection."""
        return Connection(self, incoming, outgoing)

    def chosen(self, asked: str) -> ExporterContext:
        """The context for a client that asks for this name, "" for none. Temp."""
        found = self._chosen(asked, self) if self._chosen is not None else self
        return found if isinstance(found, ExporterContext) else self  # the flag was taken back just now


class Connection:
    """As much of an ssl.SSLObject as is used of one. Where the library wants octets, it is ssl.SSLWantReadError."""

    __slots__ = ("_hello", "_incoming", "_is_fed", "_link", "_outgoing", "context", "sni")
    server_side = True

    def __init__(self, context: ExporterContext, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO) -> None:
        self.context = context
        self.sni = ""
        self._incoming = incoming
        self._outgoing = outgoing
        self._hello: bytes | None = b""  # what came before there is a link; None since there is
        self._link: SSL.Connection
        self._is_fed = False  # the library has octets that it was not asked about yet

    def do_handshake(self) -> None:
        if self._hello is not None:
            self._hello += self._incoming.read()
            self._begin(self._hello)
        self._step(self._link.do_handshake)
        self._say()

    def _begin(self, octets: bytes) -> None:
        name = hello.server_name(octets)
        if name is None:
            raise ssl.SSLWantReadError
        self.sni = name.lower()
        try:
            self.context = self.context.chosen(name)
        except Temp as trouble:
            raise ssl.SSLError(ssl.SSL_ERROR_SSL, str(trouble))
        self._link = SSL.Connection(self.context.made)
        self._link.set_accept_state()
        self._link.bio_write(octets)
        self._hello = None

    def read(self, size: int) -> bytes:
        """At most so many octets, b"" when the peer has ended the connection."""
        try:
            return self._step(self._link.recv, min(size, RECORD))
        except ssl.SSLZeroReturnError:
            return b""

    def write(self, data: bytes | memoryview) -> int:
        """Send all of it; its length."""
        view = memoryview(data)
        while view:
            view = view[self._step(self._link.send, view[:RECORD]) :]
            self._say()
        return len(data)

    def pending(self) -> int:
        """Not 0 when `read` may have something without anything that comes in."""
        return self._link.pending() or self._is_fed

    def unwrap(self) -> None:
        """Say that we end the connection, and wait for the peer to say it."""
        self._step(self._shut)
        self._say()

    def _shut(self) -> None:
        if not self._link.shutdown():  # says it, the first time; then looks for the peer's word
            self._link.shutdown()

    def _step(self, step: Callable[..., R], *args: Any) -> R:
        """A step of the library, for which it gets what it wants of what came in."""
        try:
            while True:
                try:
                    return step(*args)
                except SSL.WantReadError:
                    if not self._feed():
                        self._say()
                        raise ssl.SSLWantReadError
        except SSL.ZeroReturnError:
            raise ssl.SSLZeroReturnError
        except SSL.Error as error:
            self._say()
            raise ssl.SSLError(ssl.SSL_ERROR_SSL, _words(error))

    def _feed(self) -> bool:
        data = self._incoming.read(_FEED)
        self._is_fed = bool(data)
        if data:
            self._link.bio_write(data)
        return self._is_fed

    def _say(self) -> None:
        """Let out what the library has to say."""
        size = _SAID
        try:
            while size == _SAID:
                size = self._outgoing.write(self._link.bio_read(_SAID))
        except SSL.WantReadError:
            pass  # nothing, or nothing more

    @property
    def exporter(self) -> bytes | None:
        """The channel binding. Only with TLS 1.3: before, it takes an extended master secret (RFC 9266 2), of which
        pyOpenSSL does not tell."""
        return self._link.export_keying_material(_LABEL, _OCTETS, b"") if self.version() == "TLSv1.3" else None

    def version(self) -> str:
        return self._link.get_protocol_version_name()

    def cipher(self) -> tuple[str, str, int]:
        """Name, version of TLS that first had it, bits of its key."""
        link = self._link
        return link.get_cipher_name() or "", link.get_cipher_version() or "", link.get_cipher_bits() or 0

    def compression(self) -> None:
        return None

    def getpeercert(self, binary_form: bool = False) -> bytes | None:
        """The client's certificate, DER. In words, as others ask for it, nobody here wants it."""
        found = self._link.get_peer_certificate() if binary_form else None
        return found.to_cryptography().public_bytes(Encoding.DER) if found is not None else None


def _words(error: SSL.Error) -> str:
    """As Python words it: [SSL: WRONG_VERSION_NUMBER] wrong version number."""
    try:
        reason = error.args[0][-1][2]
    except (IndexError, TypeError):
        return str(error) or type(error).__name__
    return f"[SSL: {reason.upper().replace(' ', '_')}] {reason}"

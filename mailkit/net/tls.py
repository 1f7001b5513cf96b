"""Handshakes: one SSLContext per certificate, chosen by SNI, renewed files picked up by their times.

The files are looked at on each handshake (one stat), so a renewed certificate needs no restart; one that cannot be
loaded is named in the log and the old one goes on serving.
"""

from __future__ import annotations

import hashlib
import os
import ssl

from mailkit import log
from mailkit.exits import Temp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from mailkit.net.certificates import Certificates

    Chosen = Callable[[str | None, "Context"], "Context"]

RECORD = 16384  # octets of a TLS record: no step of a TLS library reads or writes more
_BEGIN = "-----BEGIN CERTIFICATE-----"


def load(context: ssl.SSLContext, chain: str, key: str) -> None:
    """Give the context a certificate chain and its key, PEM files. OSError, with its name, when one cannot be read;
    ValueError when they do not do, in words that tell what to mend (OpenSSL's do not)."""
    try:
        context.load_cert_chain(chain, key, password="")  # without one, OpenSSL would ask at the terminal
    except OSError as error:
        raise ValueError(_why(error, chain, key))


def _why(error: OSError, chain: str, key: str) -> str:
    """What is wrong with the files. OSError for one that cannot be read."""
    with open(chain, "rb") as file:
        if _BEGIN.encode() not in file.read():
            return f"{chain} holds no certificate in PEM form"
    with open(key, "rb") as file:
        text = file.read()
    if b"PRIVATE KEY-----" not in text:
        return f"{key} holds no key in PEM form"
    if b"ENCRYPTED" in text:
        return f"{key} wants a passphrase: openssl pkey -in FILE -out FILE takes it off"
    if getattr(error, "reason", "") in ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED"):
        return f"the key in {key} is not that of the certificate in {chain}"
    return f"{chain} or {key} is damaged: {error}"


def leaf(pem: str) -> bytes:
    """The first certificate in a text, DER. ValueError when there is none."""
    return ssl.PEM_cert_to_DER_cert(pem[pem.index(_BEGIN) : pem.index("-----END CERTIFICATE-----") + 26])


class Connection(ssl.SSLObject):
    """One end of a TLS connection."""

    def read(self, len: int = 1024, buffer: Any = None) -> Any:
        """As uvloop calls it, for 256 KiB, which are made and given back before and after one record is read into
        them: 17 us, as much as all else that a short command takes."""
        return super().read(min(len, RECORD), buffer)


class Context(ssl.SSLContext):
    """An SSLContext that knows its name and its certificate."""

    sslobject_class = Connection
    name: str = ""
    certificate: bytes = b""  # DER of the leaf, for tls-server-end-point

    def equip(self, chain: str, key: str, clients: str) -> None:
        """Set it up with a certificate, its key and, unless it is "", the file of the CAs whose client certificates
        are asked for. OSError, ValueError."""
        self.minimum_version = ssl.TLSVersion.TLSv1_2
        self.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
        load(self, chain, key)
        with open(chain, encoding="ascii", errors="replace") as file:
            self.certificate = leaf(file.read())
        if clients:
            self.load_verify_locations(clients)
            self.verify_mode = ssl.CERT_OPTIONAL

    def choose_by(self, chosen: Chosen) -> None:
        """Let chosen(name the client asks for, this context) say which context is to be taken in its place."""

        def choose(tls: ssl.SSLObject | ssl.SSLSocket, asked: str | None, context: ssl.SSLContext) -> int | None:
            tls.sni = (asked or "").lower()  # type: ignore[union-attr]  # kept on the object for `Facts`
            try:
                tls.context = chosen(asked, self)
            except Temp:
                return ssl.ALERT_DESCRIPTION_INTERNAL_ERROR
            return None

        self.sni_callback = choose


def kind(is_binding: bool) -> type[Context]:
    """What contexts to make for servers; is_binding: such as give the channel binding tls-exporter, if that can be
    had, or a line in the log."""
    if is_binding:
        try:
            from mailkit.net.exporter import ExporterContext

            return ExporterContext
        except ImportError as error:
            log.event("tls", error=f"control/channelbinding wants mailkit[channelbinding]: {error}")
    return Context


class Contexts:
    """The contexts of one home's certificates."""

    def __init__(self, certificates: Certificates) -> None:
        self._certificates = certificates
        self._kept: dict[str, tuple[tuple[int, ...], Context]] = {}
        self._front: Context | None = None

    def front(self, name: str) -> ssl.SSLContext:
        """The context of `name`, which changes itself for another one when the client asks for that."""
        context = self._context(name)
        if self._front is not context:
            context.choose_by(self._chosen)
            self._front = context
        return context

    def _chosen(self, asked: str | None, front: Context) -> Context:
        """RFC 6066 3: a name we have no certificate for gets the default one."""
        name = self._certificates.asked(asked)
        return front if name is None else self._context(name)

    def _context(self, name: str) -> Context:
        pair = self._certificates.pair(name)
        kept = self._kept.get(name)
        if pair is None:
            if kept is not None:
                return kept[1]
            raise Temp("TLS is not available", code="4.7.0", detail=f"no certificate named {name}")
        mark = (*_mark(pair[0]), *_mark(pair[1]), self._certificates.is_binding)
        if kept is not None and kept[0] == mark:
            return kept[1]
        try:
            context = self._loaded(name, *pair)
        except (OSError, ValueError) as error:
            log.event("tls", certificate=name, file=pair[0], error=str(error))
            if kept is None:
                raise Temp("TLS is not available", code="4.7.0", detail=f"load {pair[0]}: {error}")
            self._kept[name] = (mark, kept[1])
            return kept[1]
        self._kept[name] = (mark, context)
        return context

    def _loaded(self, name: str, cert: str, key: str) -> Context:
        context = kind(self._certificates.is_binding)(ssl.PROTOCOL_TLS_SERVER)
        clients = self._certificates.clients
        context.equip(cert, key, clients if os.path.exists(clients) else "")
        context.name = name
        return context


def _mark(path: str) -> tuple[int, int, int]:
    stat = os.stat(path)
    return stat.st_mtime_ns, stat.st_size, stat.st_ino


class Facts:
    """What a finished handshake agreed on (mailkit.net.conn.Tls)."""

    __slots__ = ("_certificate", "_exporter", "cipher", "client_cert", "server_cert", "sni", "version")

    def __init__(self, tls: ssl.SSLObject) -> None:
        cipher = tls.cipher()
        self.version = tls.version() or ""
        self.cipher = cipher[0] if cipher else ""
        self.sni: str = getattr(tls, "sni", "")
        self.client_cert = tls.getpeercert(binary_form=True) if tls.context.verify_mode else None
        # For the log only: the context may have let any certificate pass.
        self.server_cert = None if tls.server_side else tls.getpeercert(binary_form=True)
        self._certificate: bytes = getattr(tls.context, "certificate", b"")
        # What Python's own objects do not have; see mailkit.net.exporter.
        self._exporter: bytes | None = getattr(tls, "exporter", None)

    def binding(self, kind: str) -> bytes | None:
        """tls-exporter (RFC 9266) with control/channelbinding and TLS 1.3; tls-server-end-point (RFC 5929 4.1) for
        certificates signed with SHA-256, 384 or 512."""
        if kind == "tls-exporter":
            return self._exporter
        if kind != "tls-server-end-point" or not self._certificate:
            return None
        return end_point(self._certificate)


def end_point(certificate: bytes) -> bytes | None:
    """The tls-server-end-point binding of a DER certificate: its hash by the hash of its signature, and SHA-256
    for the old ones (RFC 5929 4.1)."""
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        algorithm = x509.load_der_x509_certificate(certificate).signature_hash_algorithm
    except (ValueError, UnsupportedAlgorithm):
        return None
    if algorithm is None:  # Ed25519 and its kind: the binding is not defined
        return None
    name = "sha256" if algorithm.name in ("md5", "sha1") else algorithm.name
    return hashlib.new(name, certificate).digest()

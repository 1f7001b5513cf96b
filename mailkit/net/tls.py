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
    from mailkit.net.certificates import Certificates


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


class Context(ssl.SSLContext):
    """An SSLContext that knows its name and its certificate."""

    name: str = ""
    certificate: bytes = b""  # DER of the leaf, for tls-server-end-point


class Contexts:
    """The contexts of one home's certificates."""

    def __init__(self, certificates: Certificates) -> None:
        self._certificates = certificates
        self._kept: dict[str, tuple[tuple[int, ...], Context]] = {}
        self._front: Context | None = None

    def front(self, name: str) -> ssl.SSLContext:
        """The context of `name`, with the callback that changes it for another one."""
        context = self._context(name)
        if self._front is not context:
            context.sni_callback = self._choose
            self._front = context
        return context

    def _choose(self, tls: ssl.SSLObject | ssl.SSLSocket, asked: str | None, context: ssl.SSLContext) -> int | None:
        """The callback of RFC 6066 3: a name we have no certificate for gets the default one."""
        tls.sni = (asked or "").lower()  # type: ignore[union-attr]  # kept on the object for `Facts`
        name = self._certificates.asked(asked)
        if name is not None:
            chosen = self._context(name)
            if chosen is not context:
                tls.context = chosen
        return None

    def _context(self, name: str) -> Context:
        pair = self._certificates.pair(name)
        kept = self._kept.get(name)
        if pair is None:
            if kept is not None:
                return kept[1]
            raise Temp("TLS is not available", code="4.7.0", detail=f"no certificate named {name}")
        mark = (*_mark(pair[0]), *_mark(pair[1]))
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
        context = Context(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
        load(context, cert, key)
        with open(cert, encoding="ascii", errors="replace") as file:
            context.certificate = leaf(file.read())
        context.name = name
        if os.path.exists(self._certificates.clients):
            context.load_verify_locations(self._certificates.clients)
            context.verify_mode = ssl.CERT_OPTIONAL
        return context


def _mark(path: str) -> tuple[int, int, int]:
    stat = os.stat(path)
    return stat.st_mtime_ns, stat.st_size, stat.st_ino


class Facts:
    """What a finished handshake agreed on (mailkit.net.conn.Tls)."""

    __slots__ = ("_certificate", "cipher", "client_cert", "server_cert", "sni", "version")

    def __init__(self, tls: ssl.SSLObject) -> None:
        cipher = tls.cipher()
        self.version = tls.version() or ""
        self.cipher = cipher[0] if cipher else ""
        self.sni: str = getattr(tls, "sni", "")
        self.client_cert = tls.getpeercert(binary_form=True) if tls.context.verify_mode else None
        # For the log only: the context may have let any certificate pass.
        self.server_cert = None if tls.server_side else tls.getpeercert(binary_form=True)
        self._certificate: bytes = getattr(tls.context, "certificate", b"")

    def binding(self, kind: str) -> bytes | None:
        """tls-server-end-point (RFC 5929 4.1) for certificates signed with SHA-256, 384 or 512. tls-exporter
        (RFC 9266) needs what Python's ssl module does not offer."""
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

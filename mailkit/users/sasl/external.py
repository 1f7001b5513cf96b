"""EXTERNAL (RFC 4422 appendix A): the TLS client certificate says who it is.

Offered only when the handshake brought a certificate, which the TLS layer then has verified against the
authorities the administrator trusts. Who it stands for:

    1  the name in the client's message; without one, the certificate's only e-mail address (subjectAltName)
    2  that user's passwd line has cert=FINGERPRINT[,FINGERPRINT]: the certificate's SHA-256 must be among them
    3  it has none: the name must be among the certificate's e-mail addresses
"""

from __future__ import annotations

import hashlib

from mailkit.users import sasl


class External:
    """One exchange."""

    __slots__ = ("_context",)

    def __init__(self, context: sasl.Context) -> None:
        self._context = context

    def step(self, response: bytes | None) -> sasl.Step:
        """The name to act as, which may be empty."""
        certificate = self._context.tls.client_cert if self._context.tls is not None else None
        if certificate is None:
            return sasl.Failure("no client certificate")
        if response is None:
            return sasl.Challenge(b"")
        try:
            name = response.decode()
        except UnicodeDecodeError:
            return sasl.Failure("not UTF-8", is_syntax=True)
        if not name:
            addresses = mail_addresses(certificate)
            if len(addresses) != 1:
                return sasl.Failure(f"certificate has {len(addresses)} e-mail addresses and the client names none")
            name = addresses[0]
        user = self._context.lookup(name)
        if user is None:
            return sasl.Failure("user", name)
        if "cert" in user.fields:
            fits = fingerprint(certificate) in _fingerprints(user.fields["cert"])
        else:
            fits = any(sasl.same_name(user.address, address) for address in mail_addresses(certificate))
        return sasl.Success(user) if fits else sasl.Failure("certificate is somebody else's", name)


def fingerprint(certificate: bytes) -> str:
    """SHA-256 of a DER certificate in lower case hexadecimal."""
    return hashlib.sha256(certificate).hexdigest()


def mail_addresses(certificate: bytes) -> list[str]:
    """The rfc822Name entries of a DER certificate's subjectAltName (RFC 5280 4.2.1.6); none when it cannot be read."""
    from cryptography import x509

    try:
        extensions = x509.load_der_x509_certificate(certificate).extensions
        names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return []
    return names.get_values_for_type(x509.RFC822Name)


def _fingerprints(text: str) -> list[str]:
    return [one.replace(":", "").lower() for one in text.split(",")]

"""The first certificate of a host."""

from __future__ import annotations

import datetime
import ssl

from mailkit import clock
from mailkit.exits import Perm
from mailkit.net import tls

_DAYS = 3650  # a self-signed certificate is pinned by people, not renewed by a program


def fitting(chain: str, key: str) -> None:
    """Perm unless these files are a certificate chain and its key, both readable."""
    try:
        tls.load(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), chain, key)
    except (OSError, ValueError) as error:
        raise Perm(f"{chain} and {key} are no certificate with its key: {error}")


def self_signed(host: str) -> tuple[bytes, bytes]:
    """(certificate, key) as PEM, for `host` and localhost: enough for STARTTLS and for a first try."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host[:64])])
    start = datetime.datetime.fromtimestamp(clock.now(), datetime.UTC) - datetime.timedelta(hours=1)
    names = x509.SubjectAlternativeName([x509.DNSName(host), x509.DNSName("localhost")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=_DAYS))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM), key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )

"""What is put right in a message that a program hands to sendmail: pure octets to octets.

Bcc                        removed; with -t its addresses are recipients
From, Date, Message-ID     added where they are missing (RFC 6409 8)
bare names                 get a domain
"""

from __future__ import annotations

from mailkit import clock
from mailkit.mail import addresslist, date, header

_RECIPIENTS = (b"To", b"Cc", b"Bcc")
_RESENT = (b"Resent-To", b"Resent-Cc", b"Resent-Bcc")


def recipients(block: bytes, domain: str) -> list[str]:
    """The addresses that -t means: of the Resent- fields if there are any (RFC 5322 3.6.6), else of To, Cc and Bcc."""
    fields = _RESENT if any(header.value(block, name) is not None for name in _RESENT) else _RECIPIENTS
    found: dict[str, None] = {}
    for name in fields:
        for value in header.values(block, name):
            for _, address in addresslist.mailboxes(value):
                if address:
                    found.setdefault(qualified(address, domain), None)
    return list(found)


def qualified(address: str, domain: str) -> str:
    """The address with a domain."""
    local, at, host = address.rpartition("@")
    return address if local and host else f"{(local if at else address).rstrip('@')}@{domain}"


def repaired(block: bytes, sender: str, name: str, domain: str) -> bytes:
    """The header block as it goes out. sender: for a missing From; name: the display name there, or ""."""
    added = []
    if header.value(block, b"From") is None:
        added.append(b"From: " + addresslist.formatted(name, sender) + b"\n")
    if header.value(block, b"Date") is None:
        added.append(f"Date: {date.text(int(clock.now()))}\n".encode())
    if header.value(block, b"Message-ID") is None:
        added.append(f"Message-ID: <{clock.token(16)}@{domain}>\n".encode())
    block = header.without(block, (b"Bcc", b"Resent-Bcc"))
    if block and not block.endswith(b"\n"):
        block += b"\n"
    return b"".join(added) + block


def parted(data: bytes) -> tuple[bytes, bytes]:
    """(header block, body). A line that is no field ends the header: what begins with one is all body."""
    at = 0
    while at < len(data):
        end = data.find(b"\n", at) + 1 or len(data)
        line = data[at:end]
        if line == b"\n":
            return data[:at], data[end:]
        if not _is_field(line) and not (at and line[:1] in b" \t"):
            break
        at = end
    return data[:at], data[at:]


def _is_field(line: bytes) -> bool:
    """RFC 5322 2.2: a name of printable ASCII without blanks, and a colon."""
    name, colon, _ = line.partition(b":")
    return bool(colon) and bool(name) and all(33 <= octet <= 126 for octet in name.rstrip(b" \t"))

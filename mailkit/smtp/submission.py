"""What a submission server may put right in a header (RFC 6409 8): nothing here touches mail that only passes through.

    Date, Message-ID, From     added where they are missing
    Bcc                        removed: the recipients are in the envelope
    From, Sender               must be the user's own addresses
"""

from __future__ import annotations

from mailkit import clock
from mailkit.mail import addresslist, date, header
from mailkit.smtp import ownership
from mailkit.smtp.reply import Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.smtp.state import Session


def repaired(session: Session, sender: str, block: bytes) -> bytes:
    """The header block as it will be sent. Refused when the user claims to be somebody else."""
    _check_author(session, block)
    added = []
    if header.value(block, b"from") is None:
        # The null sender has no address to put there: the user's own is the truth.
        author = sender or (session.user.address if session.user is not None else f"postmaster@{session.settings.me}")
        added.append(b"From: <%s>\n" % author.encode())
    if header.value(block, b"date") is None:
        added.append(b"Date: %s\n" % date.text(int(clock.now())).encode())
    if header.value(block, b"message-id") is None:
        domain = (sender.rpartition("@")[2] or session.settings.me).encode()
        added.append(b"Message-ID: <%s@%s>\n" % (clock.token(16).encode(), domain))
    if header.value(block, b"bcc") is not None:
        block = header.without(block, [b"bcc"])
    return b"".join(added) + block


def _check_author(session: Session, block: bytes) -> None:
    """Every address in From and Sender, also where none belongs, is the user's own (RFC 6409 6.1)."""
    if session.user is None:
        return
    for _, value in header.fields(block, (b"from", b"sender")):
        named = {address for _, address in addresslist.mailboxes(value)}
        for address in sorted(named | addresslist.claimed(value)):
            if not ownership.owns(session, address):
                text = f"the message says it is from <{address}>, not an address of yours"
                raise Refused(550, "5.7.1", text, by="author")

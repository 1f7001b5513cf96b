"""Rights of mailboxes as IMAP says them (RFC 4314): identifiers, letters, and how entries of dovecot-acl are changed.

    IMAP                  dovecot-acl                  IMAP         dovecot-acl
    alice@example.test    user=alice@example.test      anyone       anyone
    alice@example.test    owner, where it is hers      $sales       group=sales
    authenticated         authenticated                !$sales      group-override=sales

A minus in front is a negative right. The obsolete rights c and d stand for kx and et (section 2.1.1). The owner always
has l and a in folders whose rights are changed over IMAP: nobody locks themselves out.
"""

from __future__ import annotations

from mailkit.imap.responses import No, mailbox, string, untagged
from mailkit.imap.wire import Bad
from mailkit.maildir import acl

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.imap.folders.forest import Mailbox
    from mailkit.imap.session import Session

OBSOLETE = {"c": "kx", "d": "et"}
KEPT = "la"
SEEN = "lrikxa"
"""Any of these lets a user know what their rights are (section 4)."""
NAME_MOST = 255
_WORDS = ("anyone", "authenticated", "owner")


def letters(text: str) -> str:
    """Rights from a client, without the obsolete ones. Bad: there is no such right (section 3.1)."""
    for old, new in OBSOLETE.items():
        text = text.replace(old, new)
    for letter in text:
        if letter not in acl.ALL:
            raise Bad(f"There is no right {letter!r}" if letter.isprintable() else "There is no such right")
    return acl.ordered(text)


def shown(rights: str) -> bytes:
    """Rights for a client: c and d behind the others, where any right they stand for is there."""
    old = "".join(name for name, meant in OBSOLETE.items() if set(meant) & set(rights))
    return (rights + old).encode("ascii") or b'""'


def modification(text: str) -> tuple[str, str]:
    """mod-rights: ("+", "-" or "", letters)."""
    sign = text[:1] if text[:1] in ("+", "-") else ""
    return sign, letters(text[len(sign) :])


def identifier(state: Session, found: Mailbox, text: str) -> tuple[str, bool]:
    """(identifier as in dovecot-acl, negative) of a client's word. Bad: it could not be anybody."""
    negative = text.startswith("-")
    name = text.removeprefix("-")
    if not name or len(name) > NAME_MOST or not name.isprintable():
        raise Bad("That is no identifier")
    if name in _WORDS:
        return name, negative
    for mark, prefix in (("!$", "group-override="), ("$", "group=")):
        if name.startswith(mark):
            return prefix + _group(name.removeprefix(mark)), negative
    return _user(state, found, name), negative


def _group(name: str) -> str:
    if not name or name.startswith(".") or "," in name or name != name.strip():
        raise Bad("That is no name of a group")
    return name


def _user(state: Session, found: Mailbox, name: str) -> str:
    from mailkit.users import names

    domain = state.home.control.text("authdomain")
    try:
        address = names.canonical(name if "@" in name or not domain else f"{name}@{domain}")
    except ValueError:
        raise Bad("An identifier is an address, $group, anyone, authenticated or owner")
    owns = found.owner is not None and found.owner.address == address
    return "owner" if owns else f"user={address}"


def word(found: Mailbox, entry: acl.Entry) -> bytes:
    """The identifier of an entry for a client."""
    kind, _, name = entry.identifier.partition("=")
    if kind == "owner" and found.owner is not None:
        name = found.owner.address
    prefix = {"group": "$", "group-override": "!$"}.get(kind, "")
    text = "-" * entry.negative + prefix + (name or kind)
    return astring(text.encode("utf-8", "surrogateescape"))


def astring(octets: bytes) -> bytes:
    """An atom, unless it holds what atoms cannot."""
    return octets if octets and not octets.translate(None, _ATOM) else string(octets)


_ATOM = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-+@$!=/"


def entries(found: Mailbox) -> list[acl.Entry]:
    """The entries of a folder, with the owner's where the file has none. ValueError: the file is damaged. Blocking."""
    known = acl.read(found.directory)
    if known is None and found.public:
        known = acl.read(found.tree.maildir)
    known = known or []
    if found.owner is None or any(entry.key == ("owner", False) for entry in known):
        return known
    return [acl.Entry("owner", acl.ALL), *known]


def changed(found: Mailbox, known: list[acl.Entry], key: tuple[str, bool], sign: str, rights: str) -> list[acl.Entry]:
    """The entries after a SETACL. No [LIMIT]: too many; No [CANNOT]: the owner would be locked out."""
    before = next((entry for entry in known if entry.key == key), None)
    had = before.rights if before is not None else acl.ALL if key == ("owner", False) else ""
    now = {"+": had + rights, "-": "".join(set(had) - set(rights)), "": rights}[sign]
    if key == ("owner", False):
        now += KEPT
    entry = acl.Entry(*_parts(key, acl.ordered(now)), others=before.others if before is not None else ())
    after = [other for other in known if other.key != key] + [entry]
    if len(after) > acl.ENTRIES_MOST:
        raise No(f"A mailbox has at most {acl.ENTRIES_MOST} identifiers", "LIMIT")
    return kept(found, after)


def kept(found: Mailbox, after: list[acl.Entry]) -> list[acl.Entry]:
    """The same entries. No [CANNOT]: the owner would have no way back."""
    if found.who.owner and not set(KEPT) <= set(acl.granted(after, found.who)):
        raise No("You would lock yourself out", "CANNOT")
    return after


def _parts(key: tuple[str, bool], rights: str) -> tuple[str, str, bool]:
    return key[0], rights, key[1]


def my_rights(state: Session, name: str, rights: str) -> bytes:
    """`* MYRIGHTS INBOX lrswipkxtea`."""
    return untagged(b"MYRIGHTS", mailbox(name, state.utf8), shown(rights))

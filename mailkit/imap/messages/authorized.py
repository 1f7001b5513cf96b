"""URLs that carry their own authorization (URLAUTH, RFC 4467): made with a key of the folder, believed by it.

The token is 01 and the HMAC-SHA-256 of all that stands in front of it, in hexadecimal. Whoever has the URL and is whom
it names may read what it names, until it expires, the message goes, or the key is forgotten.
"""

from __future__ import annotations

from mailkit import clock
from mailkit.imap.folders import tree
from mailkit.imap.messages import sources
from mailkit.imap.responses import No
from mailkit.imap.wire import urls
from mailkit.maildir import accesskey
from mailkit.maildir.tree import Tree
from mailkit.users.passwd import Passwd

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from mailkit.imap.folders.forest import Mailbox
    from mailkit.imap.messages.sources import Sources
    from mailkit.imap.session import Session
    from mailkit.imap.wire.reader import Reader
    from mailkit.imap.wire.urls import Url
    from mailkit.maildir.folder import Folder

    T = TypeVar("T")

MECHANISM = "INTERNAL"
URLS_MOST = 100  # of one command
VERSION = b"\1"


def token(key: bytes, rump: bytes) -> bytes:
    """The token of a URL in hexadecimal."""
    from hmac import digest

    return (VERSION + digest(key, rump, "sha256")).hex().encode("ascii")


def proved(key: bytes, url: Url) -> bool:
    """The URL was made with this key. Takes as long whatever is wrong with it."""
    from hmac import compare_digest

    return compare_digest(token(key, url.rump), url.token.lower())


async def made(state: Session, opened: Sources, octets: bytes) -> bytes:
    """A rump with its token: what the user who is logged in may give to others. ValueError, No: it cannot be made."""
    url = urls.read(octets)
    if url.mechanism or not url.access:
        raise ValueError("a URL to be authorized ends with URLAUTH= and whom it is for")
    if url.access == b"submit+":
        raise ValueError("no submission server reads URLs here")
    if url.user is None or url.host is None or url.mailbox is None:
        raise ValueError("a URL to be authorized has a user, a server and a mailbox")
    if expired(url):
        raise ValueError("the URL has expired already")
    url.item()
    await owned(state, url.mailbox)
    folder = await opened.folder(await sources.path_of(state, url))
    if not sources.names_one(folder, url):
        raise ValueError("there is no such message")
    key = await state.conn.offload(accesskey.ensured, folder.directory)
    return octets + b":" + MECHANISM.lower().encode("ascii") + b":" + token(key, octets)


async def owned(state: Session, name: str) -> Mailbox:
    """A folder of the user's own: whose key it is. No [NOPERM]: somebody shares it, no more."""
    mailbox = await tree.mailbox(state, name, "r")
    if not mailbox.who.owner:
        raise No("That is somebody else's mailbox", "NOPERM")
    return mailbox


def expired(url: Url) -> bool:
    """Its time is over."""
    return url.expire_s is not None and clock.now() > url.expire_s


async def believed(state: Session, opened: Sources, octets: bytes) -> tuple[Url, Folder] | None:
    """The folder and what to read in it; None when this user may not, whatever the reason."""
    try:
        url = urls.read(octets)
        url.item()
    except ValueError:
        return None
    if url.mechanism.upper() != MECHANISM.encode("ascii") or expired(url) or not meant(state, url):
        return None
    try:
        path = await owners_path(state, url)
        folder = await opened.folder(path) if path else None
        key = await state.conn.offload(accesskey.read, path) if folder is not None else None
    except (No, OSError):
        folder = key = None
    # Without a key too the work is done, so that nobody learns from the time it takes which mailboxes there are.
    good = proved(key or bytes(accesskey.KEY_OCTETS), url)
    if folder is None or key is None or not good or not sources.names_one(folder, url):
        return None
    return url, folder


def meant(state: Session, url: Url) -> bool:
    """The user who is logged in is among those the URL is for, and it is of this server."""
    assert state.user is not None
    if url.host is None or not sources.of_this_server(state, url.host):
        return False
    if url.access == b"user+":
        return url.access_user.lower() == state.user.address.lower()
    return url.access in (b"anonymous", b"authuser")  # everybody who got this far


async def owners_path(state: Session, url: Url) -> str | None:
    """The directory of the folder of the user whose URL it is."""
    owner = await state.conn.offload(Passwd(state.home).lookup, url.user or "")
    if owner is None or not owner.may_log_in or url.mailbox is None:
        return None
    folders = Tree(owner.maildir)
    return folders.path(url.mailbox) if await tree.attempt(state, folders.exists, url.mailbox) else None


def several(reader: Reader, one: Callable[[Reader], T]) -> list[T]:
    """one *(SP one): what a command names. No over URLS_MOST."""
    found = [one(reader)]
    while not reader.done:
        reader.space()
        found.append(one(reader))
    if len(found) > URLS_MOST:
        raise No(f"At most {URLS_MOST} at once", "LIMIT")
    return found

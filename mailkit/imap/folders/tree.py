"""The session's folders, and what can be wrong with a name, as IMAP says it (RFC 5530 response codes)."""

from __future__ import annotations

from mailkit.imap.responses import No
from mailkit.mail import mutf7

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    from mailkit.imap.folders.forest import Forest, Mailbox
    from mailkit.imap.session import Session

    R = TypeVar("R")


def of(state: Session) -> Forest:
    """The folders that the user who logged in can name."""
    assert state.tree is not None
    return state.tree


def new_name(state: Session, name: str) -> str:
    """The name a folder is made with: a `/` at the end only says that children will come (RFC 9051 section 6.3.4).

    No: the name holds what modified UTF-7 cannot mean, and no client could ask for it again; or it is UTF-8 and not
    Net-Unicode (RFC 9051 section 5.1).
    """
    if mutf7.broken(name):
        raise No("A mailbox name is modified UTF-7", "CANNOT")
    if state.utf8 and not name.isascii():
        from unicodedata import is_normalized

        if not is_normalized("NFC", name):
            raise No("A mailbox name is in Unicode's form NFC", "CANNOT")
    return name.removesuffix("/")


async def mailbox(state: Session, name: str, need: str, code: str = "NONEXISTENT") -> Mailbox:
    """A folder with which the user may do what these letters of RFC 4314 mean; for "" it need only be visible.

    `code` says what a missing one means: TRYCREATE for APPEND and COPY. No.
    """
    return await attempt(state, _needed, of(state), name, need, code)


async def path_of(state: Session, name: str, code: str = "NONEXISTENT", need: str = "r") -> str:
    """The directory of such a folder. No."""
    return (await mailbox(state, name, need, code)).directory


def _needed(forest: Forest, name: str, need: str, code: str) -> Mailbox:
    from mailkit.imap.folders.forest import missing  # loaded by then, and no part of the way to the greeting

    try:
        found = forest.locate(name)
    except No:
        raise missing(code)
    found.need(need or "l", code)
    return found


async def attempt(state: Session, function: Callable[..., R], *args: Any) -> R:
    """function(*args) of a `Forest`, with what it raises turned into the NO it means. OSError: the disk has trouble."""
    try:
        return await state.conn.offload(function, *args)
    except FileNotFoundError:
        raise No("There is no such mailbox", "NONEXISTENT")
    except FileExistsError:
        raise No("There is such a mailbox already", "ALREADYEXISTS")
    except ValueError as error:
        raise No(str(error) or "That is no name for a mailbox", "CANNOT")

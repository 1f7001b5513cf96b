"""LANGUAGE (RFC 5255 section 3): in which language the texts of our responses are."""

from __future__ import annotations

from mailkit import languages
from mailkit.imap.commands import NOT_AUTHENTICATED
from mailkit.imap.commands.namespace import tell_namespaces
from mailkit.imap.folders import tree
from mailkit.imap.responses import No, paren, untagged
from mailkit.imap.wire import Bad

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from mailkit.imap.session import Session
    from mailkit.imap.wire.reader import Reader


async def language(state: Session, reader: Reader) -> None:
    """*(SP language-range): speak the first of them we know; without any, say which there are."""
    wanted = read(reader)
    if not wanted:
        tell(state, languages.NAMES)
        return
    administrator = languages.preferred(state.home.control.text("language"))
    found = languages.choose([languages.ANY if each == "default" else each for each in wanted], administrator)
    if found is None:
        raise No("That language is not spoken here")
    state.language = languages.load(found)
    tell(state, [found])
    if state.state != NOT_AUTHENTICATED and found in languages.TRANSLATED and tree.of(state).shares:
        tell_namespaces(state)


def read(reader: Reader) -> list[str]:
    """The ranges, in small letters. Bad: what could be none."""
    found: list[str] = []
    while not reader.done:
        if found:
            reader.space()
        found.append(reader.text().lower())
        if not languages.is_range(found[-1]):
            raise Bad('A language is like de, de-CH, "*" or default')
    return found


def tell(state: Session, tags: Iterable[str]) -> None:
    """The LANGUAGE response (section 3.3)."""
    state.conn.write(untagged(b"LANGUAGE", paren(tag.encode("ascii") for tag in tags)))

"""UTF8 and LANG (RFC 6856): what may be said in which script and tongue."""

from __future__ import annotations

from mailkit import languages
from mailkit.pop3 import wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.pop3.session import Session

async def utf8(session: Session, argument: bytes) -> None:
    """UTF8: the client understands UTF-8 in messages. They are sent as they are stored in either mode."""
    if argument:
        return session.err("UTF8 takes no argument")
    return session.ok("UTF-8 it is")


async def lang(session: Session, argument: bytes) -> None:
    """LANG [range]: choose the language of the texts, or list them; "*" asks for the server's own choice."""
    wanted = argument.strip().decode("ascii", "replace")
    if not wanted:
        session.ok("languages follow")
        return session.say("".join([f"{tag} {name}\r\n" for tag, name in languages.NAMES.items()]).encode() + wire.END)
    if not languages.is_range(wanted):
        return session.err("a language is like de, de-CH or *")
    tag = languages.choose([wanted], languages.preferred(session.home.control.text("language")))
    if tag is None:
        return session.err("no such language")
    session.language = languages.load(tag)
    return session.ok(f"{tag} {languages.NAMES[tag]}")

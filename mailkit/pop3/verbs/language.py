"""UTF8 and LANG (RFC 6856): what may be said in which script and tongue."""

from __future__ import annotations

from mailkit.pop3 import wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.pop3.session import Session

# RFC 6856 3.2: "i-default" is always there; both are the English of our responses.
_LANGUAGES = {"en": "English", "i-default": "Default"}


async def utf8(session: Session, argument: bytes) -> None:
    """UTF8: the client understands UTF-8 in messages. They are sent as they are stored in either mode."""
    if argument:
        return session.err("UTF8 takes no argument")
    return session.ok("UTF-8 it is")


async def lang(session: Session, argument: bytes) -> None:
    """LANG [tag]: choose the language of the texts, or list them; "*" asks for the server's own choice."""
    tag = argument.strip().decode("ascii", "replace").lower()
    if not tag:
        session.ok("languages follow")
        return session.say("".join([f"{tag} {name}\r\n" for tag, name in _LANGUAGES.items()]).encode() + wire.END)
    if tag == "*":
        tag = "en"
    # RFC 4647 3.4, look-up: "en-GB" is served by "en".
    while tag not in _LANGUAGES and "-" in tag:
        tag = tag.rpartition("-")[0]
    if tag not in _LANGUAGES:
        return session.err("no such language")
    return session.ok(f"{tag} {_LANGUAGES[tag]}")

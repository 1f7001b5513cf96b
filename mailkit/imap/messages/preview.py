"""The first words of a message (RFC 8970), for lists on small screens. Pure, and never fails."""

from __future__ import annotations

from mailkit.mail import content

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailkit.mail.mime import Part

CHARACTERS = 200
"""RFC 8970 section 3.3."""
READ_CHARACTERS = 65536
"""So much of a part is looked at; what says nothing by then is markup."""
UNSHOWN = ("head", "script", "style", "title")
LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}
"""Small letters for capitals without a change of length, which str.lower() does not promise."""


def preview(data: bytes, root: Part) -> str:
    """At most CHARACTERS of what a reader would see first; "" where there is no text."""
    parts = list(leaves(root))
    for subtype in (b"plain", b"html"):
        for part in parts:
            if part.type == b"text" and part.subtype == subtype:
                text = content.text(data, part)[:READ_CHARACTERS]
                shown = condensed(without_markup(text) if subtype == b"html" else without_quotes(text))
                if shown:
                    return shown
    return ""


def leaves(root: Part) -> Iterator[Part]:
    """Every part that holds no other, in order. A message inside a message is an attachment, and left out."""
    pending = [root]
    while pending:
        part = pending.pop()
        if part.parts:
            pending += reversed(part.parts)
        elif part.message is None:
            yield part


def condensed(text: str) -> str:
    """Words with single blanks between, cut to the limit."""
    return " ".join(text.split())[:CHARACTERS].rstrip()


def without_quotes(text: str) -> str:
    """What the writer wrote: quoted lines and the signature say nothing new."""
    kept = []
    for line in text.split("\n"):
        if line.rstrip("\r") == "-- ":
            break
        if not line.startswith(">"):
            kept.append(line)
    return "\n".join(kept)


def without_markup(text: str) -> str:
    """The text of HTML, as far as a look without a parser can tell."""
    from html import unescape

    low = text.translate(LOWER)
    found: list[str] = []
    at = 0
    while at < len(text):
        start = text.find("<", at)
        if start < 0:
            found.append(text[at:])
            break
        found.append(text[at:start])
        at = _after_tag(low, start)
    return unescape(" ".join(found))


def _after_tag(low: str, start: int) -> int:
    """Behind the tag, comment or unshown element that begins at `start`."""
    if low.startswith("<!--", start):
        return _after(low, "-->", start)
    end = _after(low, ">", start)
    name = low[start + 1 : end - 1].partition(" ")[0]
    return _after(low, ">", _after(low, f"</{name}", end)) if name in UNSHOWN else end


def _after(text: str, mark: str, at: int) -> int:
    found = text.find(mark, at)
    return len(text) if found < 0 else found + len(mark)

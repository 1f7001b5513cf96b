"""Texts for people in other languages: which there are, which a client means, what a text is there.

One file per language and nothing but data: `de`, `fr`. Programs write English; where they send a text it is looked up
here, under the English itself:

    "There is no such mailbox": "Diesen Ordner gibt es nicht",
    "A message has at most {} octets": "Eine Nachricht hat höchstens {} Oktette",      {}: what differs

What is not there stays English. A test holds the keys to the source, so that none outlives its text. A language is
imported when somebody asks for it.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

DEFAULT = "i-default"
"""What is spoken until a client asks for something else (RFC 2277 section 4.5): English."""

NAMES = {DEFAULT: "Default", "en": "English", "de": "Deutsch", "fr": "Français"}
"""Every language by its tag, with what it calls itself."""

TRANSLATED = ("de", "fr")

ANY = "*"

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_SUBTAG_MOST = 8


class Language:
    """A language and what it makes of English texts."""

    __slots__ = ("_forms", "_texts", "tag")

    def __init__(self, tag: str, texts: dict[str, str]) -> None:
        self.tag = tag
        self._texts = texts
        forms = [(english.split("{}"), text) for english, text in texts.items() if "{}" in english]
        # What says most comes first: "There is no right {}" before "{} completed".
        self._forms = sorted(forms, key=lambda form: -len("".join(form[0])))

    def text(self, english: str) -> str:
        """The text in this language, as it came where there is none."""
        found = self._texts.get(english)
        if found is not None:
            return found
        for pieces, text in self._forms:
            holes = fitted(english, pieces)
            if holes is not None:
                words = [self._word(hole) for hole in holes]
                if None not in words:
                    return text.format(*words)
        return english

    def _word(self, hole: str) -> str | None:
        """What fills a hole: a word as it is, names of commands, or what has a translation of its own. None: part of
        another text, of which half would be translated."""
        if " " not in hole or hole.isupper():
            return self._texts.get(hole, hole)
        text = self.text(hole)
        return text if text != hole else None


_loaded: dict[str, Language] = {}


def fitted(text: str, pieces: list[str]) -> list[str] | None:
    """What stands between the pieces when the text is made of them; None when it is not."""
    if not (text.startswith(pieces[0]) and text.endswith(pieces[-1])):
        return None
    holes = []
    at = len(pieces[0])
    for piece in pieces[1:-1]:
        end = text.find(piece, at)
        if end < 0:
            return None
        holes.append(text[at:end])
        at = end + len(piece)
    end = len(text) - len(pieces[-1])
    return [*holes, text[at:end]] if end >= at else None


def load(tag: str) -> Language:
    """A language of NAMES."""
    if tag not in _loaded:
        texts: dict[str, str] = {}
        if tag in TRANSLATED:
            texts = __import__(f"{__name__}.{tag}", fromlist=["TEXTS"]).TEXTS
        _loaded[tag] = Language(tag, texts)
    return _loaded[tag]


def choose(ranges: Iterable[str], preferred: str) -> str | None:
    """The tag of the first language that is meant by one of the ranges (RFC 4647), None when there is none.

    A range means every language that begins with it (section 3.3.1, basic filtering: "de" is "de-CH" too), and else
    the one that is left when subtags are dropped from its end (section 3.4, lookup: "de-CH" is "de"); RFC 5255 section
    3.2 shows both. preferred: for the range "*".
    """
    for each in ranges:
        wanted = each.lower()
        if wanted == ANY:
            return preferred
        found = next((tag for tag in NAMES if f"{tag}-".startswith(f"{wanted}-")), None)
        while found is None and "-" in wanted:
            wanted = wanted.rpartition("-")[0]
            found = wanted if wanted in NAMES else None
        if found is not None:
            return found
    return None


def preferred(asked: str) -> str:
    """The tag of what control/language says, DEFAULT where that is none of ours."""
    return choose([asked], DEFAULT) or DEFAULT


def is_range(text: str) -> bool:
    """It is a basic language range (RFC 4647 section 2.1)."""
    first, *others = text.lower().split("-")
    if text == ANY:
        return True
    return is_subtag(first, _LETTERS) and all(is_subtag(each, _LETTERS + "0123456789") for each in others)


def is_subtag(text: str, letters: str) -> bool:
    """1 to 8 of these letters."""
    return 0 < len(text) <= _SUBTAG_MOST and not text.strip(letters)

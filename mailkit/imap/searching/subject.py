"""The base subject, by which messages are sorted and threaded (RFC 5256 section 2.1).

Works on decoded text whose case is folded already, as the index keeps it.
"""

from __future__ import annotations

_MARKS = ("re", "fwd", "fw")
_BEGINNINGS = ("r", "f", "[")  # of the marks and of a blob
_FORWARDED = "(fwd)"


def base(text: str) -> tuple[str, bool]:
    """(base subject, whether anything said that this is a reply or a forwarded message)."""
    text = " ".join(text.split())
    if text[:1] not in _BEGINNINGS and not text.endswith(_FORWARDED):
        return text, False  # as most are
    replied = False
    while True:
        text, cut = _without_trailer(text)
        replied |= cut
        text, cut = _without_leaders(text)
        replied |= cut
        if not (text.startswith("[fwd:") and text.endswith("]")):
            return text, replied
        text, replied = text[5:-1].strip(), True


def _without_trailer(text: str) -> tuple[str, bool]:
    cut = False
    while text.endswith(_FORWARDED):
        text, cut = text[: -len(_FORWARDED)].rstrip(), True
    return text, cut


def _without_leaders(text: str) -> tuple[str, bool]:
    """Take `re:`, `fw [list]:` and `[blob]` from the front, a blob only when something is left."""
    replied = False
    at = 0
    while True:
        start = _skip_blank(text, at)
        after = _after_mark(text, _after_blobs(text, start))
        if after > 0:
            at, replied = after, True
            continue
        after = _after_blob(text, start)
        if after < 0 or not text[after:].strip():
            return text[start:], replied
        at = after


def _after_mark(text: str, at: int) -> int:
    """Behind `re:`, `fwd [x]:` at `at`, or -1."""
    for mark in _MARKS:
        if text.startswith(mark, at):
            end = _skip_blank(text, at + len(mark))
            blob = _after_blob(text, end)
            end = blob if blob >= 0 else end
            if text.startswith(":", end):
                return end + 1
    return -1


def _after_blobs(text: str, at: int) -> int:
    while (after := _after_blob(text, at)) >= 0:
        at = after
    return at


def _after_blob(text: str, at: int) -> int:
    """Behind `[...]` and blanks at `at`, or -1."""
    if not text.startswith("[", at):
        return -1
    end = text.find("]", at)
    if end < 0 or "[" in text[at + 1 : end]:
        return -1
    return _skip_blank(text, end + 1)


def _skip_blank(text: str, at: int) -> int:
    while at < len(text) and text[at] == " ":
        at += 1
    return at

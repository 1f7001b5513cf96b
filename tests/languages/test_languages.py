"""Which language a client means, and what a text is there."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mailkit
from mailkit import languages

PACKAGE = Path(mailkit.__file__).parent
TEXTS = {tag: __import__(f"mailkit.languages.{tag}", fromlist=["TEXTS"]).TEXTS for tag in languages.TRANSLATED}


@pytest.mark.parametrize(
    ("ranges", "tag"),
    [
        (["de"], "de"),
        (["DE"], "de"),
        (["i-default"], "i-default"),
        (["i"], "i-default"),
        (["de-ch"], "de"),
        (["de-Latn-x-private"], "de"),
        (["fr-CA", "en-CA"], "fr"),
        (["it", "en-GB"], "en"),
        (["*"], "fr"),
        (["mul"], None),
        (["d"], None),
        (["deu"], None),
        (["i-klingon"], None),
        ([], None),
    ],
)
def test_ranges_mean_languages(ranges: list[str], tag: str | None) -> None:
    assert languages.choose(ranges, "fr") == tag


@pytest.mark.parametrize("text", ["de", "DE-CH", "*", "i-default", "de-1996", "x-1"])
def test_ranges_are_taken(text: str) -> None:
    assert languages.is_range(text)


@pytest.mark.parametrize("text", ["", "-", "de-", "-de", "de_CH", "12", "abcdefghi", "de-abcdefghi", "*-CH", "dé", "d e"])
def test_what_is_no_range(text: str) -> None:
    assert not languages.is_range(text)


@pytest.mark.parametrize(("value", "tag"), [("de-AT", "de"), ("", "i-default"), ("no such thing", "i-default"), ("*", "i-default")])
def test_control_value(value: str, tag: str) -> None:
    assert languages.preferred(value) == tag


def test_every_language_is_there() -> None:
    for tag in languages.NAMES:
        assert languages.load(tag).tag == tag


def test_holes_are_filled_in_the_order_of_the_language() -> None:
    german = languages.load("de")
    assert german.text("Expected a blank at position 5 of the arguments") == "An Stelle 5 der Argumente fehlt ein Leerzeichen"
    assert german.text("FETCH needs a selected mailbox") == "FETCH geht nur in einem geöffneten Ordner"


def test_no_text_is_translated_by_half() -> None:
    german = languages.load("de")
    assert german.text("UID FETCH completed") == "UID FETCH ausgeführt"
    assert german.text("That is no search: SEARCH knows no CHEESE") == "Das ist keine Suche: SEARCH kennt CHEESE nicht"
    for text in ("Nobody has at most 5 octets", "At most 5 apples at once", "That is no search: nobody knows why"):
        assert german.text(text) == text


def test_what_is_not_there_stays_english() -> None:
    assert languages.load("de").text("Some {text} of nobody") == "Some {text} of nobody"
    assert languages.load("en").text("NOOP completed") == "NOOP completed"


@given(st.lists(st.text(alphabet="ab{", max_size=4), min_size=1, max_size=4), st.sampled_from(["x", "", "{}"]))
def test_pieces_fit_what_is_made_of_them(pieces: list[str], hole: str) -> None:
    if len(pieces) > 1:
        holes = languages.fitted(hole.join(pieces), pieces)
        assert holes is not None
        made = pieces[0] + "".join(hole + piece for hole, piece in zip(holes, pieces[1:], strict=True))
        assert made == hole.join(pieces)


@given(st.text(max_size=30))
def test_any_text_goes_through(text: str) -> None:
    assert isinstance(languages.load("fr").text(text), str)


# The texts against the source


def template(node: ast.expr) -> str | None:
    """A string, or an f-string with {} for what differs."""
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def parsed() -> list[tuple[Path, ast.Module]]:
    paths = [path for path in PACKAGE.rglob("*.py") if path.parent.name != "languages"]
    return [(path, ast.parse(path.read_text("utf-8"))) for path in paths]


def said(tree: ast.Module) -> set[str]:
    """Every string of a module; where it begins with a response code, without that too."""
    found = {text for node in ast.walk(tree) if isinstance(node, ast.expr) and (text := template(node)) is not None}
    return found | {text.partition("] ")[2] for text in found if text.startswith("[")}


def refusals() -> set[str]:
    """The texts with which IMAP says NO and BAD, and POP3 -ERR."""
    found = set()
    for path, tree in parsed():
        if path.relative_to(PACKAGE).parts[0] not in ("imap", "pop3"):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and node.args:
                name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
                text = template(node.args[0])
                if name in ("No", "Bad", "Temp", "Perm", "err", "bye", "hang_up") and text is not None:
                    found.add(text.partition("] ")[2] if text.startswith("[") else text)
    return {text for text in found if " " in text.replace("{}", "").strip()}


def test_no_translation_outlives_its_text() -> None:
    there = set().union(*(said(tree) for _, tree in parsed()))
    assert {tag: sorted(set(texts) - there) for tag, texts in TEXTS.items()} == {tag: [] for tag in TEXTS}


@pytest.mark.parametrize("tag", sorted(TEXTS))
def test_most_refusals_are_translated(tag: str) -> None:
    wanted = refusals()
    missing = sorted(wanted - set(TEXTS[tag]))
    assert len(wanted) > 80
    assert len(missing) <= len(wanted) // 10, f"{len(missing)} of {len(wanted)} texts are English: {missing}"


def test_languages_have_the_same_texts() -> None:
    assert set(TEXTS["de"]) == set(TEXTS["fr"])


@pytest.mark.parametrize("tag", sorted(TEXTS))
def test_texts_are_of_one_line_with_the_same_holes(tag: str) -> None:
    for english, text in TEXTS[tag].items():
        assert text and text.isprintable() and not text.startswith("[")
        holes = english.count("{}")
        assert text.format(*["x"] * holes).count("x") - text.count("x") == holes, english

"""mailkit-smtpd(8) tells every refusal, check and control value there is."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailkit.control.table import TABLE
from mailkit.policy.chain import CHECKS, MODES
from mailkit.smtp import settings

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [*ROOT.glob("mailkit/smtp/*.py"), *ROOT.glob("mailkit/smtp/verbs/*.py"), *ROOT.glob("mailkit/policy/*.py")]
CODES = {"reject": "550", "defer": "451", "_farewell": "421"}


def page() -> str:
    """The page as one line, without macros."""
    lines = (ROOT / "man" / "mailkit-smtpd.8").read_text().splitlines()
    return " ".join(re.sub(r"^\.(It|Dq|Pq|Pa|Pc|Po) ?", "", line).replace(" ;", ";") for line in lines)


def pieces(node: ast.expr) -> list[str]:
    """The fixed parts of a text."""
    if isinstance(node, ast.Constant):
        return [str(node.value)]
    if isinstance(node, ast.JoinedStr):
        fixed = [str(part.value) for part in node.values if isinstance(part, ast.Constant)]
        return [part.strip(" :[]") for part in fixed if len(part.strip(" :[]<>")) > 2]
    return []


def refusals() -> Iterator[tuple[str, str, str]]:
    """(reply code, enhanced code, fixed part of the text) of every refusal in the source."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            arguments = list(node.args)
            if name in CODES:
                given = [keyword.value for keyword in node.keywords if keyword.arg == "code"]
                arguments = [given[0] if given else ast.Constant(CODES[name]), *arguments[1 if name == "_farewell" else 0 :]]
            elif name not in ("Refused", "Reply"):
                continue
            fixed = [str(part.value) for part in arguments[:2] if isinstance(part, ast.Constant)]
            if len(fixed) == 2 and fixed[0] >= "400":
                for text in pieces(arguments[2]):
                    yield fixed[0], fixed[1], text


@pytest.mark.parametrize(("code", "status", "text"), sorted(set(refusals())))
def test_refusal_is_in_the_page(code: str, status: str, text: str) -> None:
    told = page()
    assert text in told
    # What refuses before the greeting says 554 there.
    assert f"{code} {status}" in told or f"554 {status}" in told


def test_there_are_refusals() -> None:
    assert len(set(refusals())) > 60


@pytest.mark.parametrize("name", [*CHECKS, *MODES])
def test_check_and_mode_are_in_the_page(name: str) -> None:
    text = (ROOT / "man" / "mailkit-smtpd.8").read_text()
    assert re.search(rf"^\.It Cm {name}$", text, re.M)


OWN = sorted(name.removesuffix("_s") for name in settings.Settings.__slots__ if name.removesuffix("_s") in TABLE)


@pytest.mark.parametrize("name", [*OWN, "rate", "milters", "policycommand", "policytime", "sendas", "domains"])
def test_control_value_is_in_the_page(name: str) -> None:
    assert f"control/{name}" in (ROOT / "man" / "mailkit-smtpd.8").read_text()

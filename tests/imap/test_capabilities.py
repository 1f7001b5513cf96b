"""What is advertised, what the manual page says of it, and its proof are one list."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mailkit.imap import capability, commands
from tests.imap.test_transcripts import TRANSCRIPTS

PAGE = Path(__file__).parents[2] / "man" / "mailkit-imapd.8"
ROWS = re.findall(r"^\.It (\S+) Ta (?:[\d, ]+|draft) Ta (\S+)$", PAGE.read_text("utf-8"), re.MULTILINE)


def test_page_has_what_is_advertised() -> None:
    connection = {
        "LITERAL-",
        "LOGIN-REFERRALS",
        "MESSAGELIMIT=",
        "SAVELIMIT=",
        "AUTH=",
        "STARTTLS",
        "LOGINDISABLED",
        "APPENDLIMIT=",
    }
    assert {name for name, _ in ROWS} == {*capability.ALWAYS, *capability.LOGGED_IN, *connection}


@pytest.mark.parametrize(("name", "proof"), ROWS)
def test_proof_is_there(name: str, proof: str) -> None:
    assert proof in {path.stem for path in TRANSCRIPTS}


def test_every_command_is_in_a_transcript() -> None:
    said = " ".join(path.read_text("utf-8").upper() for path in TRANSCRIPTS)
    assert [name for name in commands.TABLE if f" {name}" not in said] == []


@pytest.mark.parametrize("name", commands.TABLE)
def test_table_leads_to_code(name: str) -> None:
    assert callable(commands.TABLE[name].function())

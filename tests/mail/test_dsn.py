"""Delivery status: parameters, fields, codes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailkit.mail import dsn, header

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@given(TEXTS)
def test_xtext_comes_back(text: str) -> None:
    coded = dsn.xtext(text)
    assert dsn.unxtext(coded) == text
    assert coded.isascii() and coded.isprintable() and " " not in coded and "=" not in coded


@given(TEXTS.filter(lambda text: text.isprintable() and text), st.booleans())
def test_recipients_come_back(address: str, utf8: bool) -> None:
    for kind in ("rfc822", "utf-8"):
        coded = dsn.recipient(kind, address, utf8)
        if len(coded) <= 500:
            assert dsn.orcpt(coded) == (kind, address)
        assert " " not in coded and "=" not in coded
        assert utf8 or coded.isascii()


@pytest.mark.parametrize("text, decoded", [
    ("rfc822;Bob+2Btag@Example.org", ("rfc822", "Bob+tag@Example.org")),
    ("RFC822;not+20an+20address", ("rfc822", "not an address")),
    ("utf-8;j\\x{FC}rgen@b", ("utf-8", "jürgen@b")),
    ("utf-8;jürgen@b", ("utf-8", "jürgen@b")),
    ("x400;/c=fr".replace("=", "+3D"), ("x400", "/c=fr")),
])  # fmt: skip
def test_orcpt(text: str, decoded: tuple[str, str]) -> None:
    assert dsn.orcpt(text) == decoded


@pytest.mark.parametrize("function, text", [
    (dsn.unxtext, "a=b"), (dsn.unxtext, "a+2b"), (dsn.unxtext, "a+"), (dsn.unxtext, "a+FF"), (dsn.unxtext, "a b"),
    (dsn.unxtext, "é"),
    (dsn.notify, ""), (dsn.notify, "NEVER,FAILURE"), (dsn.notify, "SOMETIMES"), (dsn.notify, "FAILURE,FAILURE"),
    (dsn.notify, "FAILURE,"), (dsn.ret, ""), (dsn.ret, "BODY"),
    (dsn.envid, ""), (dsn.envid, "x" * 101), (dsn.envid, "+0D+0A"), (dsn.envid, "+C3+A9"),
    (dsn.orcpt, ""), (dsn.orcpt, "a@b"), (dsn.orcpt, ";a@b"), (dsn.orcpt, "rfc822;"),
    (dsn.orcpt, "rfc822;" + "x" * 500),
    (dsn.orcpt, "rfc822;a+0Ab"), (dsn.orcpt, "utf-8;\\x{D800}"), (dsn.orcpt, "utf-8;\\x{FC"),
    (dsn.orcpt, "utf-8;\\x{}"),
    (dsn.orcpt, "utf-8;\\x{110000}"), (dsn.orcpt, "utf-8;\\x{A}"), (dsn.orcpt, "rf c;a"),
])  # fmt: skip
def test_what_is_refused(function: Callable[[str], object], text: str) -> None:
    with pytest.raises(ValueError, match=r"[a-z] "):
        function(text)


def test_notify_ret_envid() -> None:
    assert dsn.notify("never") == ("NEVER",)
    assert dsn.notify("delay,SUCCESS") == ("SUCCESS", "DELAY")
    assert dsn.ret("hdrs") == "HDRS"
    assert dsn.envid("QQ+2B314") == "QQ+314"


def test_per_message_fields() -> None:
    assert dsn.per_message("mx.example", envid="id", received_from="client.example", arrival=0) == (
        b"Original-Envelope-Id: id\nReporting-MTA: dns; mx.example\nReceived-From-MTA: dns; client.example\n"
        b"Arrival-Date: Thu, 1 Jan 1970 00:00:00 +0000\n"
    )
    assert dsn.per_message("mx.example") == b"Reporting-MTA: dns; mx.example\n"


def test_per_recipient_fields() -> None:
    fields = dsn.per_recipient(
        "a@b",
        "failed",
        "5.1.1",
        original=("rfc822", "c@d"),
        remote_mta="mx.b",
        diagnostic="550 5.1.1 no\r\nsuch user é",
        last_attempt=0,
        retry_until=1,
    )
    assert fields == (
        b"Original-Recipient: rfc822; c@d\nFinal-Recipient: rfc822; a@b\nAction: failed\nStatus: 5.1.1\n"
        b"Remote-MTA: dns; mx.b\nDiagnostic-Code: smtp; 550 5.1.1 no  such user \\xe9\n"
        b"Last-Attempt-Date: Thu, 1 Jan 1970 00:00:00 +0000\n"
    )
    delayed = dsn.per_recipient("a@b", "delayed", "4.4.1", retry_until=0)
    assert b"Will-Retry-Until: Thu, 1 Jan 1970" in delayed
    with pytest.raises(ValueError):
        dsn.per_recipient("a@b", "lost", "5.0.0")


def test_addresses_outside_ascii_in_reports() -> None:
    assert b"Final-Recipient: utf-8; j\\x{FC}@b\n" in dsn.per_recipient("jü@b", "failed", "5.1.1")
    assert "Final-Recipient: utf-8; jü@b\n".encode() in dsn.per_recipient("jü@b", "failed", "5.1.1", utf8=True)


@given(TEXTS, TEXTS)
def test_no_field_is_smuggled_in(final: str, diagnostic: str) -> None:
    fields = dsn.per_recipient(final, "failed", "5.0.0", diagnostic=diagnostic)
    names = [name for name, _ in header.fields(fields)]
    assert names == [b"Final-Recipient", b"Action", b"Status", b"Diagnostic-Code"][: 4 if diagnostic else 3]


@pytest.mark.parametrize("text, parsed", [
    ("5.1.1", (5, 1, 1)), ("2.0.0", (2, 0, 0)), ("4.7.26", (4, 7, 26)), ("3.0.0", None), ("5.1", None),
    ("5.1.1.1", None),
    ("5.a.1", None), ("5.1.1234", None), ("", None), ("5.٣.1", None),
])  # fmt: skip
def test_status(text: str, parsed: tuple[int, int, int] | None) -> None:
    assert dsn.status(text) == parsed


def test_meaning() -> None:
    assert dsn.meaning("5.1.1") == "no such mailbox"
    assert dsn.meaning("4.2.99") == "other mailbox trouble"
    assert dsn.meaning("5.99.1") == dsn.meaning("rubbish") == "other or undefined status"

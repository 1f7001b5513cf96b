"""The short way for plain addresses gives what the parser gives."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailkit.mail import address
from mailkit.smtp import path
from mailkit.smtp.reply import Refused

pieces = st.sampled_from([b"a", b"b1", b".", b"-", b"_", b"+", b"=", b"@", b"example", b"test", b"x" * 63, b'"', b" ", b"\xc3\xa4"])


@given(st.lists(pieces, max_size=9).map(b"".join), st.sampled_from([b"", b" SIZE=1", b"x", b" "]))
@example(b"a@b-.c", b"")
@example(b"a.@b", b"")
@example(b"a@b.-c", b"")
@example(b"x" * 63 + b"x@b", b"")
def test_short_way_and_parser_agree(inner: bytes, rest: bytes) -> None:
    argument = b"<" + inner + b">" + rest
    try:
        mailbox, words = address.path(argument, utf8=True)
        wanted = ("" if mailbox is None else str(mailbox)), words
    except ValueError:
        with pytest.raises(Refused):
            path.read(argument, "5.1.3")
        return
    found, left = path.read(argument, "5.1.3")
    assert (found, left.strip()) == (wanted[0], wanted[1].strip())


@pytest.mark.parametrize("argument", [b"<a+b=c_d-e@example.test>", b"<a@b>"])
def test_plain_addresses_go_the_short_way(argument: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(address, "path", lambda *args, **kwargs: pytest.fail("went the long way"))
    assert path.read(argument, "5.1.3") == (argument[1:-1].decode(), b"")

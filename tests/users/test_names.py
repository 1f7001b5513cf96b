"""users.names: one canonical form, nothing that could leave its directory."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailkit.users import names


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("Alice.Smith@Example.TEST", "alice.smith@example.test"),
        ('"alice"@example.test', "alice@example.test"),
        ('"al\\ice"@example.test', "alice@example.test"),
        ("o'brien+tag/x=y@example.test", "o'brien+tag/x=y@example.test"),
        ("info@BÜCHER.example", "info@xn--bcher-kva.example"),
        ("info@XN--BCHER-KVA.example", "info@xn--bcher-kva.example"),
        ("info@faß.example", "info@xn--fa-hia.example"),  # IDNA 2008, not "fass"
        ("Jo\u0308rg@example.test", "j\u00f6rg@example.test"),
        ("用户@例子.广告", "用户@xn--fsqu00a.xn--4rr70v"),
        ("root@localhost", "root@localhost"),
    ],
)
def test_canonical_form(text: str, canonical: str) -> None:
    assert names.canonical(text) == canonical
    assert names.canonical(canonical) == canonical


@pytest.mark.parametrize(
    "text",
    [
        "", "alice", "@example.test", "alice@", "a b@example.test", '"a b"@example.test', "a@b@example.test",
        ".alice@example.test", "alice.@example.test", "al..ice@example.test", "a:b@example.test", "a\nb@example.test",
        "a\0b@example.test", "../../etc@example.test", "alice@..", "alice@../x", "alice@.example.test",
        "alice@example.test.", "alice@-x.test", "alice@x-.test", "alice@ex_ample.test", "alice@192.0.2.1",
        "alice@[192.0.2.1]", "alice@" + "a" * 64 + ".test", "alice@" + ".".join(["abcdefg"] * 40),
        "a" * 65 + "@example.test", "ü" * 33 + "@example.test", "a\u202eb@example.test", "a\ud800@example.test",
        "alice@exa mple.test", "<alice@example.test>", "alice@xn\u0080.test",
    ],
)  # fmt: skip
def test_refused(text: str) -> None:
    with pytest.raises(ValueError):
        names.canonical(text)


@given(st.text(max_size=80))
def test_directory_never_leaves_its_parent(text: str) -> None:
    try:
        local = names.local_part(text)
    except ValueError:
        return
    directory = names.directory(local)
    assert os.path.dirname(directory) == ""
    assert directory not in (".", "..") and not directory.startswith(".")
    assert os.path.normpath(os.path.join("/x", directory)) == f"/x/{directory}"


def test_directory_is_one_to_one() -> None:
    texts = ["a/b", "a%2fb", "a%2Fb", "a%b", "a%25b", "ab"]
    assert len({names.directory(text) for text in texts}) == len(texts)
    assert names.directory("a/b") == "a%2Fb"


@pytest.mark.parametrize("text", ["", "..", ".", ".hidden", "a\0b"])
def test_directory_refuses_what_is_not_canonical(text: str) -> None:
    with pytest.raises(ValueError):
        names.directory(text)


@given(st.text(max_size=30))
def test_key_agrees_with_canonical(text: str) -> None:
    """Whatever has a canonical form is looked up by it; and no key could end a line or a field."""
    key = names.key(text)
    assert key is None or not set(key) & set(b":\n\r\0 ")
    try:
        wanted = names.canonical(text)
    except ValueError:
        return
    assert key == (None if wanted.startswith("#") else wanted.encode())


def test_bases_of_an_extended_address() -> None:
    assert names.bases("a-b+c@d.test", "+-") == ["a-b+c@d.test", "a-b@d.test", "a@d.test"]
    assert names.bases("+a@d.test", "+") == ["+a@d.test"]
    assert names.bases("a@d-e.test", "-") == ["a@d-e.test"]


def test_readable_domain() -> None:
    assert names.readable("info@xn--bcher-kva.example") == "info@bücher.example"
    assert names.readable("info@xn--\x80.example") == "info@xn--\x80.example"
    assert names.readable("example.test") == "example.test"

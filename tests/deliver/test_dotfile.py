"""Dot files: which one counts, what its lines mean; the examples of dot-qmail(5)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailkit.deliver import dotfile
from mailkit.deliver.dotfile import Instruction
from mailkit.exits import Temp


def names(extension: str, separators: str = "+-", plain: bool = True) -> list[str]:
    return [name for name, _ in dotfile.candidates(extension, separators, plain)]


def test_the_order_in_which_files_are_looked_for() -> None:
    assert names("") == [".qmail", ".forward"]
    assert names("foo") == [".qmail-foo", ".qmail-default", ".forward+foo", ".qmail", ".forward"]
    assert names("foo-bar")[:3] == [".qmail-foo-bar", ".qmail-foo-default", ".qmail-default"]
    assert names("foo", plain=False) == [".qmail-foo", ".qmail-default"]


def test_names_are_lower_case_and_dots_are_colons() -> None:
    assert names("Foo.Bar")[0] == ".qmail-foo:bar"
    assert names("../../etc/x")[0] == ".qmail-::::::etc:x"


def test_default_stands_for_the_rest() -> None:
    found = dict(dotfile.candidates("foo-bar", "+"))
    assert found[".qmail-foo-default"] == "bar"
    assert found[".qmail-default"] == "foo-bar"


DOT_QMAIL = """\
# a comment
|vacation
./Maildir/
/var/mail/bob
&me@new.job.com
you@elsewhere.example   \t

+future
"""


def test_the_lines_of_dot_qmail() -> None:
    assert dotfile.parse(DOT_QMAIL) == [
        Instruction("program", "vacation"),
        Instruction("maildir", "./Maildir/"),
        Instruction("mbox", "/var/mail/bob"),
        Instruction("address", "me@new.job.com"),
        Instruction("address", "you@elsewhere.example"),
    ]


@pytest.mark.parametrize("text", ["\n./Maildir/\n", "&\n", "two words\n", "+list\n|program\n", "+list\n./Maildir/\n"])
def test_what_cannot_be_understood_is_refused_whole(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        dotfile.parse(text)


def test_after_list_only_addresses() -> None:
    assert dotfile.parse("|log\n+list\na@x\n&b@x\n") == [
        Instruction("program", "log"),
        Instruction("list"),
        Instruction("address", "a@x"),
        Instruction("address", "b@x"),
    ]


def test_the_items_of_dot_forward() -> None:
    text = '# away\n\\bob, carol@example.net\n"|/usr/bin/vacation bob, carol", /var/mail/bob\n./lists/\n'
    assert dotfile.parse_forward(text) == [
        Instruction("mailbox"),
        Instruction("address", "carol@example.net"),
        Instruction("program", "/usr/bin/vacation bob, carol"),
        Instruction("mbox", "/var/mail/bob"),
        Instruction("maildir", "./lists/"),
    ]


@pytest.mark.parametrize("text", ['"|open', ":include:/etc/passwd", "a b"])
def test_a_forward_that_cannot_be_understood(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        dotfile.parse_forward(text)


@given(st.text(max_size=200))
def test_any_text_is_understood_or_refused(text: str) -> None:
    for parse in (dotfile.parse, dotfile.parse_forward):
        try:
            assert all(one.value or one.kind in ("mailbox", "program", "list") for one in parse(text))
        except ValueError:
            continue


def test_the_first_file_counts(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    for name in (".qmail-foo-default", ".qmail-default", ".qmail", ".forward"):
        (tmp_path / name).write_text(f"&{name[1:]}@x\n")

    def found(extension: str) -> str:
        got = dotfile.find(str(tmp_path), extension, "+")
        assert got is not None
        return f"{os.path.basename(got.path)} {got.default}".strip()

    assert found("foo-bar") == ".qmail-foo-default bar"
    assert found("bar") == ".qmail-default bar"
    assert found("") == ".qmail"
    (tmp_path / ".qmail").unlink()
    assert found("") == ".forward"


def test_none_and_empty_mean_the_maildir(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    assert dotfile.find(str(tmp_path), "x", "+") is None
    assert dotfile.find(str(tmp_path / "nowhere"), "x", "+") is None
    (tmp_path / ".qmail").touch()
    assert dotfile.find(str(tmp_path), "", "+") is None


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda home, file: file.chmod(0o620), "others may write it"),
        (lambda home, file: file.chmod(0o602), "others may write it"),
        (lambda home, file: home.chmod(0o770), "others may write its directory"),
        (lambda home, file: home.chmod(0o1700), "sticky"),
        (lambda home, file: file.write_text("\n&a@x\n"), "first line is blank"),
        (lambda home, file: file.write_bytes(b"#" * 70000), "larger than"),
        (lambda home, file: (file.unlink(), file.mkdir()), "not a file"),
        (lambda home, file: (file.unlink(), os.mkfifo(file)), "not a file"),
        (lambda home, file: (file.unlink(), file.symlink_to(file)), "symbolic links"),
    ],
)
def test_a_file_that_is_not_safe_or_not_right_defers(tmp_path: Path, damage: object, said: str) -> None:
    tmp_path.chmod(0o700)
    file = tmp_path / ".qmail"
    file.write_text("&a@x\n")
    file.chmod(0o600)
    damage(tmp_path, file)  # type: ignore[operator]
    try:
        with pytest.raises(Temp, match=said):
            dotfile.find(str(tmp_path), "", "+")
    finally:
        tmp_path.chmod(0o700)

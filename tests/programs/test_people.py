"""mailkit-adduser, -deluser, -moduser, -passwd, -lsusers, -alias: what they do and what they refuse."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from mailkit.control import Home
from mailkit.maildir import tree
from mailkit.programs import adduser, alias, deluser, lsusers, moduser, passwd
from mailkit.users import aliases, schemes, verify
from mailkit.users.passwd import Passwd, User
from tests.harness import fakeclock
from tests.harness.crash import crashes
from tests.harness.servers import environment, program

ALICE = "alice@example.test"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    (tmp_path / "control").mkdir()
    (tmp_path / "control" / "domains").write_text("# ours\nexample.test")
    (tmp_path / "control" / "scramiterations").write_text("4096\n")
    monkeypatch.setenv("MAILKIT_HOME", str(tmp_path))
    return Home(str(tmp_path))


def typed(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))


def found(home: Home, address: str = ALICE) -> User:
    user = Passwd(home).lookup(address)
    assert user is not None
    return user


@pytest.fixture
def alice(home: Home, capsys: pytest.CaptureFixture[str]) -> str:
    """Alice is there; her password."""
    assert adduser.main(["--generate", "--name", "Alice Smith", "--quota", "5g", "Alice@Example.test"]) == 0
    return capsys.readouterr().out.rstrip("\n")


def test_new_user_is_complete(home: Home, alice: str) -> None:
    user = found(home)
    assert verify.check(user, alice) and len(alice) == 23
    assert user.gecos == "Alice Smith" and user.quota == (5 << 30, None)
    assert schemes.split(user.hash)[0] == "ARGON2ID"
    assert user.fields["scram-sha-256"].startswith("4096,") and user.fields["scram-sha-1"].startswith("4096,")
    maildir = Path(user.maildir)
    assert maildir == Path(home.domains, "example.test", "alice", "Maildir")
    folders = {"Drafts", "Sent", "Junk", "Trash", "Archive"}
    assert {path.name for path in maildir.iterdir() if path.name.startswith(".")} == {f".{name}" for name in folders}
    assert folders <= set((maildir / "subscriptions").read_text().split())
    for name in ("cur", "new", "tmp", ".Sent/cur"):
        assert (maildir / name).is_dir()
    assert maildir.stat().st_mode & 0o777 == 0o700 and os.stat(home.passwd).st_mode & 0o777 == 0o600


def test_password_from_standard_input(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    typed(monkeypatch, "pass word\nsecond line\n")
    assert adduser.main(["--password-stdin", ALICE]) == 0
    assert verify.check(found(home), "pass word")


@pytest.mark.parametrize(
    ("words", "stdin"),
    [
        (["alice"], ""), (["a b@example.test"], ""), (["../x@example.test"], ""), (["alice@elsewhere.test"], ""),
        ([ALICE], ""), (["--password-stdin", ALICE], ""), (["--password-stdin", "--generate", ALICE], "x\n"),
        (["--password-stdin", ALICE], "a\x07b\n"), (["--generate", "--quota", "5 G", ALICE], ""),
        (["--generate", "--uid", "nosuchuser", ALICE], ""), (["--generate", "--name", "a:b", ALICE], ""),
        (["--generate", "#alice@example.test"], ""), ([], ""),
    ],
)  # fmt: skip
def test_refused_users_leave_nothing(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str], stdin: str
) -> None:
    typed(monkeypatch, stdin)
    assert adduser.main(words) == 100
    assert capsys.readouterr().err
    assert sorted(os.listdir(home.path)) == ["control"]


def test_user_who_is_there_stays_as_they_are(home: Home, alice: str) -> None:
    before = Path(home.passwd).read_bytes()
    assert adduser.main(["--generate", ALICE]) == 100
    assert Path(home.passwd).read_bytes() == before


def test_new_domain(home: Home) -> None:
    assert adduser.main(["--generate", "--new-domain", "info@bücher.example"]) == 0
    assert home.control.lines("domains") == ["example.test", "xn--bcher-kva.example"]
    assert Path(found(home, "info@bücher.example").maildir).parts[-3] == "xn--bcher-kva.example"


def test_dry_run_changes_nothing(home: Home, alice: str, capsys: pytest.CaptureFixture[str]) -> None:
    before = Path(home.passwd).read_bytes()
    for main, words in (
        (adduser.main, ["--generate", "bob@example.test"]), (deluser.main, ["--purge", ALICE]),
        (moduser.main, ["--disable", ALICE]), (passwd.main, ["--generate", ALICE]),
        (alias.main, ["add", "x@example.test", ALICE]),
    ):  # fmt: skip
        assert main(["-n", *words]) == 0
        out, err = capsys.readouterr()
        assert err.startswith("would ") and out == ""
    assert Path(home.passwd).read_bytes() == before
    assert not Path(home.aliases).exists() and os.listdir(os.path.join(home.domains, "example.test")) == ["alice"]


def test_deleted_users_mail_stays_and_is_taken_over(home: Home, alice: str) -> None:
    message = Path(found(home).maildir, "cur", "1.a.b:2,S")
    message.write_text("mail")
    assert deluser.main([ALICE]) == 0
    assert Passwd(home).lookup(ALICE) is None
    assert adduser.main(["--generate", ALICE]) == 0
    assert message.read_text() == "mail"


def test_purge_follows_no_links(home: Home, alice: str, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (outside / "sub").mkdir(parents=True)
    (outside / "file").write_text("not mail")
    directory = Path(found(home).directory)
    (directory / "link").symlink_to(outside)
    (directory / "Maildir" / "cur" / "link").symlink_to(outside / "file")
    assert deluser.main(["--purge", "--yes", ALICE]) == 0
    assert not directory.exists()
    assert (outside / "file").read_text() == "not mail" and (outside / "sub").is_dir()


def test_purge_of_a_directory_elsewhere_is_refused(home: Home, tmp_path: Path) -> None:
    own = tmp_path / "own"
    assert adduser.main(["--generate", "--home-dir", str(own), ALICE]) == 0
    assert (own / "Maildir" / "cur").is_dir()
    assert deluser.main(["--purge", "--yes", ALICE]) == 100
    assert found(home).maildir == str(own / "Maildir") and own.is_dir()


def test_purge_asks(home: Home, alice: str, monkeypatch: pytest.MonkeyPatch) -> None:
    typed(monkeypatch, "")
    assert deluser.main(["--purge", ALICE]) == 100
    assert Path(found(home).maildir).is_dir()


def test_deleting_names_aliases_that_lead_there(home: Home, alice: str, capsys: pytest.CaptureFixture[str]) -> None:
    aliases.add(home, "sales@example.test", ["alice", "bob"])
    assert deluser.main([ALICE, "nobody@example.test"]) == 100
    assert found(home)  # one that is not there: nobody goes
    assert deluser.main([ALICE]) == 0
    assert "sales@example.test still leads to alice@example.test" in capsys.readouterr().err


def test_changes(home: Home, alice: str) -> None:
    assert moduser.main(["--messages", "100", "--name", "Alice Miller", "--no-login", ALICE]) == 0
    user = found(home)
    assert (user.quota, user.gecos, user.may_log_in, user.may_receive) == ((5 << 30, 100), "Alice Miller", False, True)
    assert verify.check(user, alice)
    assert moduser.main(["--quota", "0", "--login", "--disable", "--set", "allow_nets=::1", ALICE]) == 0
    user = found(home)
    assert (user.quota, user.may_log_in, user.may_receive) == ((None, 100), False, False)
    assert user.fields["allow_nets"] == "::1"
    assert (
        moduser.main(["--enable", "--messages", "0", "--unset", "allow_nets", "--uid", "0", "--gid", "0", ALICE]) == 0
    )
    user = found(home)
    assert set(user.fields) == {"scram-sha-256", "scram-sha-1"} and (user.uid, user.gid) == (0, 0)


@pytest.mark.parametrize(
    "words",
    [
        ["--quota", "lots", ALICE],
        ["--set", "a=b c", ALICE],
        ["--name", "x", "nobody@example.test"],
        ["--name", "a\nb", ALICE],
    ],
)
def test_refused_changes(home: Home, alice: str, words: list[str]) -> None:
    before = Path(home.passwd).read_bytes()
    assert moduser.main(words) == 100
    assert Path(home.passwd).read_bytes() == before


def test_new_password(
    home: Home, alice: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    typed(monkeypatch, "other one\r\n")
    assert passwd.main(["--password-stdin", ALICE]) == 0
    user = found(home)
    assert verify.check(user, "other one") and not verify.check(user, alice)
    assert schemes.fits("{SCRAM-SHA-256}" + user.fields["scram-sha-256"], b"other one", ALICE)
    for text, status in (("other one\n", 0), ("wrong\n", 100)):
        typed(monkeypatch, text)
        assert passwd.main(["--check", "--password-stdin", ALICE]) == status
    assert passwd.main(["--generate", "nobody@example.test"]) == 100
    assert "other one" not in capsys.readouterr().err


def test_password_is_asked_for_twice_on_a_terminal(home: Home, alice: str) -> None:
    """A pseudo-terminal: the first pair differs, the second counts, nothing is echoed."""
    ours, theirs = pty.openpty()
    words = program("passwd", "--home", home.path, ALICE)
    process = subprocess.Popen(
        words, stdin=theirs, stdout=theirs, stderr=theirs, env=environment(), start_new_session=True
    )
    os.close(theirs)
    seen = b""
    answers = [b"one", b"two", b"new pass", b"new pass"]
    try:
        while True:
            try:
                part = os.read(ours, 1000)
            except OSError:  # EIO: the other side has closed
                break
            if not part:
                break
            seen += part
            if seen.endswith(b": ") and answers:
                os.write(ours, answers.pop(0) + b"\n")
                seen += b"|"
    finally:
        os.close(ours)
    assert process.wait(20) == 0, seen
    assert seen.count(b"|") == 4 and b"new pass" not in seen
    assert verify.check(found(home), "new pass")


def test_list(home: Home, alice: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert adduser.main(["--generate", "bob@example.test"]) == 0
    assert moduser.main(["--no-login", "bob@example.test"]) == 0
    capsys.readouterr()
    assert lsusers.main([]) == 0
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        [ALICE, "ok", "5G", found(home).maildir, "Alice Smith"],
        ["bob@example.test", "nologin", "-", found(home, "bob@example.test").maildir, ""],
    ]
    assert lsusers.main(["--json", "A*@example.test"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    fact = json.loads(line)
    assert (fact["address"], fact["quota"], fact["scheme"], fact["scram"]) == (ALICE, 5 << 30, "ARGON2ID", True)
    assert alice not in line and "$argon2" not in line


def test_list_with_what_each_one_has(home: Home, alice: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert adduser.main(["--generate", "bob@example.test"]) == 0
    assert moduser.main(["--quota", "1K", ALICE]) == 0
    for name, size in (("new/1.a.h", 200), ("cur/2.b.h,S=300:2,S", 1), (".Sent/cur/3.c.h:2,", 200)):
        Path(found(home).maildir, name).write_bytes(b"x" * size)
    before = sorted(Path(home.domains).rglob("*"))
    capsys.readouterr()
    assert lsusers.main(["--usage"]) == 0
    lines = [line.split("\t")[2:6] for line in capsys.readouterr().out.splitlines()]
    assert lines == [["1K", "700", "3", "68%"], ["-", "0", "0", "-"]]
    assert lsusers.main(["--usage", "--json", "bob*"]) == 0
    fact = json.loads(capsys.readouterr().out)
    assert (fact["used"], fact["count"], fact["percent"]) == (0, 0, None)
    assert sorted(Path(home.domains).rglob("*")) == before


def test_list_of_damage(home: Home, alice: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert lsusers.main(["--damaged"]) == 0
    with open(home.passwd, "a") as file:
        file.write("rubbish\n")
    assert lsusers.main(["--damaged"]) == 100
    assert capsys.readouterr().out == "2\thas no colon\n"


def test_aliases(home: Home, alice: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert alias.main(["add", "Sales@example.test", "alice", "bob@elsewhere.test"]) == 0
    assert alias.main(["add", "*@old.test", "*@example.test"]) == 0
    capsys.readouterr()
    assert alias.main(["list"]) == 0
    assert capsys.readouterr().out == (
        "sales@example.test: alice@example.test, bob@elsewhere.test\n*@old.test: *@example.test\n"
    )
    assert alias.main(["list", "--json", "sales*"]) == 0
    assert json.loads(capsys.readouterr().out)["targets"] == [ALICE, "bob@elsewhere.test"]
    assert alias.main(["test", "sales@old.test"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "sales@old.test leads to", "  sales@example.test leads to", "    alice@example.test is a user",
        "    elsewhere.test is not hosted here (control/domains): it goes out by SMTP",
    ]  # fmt: skip
    assert alias.main(["test", "--json", "sales@old.test"]) == 0
    assert json.loads(capsys.readouterr().out)["targets"] == [ALICE, "bob@elsewhere.test"]
    assert alias.main(["remove", "sales@example.test", "bob@elsewhere.test"]) == 0
    assert alias.main(["remove", "*@old.test"]) == 0
    assert Path(home.aliases).read_text() == "sales@example.test: alice@example.test\n"


@pytest.mark.parametrize(
    "words",
    [
        ["add", "x@example.test"], ["add", "x", "y@example.test"], ["add", "x@example.test", "a b"], ["remove", "x@example.test"],
        ["add", "*@*@x.test", "y"], ["test"], ["frobnicate"], ["add", "two@example.test", "one"], ["test", "nonsense"],
    ],
)  # fmt: skip
def test_refused_aliases(home: Home, alice: str, words: list[str]) -> None:
    aliases.add(home, "one@example.test", ["two"])
    before = Path(home.aliases).read_bytes()
    assert alias.main(words) == 100
    assert Path(home.aliases).read_bytes() == before


def test_alias_that_takes_a_users_mail_is_told(home: Home, alice: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert alias.main(["add", ALICE, "bob@elsewhere.test"]) == 0
    assert f"the user {ALICE} gets this mail no more" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("x@unhosted.test", ALICE), ["x@unhosted.test gets no mail: unhosted.test is not in control/domains; echo unhosted.test >> "]),
        (("*@old.test", "*@example.test"), ["*@old.test gets no mail: old.test is not in control/domains"]),
        (("x@example.test", ALICE, "nosuch"), ["leads to nosuch@example.test: no such user here; mailkit-adduser nosuch@example.test"]),
        (("@example.test", "nosuch"), ["leads to nosuch@example.test: no such user here"]),
        (("x@example.test", ALICE, "bob@elsewhere.test", "alice+tag"), []),
    ],
)
def test_alias_that_will_not_do_is_told(
    words: tuple[str, ...], told: list[str], home: Home, alice: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert alias.main(["add", *words]) == 0
    notes = [line for line in capsys.readouterr().err.splitlines() if line.startswith("note: ")]
    assert len(notes) == len(told) and all(text in note for text, note in zip(told, notes, strict=True))
    assert alias.main(["test", "x@unhosted.test"]) == 0
    assert "unhosted.test is not in control/domains" in capsys.readouterr().err


def test_an_address_that_others_take_is_not_said_to_be_unknown(
    home: Home, alice: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(home.control.directory, "postmaster").write_text(f"{ALICE}\n")
    capsys.readouterr()
    for address, told in (
        ("abuse@example.test", f"abuse@example.test stands for {ALICE} (control/postmaster)\n{ALICE} is a user (users/passwd)"),
        ("alice+tag@example.test", f"{ALICE} is a user (users/passwd)"),
        ("nobody@example.test", "nobody@example.test is no user and no alias here"),
    ):
        assert alias.main(["test", address]) == 0
        assert capsys.readouterr().out == told + "\n"


def test_crash_leaves_no_user_without_maildir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = fakeclock.install(monkeypatch, time.time())
    monkeypatch.setattr(verify, "set_password", lambda user, password, iterations: setattr(user, "hash", "{PLAIN}x"))
    monkeypatch.setattr(tree, "STANDARD", ("Sent",))  # one of the five shows it all, in a fifth of the time

    def prepare(directory: Path) -> None:
        (directory / "control").mkdir()
        (directory / "control" / "domains").write_text("example.test\n")

    ended = 0
    for crash in crashes(tmp_path, lambda path: adduser.main(["--home", str(path), "--generate", ALICE]), prepare):
        home = Home(str(crash.directory))
        if not Path(home.passwd).exists() or Passwd(home).lookup(ALICE) is None:
            assert not crash.done
            clock.advance(60)  # locks of the dead are stale now
            assert adduser.main(["--home", home.path, "--generate", ALICE]) == 0  # what is there is no hindrance
        for name in ("", ".Sent"):
            assert Path(found(home).maildir, name, "cur").is_dir(), crash
        ended += crash.done
    assert ended == 2


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_mailbox_of_a_system_user_is_theirs(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkdir(home.domains, 0o700)
    os.chown(home.domains, 1234, 1235)
    assert adduser.main(["--generate", ALICE]) == 0
    assert adduser.main(["--generate", "--uid", "2345", "--gid", "2346", "bob@example.test"]) == 0
    for address, owner in ((ALICE, (1234, 1235)), ("bob@example.test", (2345, 2346))):
        for path in (Path(found(home, address).directory), *Path(found(home, address).directory).rglob("*")):
            assert (path.stat().st_uid, path.stat().st_gid) == owner, path
    stat = os.stat(os.path.join(home.domains, "example.test"))
    assert (stat.st_uid, stat.st_gid) == (1234, 1235)
    assert f"bob@example.test cannot enter {home.domains}" in capsys.readouterr().err


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be misled")
@pytest.mark.parametrize("link", ["", ".Sent", "cur", "subscriptions", ".Sent/cur"])
def test_nobody_leads_root_astray(link: str, home: Home) -> None:
    with tempfile.TemporaryDirectory() as place:  # one that everybody can enter, as /home
        os.chmod(place, 0o755)
        secret, maildir = Path(place, "secret"), Path(place, "mallory", "Maildir")
        secret.mkdir(mode=0o700)
        (secret / "file").write_bytes(b"x")
        maildir.mkdir(parents=True)
        if link:
            (maildir / link).parent.mkdir(exist_ok=True)
            (maildir / link).symlink_to(secret if link != "subscriptions" else secret / "file")
        for path in (maildir.parent, maildir, *maildir.rglob("*")):
            os.lchown(path, 2345, 2345)
        words = ["--generate", "--uid", "2345", "--gid", "2345", "--home-dir", str(maildir.parent), "mallory@example.test"]
        assert adduser.main(words) == 0 or link
        assert sorted(path.name for path in secret.iterdir()) == ["file"]
        assert {path.stat().st_uid for path in (secret, secret / "file")} == {0}
        assert (secret / "file").read_bytes() == b"x"
        assert {path.lstat().st_uid for path in (maildir, *maildir.rglob("*"))} == {2345}


@pytest.mark.parametrize("name", ["adduser", "deluser", "moduser", "passwd", "lsusers", "alias"])
def test_help_and_version(name: str) -> None:
    done = subprocess.run(program(name, "--help"), capture_output=True, text=True, env=environment(), timeout=60)
    assert (
        done.returncode == 0 and "Example" in done.stdout and f"mailkit-{name} " in done.stdout.partition("Example")[2]
    )
    done = subprocess.run(program(name, "--version"), capture_output=True, text=True, env=environment(), timeout=60)
    assert done.returncode == 0 and done.stdout.startswith(f"mailkit-{name} ")

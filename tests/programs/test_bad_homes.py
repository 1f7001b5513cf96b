"""Homes as people leave them: each fault is told in one sentence with the command that mends it, and the command does."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import mailkit.check
from mailkit import files
from mailkit.check import disk
from mailkit.check.finding import BAD, UNSURE, WARN, Site
from mailkit.control import Home
from mailkit.programs import adduser, alias, setup
from tests.harness.servers import environment, program, serve
from tests.programs.test_check import certificate

Break = Callable[[Home], None]
OFFLINE = [name for name in mailkit.check.CHECKS if name not in ("dns", "ports", "canary")]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """What mailkit-setup makes."""
    monkeypatch.setattr(disk, "_SYSTEM", "/nowhere")  # whether this machine keeps a journal is not meant
    assert setup.main(["--home", str(tmp_path / "home"), "--domain", "example.test", "--ports", "10000", "--yes"]) == 0
    return Home(str(tmp_path / "home"))


def faults(home: Home) -> dict[str, str]:
    """Each fault, and what mends it."""
    found = [one for name in OFFLINE for one in mailkit.check.made(name, Site(Home(home.path)))]
    return {one.text: one.mend for one in found if one.level in (BAD, WARN, UNSURE)}


def half_finished(home: Home) -> None:
    """A setup that was killed after the first directories."""
    for name in ("me", "domains", "listen"):
        os.unlink(home.join("control", name))
    os.rmdir(home.join("queue", "hold"))
    os.rename(home.tls, home.path + ".tls")


def expired(home: Home) -> None:
    certificate(home, "mail.example.test", "mail.example.test", -3)


def for_another(home: Home) -> None:
    certificate(home, "mail.example.test", "mail.example.net", 90)


def mismatched(home: Home) -> None:
    chain = Path(home.tls, "mail.example.test", "cert.pem")
    before = chain.read_bytes()
    certificate(home, "mail.example.test", "mail.example.test", 90)
    chain.write_bytes(before)


def newer(home: Home) -> None:
    Path(home.control.directory, "telepathy").write_text("yes\n")


CASES = [
    (half_finished, "control/domains is empty", "mailkit-setup --domain"),
    (expired, "it ran out 3 days ago", "mv "),
    (for_another, "the certificate is for mail.example.net", "mv "),
    (mismatched, "is not that of the certificate", "mv "),
    (newer, "control/telepathy: no program of version ", "mailkit-showctl lists"),
]


def test_a_new_home_has_no_fault(home: Home) -> None:
    assert set(faults(home)) == {"postmaster@example.test reaches nobody: no such user here"}


@pytest.mark.parametrize(("break_it", "told", "mend"), CASES, ids=lambda value: getattr(value, "__name__", ""))
def test_a_fault_is_told_with_what_mends_it(home: Home, break_it: Break, told: str, mend: str) -> None:
    before = set(faults(home))
    break_it(home)
    found = {text: mend for text, mend in faults(home).items() if text not in before}
    assert any(told in text and mend in how for text, how in found.items()), found
    assert all(how and "\n" not in text for text, how in found.items()), found


@pytest.mark.parametrize("break_it", [half_finished, expired, for_another, mismatched])
def test_the_command_mends_it(home: Home, break_it: Break) -> None:
    before = set(faults(home))
    break_it(home)
    for how in faults(home).values():
        if how.startswith("mv "):
            subprocess.run(["sh", "-c", how.partition(" && ")[0]], check=True)
    assert setup.main(["--home", home.path, "--domain", "example.test", "--ports", "10000", "--yes"]) == 0
    assert set(faults(home)) == before


def test_a_maildir_that_is_closed_to_its_owner(home: Home) -> None:
    assert adduser.main(["--home", home.path, "--generate", "bob@example.test"]) == 0
    new = Path(home.domains, "example.test", "bob", "Maildir", "new")
    new.chmod(0)
    assert faults(home)[f"{new} is closed to its owner: mode 0"] == f"chmod u+rwx {new}"
    subprocess.run(["chmod", "u+rwx", str(new)], check=True)
    assert not [text for text in faults(home) if "closed" in text]


def test_settings_that_cannot_be_read_end_connections_with_a_word_in_the_log(home: Home) -> None:
    with serve(home, "imapd", "imaps", "imap") as server:
        me = Path(home.control.directory, "me")
        me.unlink()
        me.mkdir()
        for name in ("imaps", "imap"):
            with socket.create_connection(("127.0.0.1", server.ports[name])) as end, contextlib.suppress(ConnectionError):
                end.sendall(b"\x16\x03\x01")
                while end.recv(1000):
                    pass
    assert "Traceback" not in server.log
    assert server.log.count(f"read {me}: Is a directory") == 2


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_files_of_root_in_the_home_of_another_user(home: Home) -> None:
    subprocess.run(["chown", "-R", "4711:4711", home.path], check=True)
    assert not [text for text in faults(home) if "belongs" in text]
    os.chown(home.join("queue", "new"), 0, 0)
    (text,) = [text for text in faults(home) if "belongs" in text]
    assert faults(home)[text] == f"chown 4711 {home.join('queue', 'new')}"
    subprocess.run(["sh", "-c", faults(home)[text]], check=True)
    assert not [text for text in faults(home) if "belongs" in text]


@pytest.mark.parametrize("name", ["smtpd", "imapd", "pop3d", "runq", "up", "check", "mailq", "lsusers"])
def test_no_program_shows_a_traceback_where_there_is_no_home(name: str, tmp_path: Path) -> None:
    command = program(name, "--home", str(tmp_path / "nowhere"), *(["--once"] if name == "runq" else []))
    done = subprocess.run(command, input="", capture_output=True, text=True, env=environment(), timeout=60)
    assert "Traceback" not in done.stdout + done.stderr
    assert "trace=" not in done.stderr


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["runq", "--once"], 111), (["up"], 111), (["mailq", "list"], 111), (["adduser", "--generate", "--new-domain", "a@b.test"], 111),
        (["alias", "add", "a@b.test", "c"], 111), (["lsusers"], 111), (["counters"], 111), (["sendmail", "bob@b.test"], 75),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else str(value),
)  # fmt: skip
@pytest.mark.parametrize("there", [True, False], ids=["empty", "misspelt"])
def test_nothing_is_made_where_there_is_no_home(words: list[str], status: int, there: bool, tmp_path: Path) -> None:
    """As where the file system of the home is not mounted: what is put there would be hidden by it later."""
    path = tmp_path / "home"
    if there:
        path.mkdir()
    command = program(words[0], "--home", str(path), *words[1:])
    done = subprocess.run(command, input=b"Subject: x\n\n", capture_output=True, env=environment(), check=False, timeout=20)
    assert done.returncode == status and b"is no home of a mail system" in done.stderr
    assert list(tmp_path.iterdir()) == [path] * there and not (there and list(path.iterdir()))


def test_a_full_disk_is_told_with_the_file(home: Home, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def full(fd: int, data: bytes) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files, "write", full)
    assert alias.main(["--home", home.path, "add", "a@example.test", "b"]) == 111
    assert f"{home.aliases}: No space left on device" in capsys.readouterr().err
    assert not os.path.exists(home.aliases)

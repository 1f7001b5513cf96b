"""mailkit-setup, mailkit-showctl and the lean command lines."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
from pathlib import Path

import pytest

from mailkit import files
from mailkit.programs import lean, setup, showctl
from tests.harness.crash import crashes
from tests.harness.servers import environment, program


def snapshot(home: Path) -> dict[str, bytes]:
    return {str(path.relative_to(home)): path.read_bytes() for path in home.rglob("*") if path.is_file()}


def test_setup_makes_a_whole_home_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--home", str(tmp_path / "home"), "--domain", "Example.TEST", "--ports", "20000", "--yes"]
    assert setup.main(words) == 0
    made = snapshot(tmp_path / "home")
    assert made["control/domains"] == b"example.test\n"
    assert b"submission 127.0.0.1 20587\n" in made["control/listen"]
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(
        tmp_path / "home/tls/mail.example.test/cert.pem", tmp_path / "home/tls/mail.example.test/key.pem"
    )
    assert os.stat(tmp_path / "home/tls/mail.example.test/key.pem").st_mode & 0o077 == 0
    (tmp_path / "home/control/me").write_text("mx.example.test\n")
    made = snapshot(tmp_path / "home")
    assert setup.main([*words, "--host", "mail.example.test"]) == 0
    assert snapshot(tmp_path / "home") == made
    assert "0 things made" in capsys.readouterr().out


def test_setup_says_what_it_would_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert setup.main(["--home", str(tmp_path / "home"), "--domain", "example.test", "--yes", "-n"]) == 0
    assert "would make" in capsys.readouterr().out
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("domain", ["../etc", "", "a b", "-x-"])
def test_setup_refuses_what_is_no_domain(tmp_path: Path, domain: str) -> None:
    assert setup.main(["--home", str(tmp_path / "home"), "--domain", domain, "--yes"]) == 100
    assert not (tmp_path / "home").exists()


def test_setup_that_died_is_finished_by_the_next(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def scenario(directory: Path) -> None:
        setup.Setup(setup.Home(str(directory / "home")), dry_run=False).run("example.test", "mail.example.test", 20000)

    for crash in crashes(tmp_path, scenario):
        if crash.n % 5 == 0 or crash.done:
            scenario(crash.directory)
            made = snapshot(crash.directory / "home")
            names = {name for name in made if not name.endswith(".tmp")}
            assert names >= {"control/me", "control/domains", "control/listen", "users/passwd"}
            certificate = crash.directory / "home/tls/mail.example.test"
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate / "cert.pem", certificate / "key.pem")


def test_showctl_tells_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files.mkdir(str(tmp_path / "control"))
    (tmp_path / "control/maxconn").write_text("7\n")
    assert showctl.main(["--home", str(tmp_path), "--json"]) == 0
    rows = {row["name"]: row for row in map(json.loads, capsys.readouterr().out.splitlines())}
    assert rows["maxconn"]["value"] == 7 and rows["maxconn"]["set"] and rows["maxconn"]["meaning"]
    assert rows["workers"]["value"] == 0 and not rows["workers"]["set"]


def test_showctl_flags_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files.mkdir(str(tmp_path / "control"))
    (tmp_path / "control/maxconn").write_text("lots\n")
    (tmp_path / "control/maxcon").write_text("7\n")
    assert showctl.main(["--home", str(tmp_path)]) == 100
    out = capsys.readouterr().out
    assert "maxconn: 'lots'" in out and "maxcon: no program reads this file" in out
    assert showctl.main(["--home", str(tmp_path), "nonsense"]) == 100


OPTIONS = (lean.HOME, lean.Option("to", "ADDRESS", "to whom", "t"), lean.Option("loud", "", "shout", choices=None))


def parse(*words: str, operands: str = "[USER]") -> lean.Options:
    return lean.parse("mailkit-x", "About.", OPTIONS, "mailkit-x bob", list(words), operands)


def test_lean_command_lines() -> None:
    options = parse("--home", "/x", "--to=a", "-t", "b", "--loud", "user", "--", "-odd")
    assert options.home().path == "/x" and options.all("to") == ["a", "b"] and options.flag("loud")
    assert options.operands == ["user", "-odd"] and options.one("nothing", "default") == "default"


@pytest.mark.parametrize("words", [["--nonsense"], ["--to"], ["--"]])
def test_lean_refuses_in_one_line(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    if words == ["--"]:
        words = ["--", "operand"]
    with pytest.raises(SystemExit) as wrong:
        parse(*words, operands="")
    assert wrong.value.code == 100
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_up_refuses_a_home_without_sockets(tmp_path: Path) -> None:
    command = program("up", "--home", str(tmp_path))
    up = subprocess.run(command, capture_output=True, text=True, env=environment(), check=False, timeout=20)
    assert up.returncode == 100 and "control/listen" in up.stderr

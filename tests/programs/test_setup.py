"""mailkit-setup, mailkit-showctl and the lean command lines."""

from __future__ import annotations

import configparser
import glob
import io
import json
import os
import pwd
import socket
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

from mailkit import files
from mailkit.control import Home
from mailkit.programs import lean, setup, showctl
from mailkit.setup import records, units
from mailkit.users import verify
from mailkit.users.passwd import Passwd
from tests.harness.crash import crashes
from tests.harness.programs import need
from tests.harness.servers import ROOT, environment, program


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
    for name in ("tls/mail.example.test/key.pem", "users/passwd", "log"):
        assert os.stat(tmp_path / "home" / name).st_mode & 0o077 == 0
    (tmp_path / "home/control/me").write_text("mx.example.test\n")
    made = snapshot(tmp_path / "home")
    assert setup.main([*words, "--host", "mail.example.test"]) == 0
    assert snapshot(tmp_path / "home") == made
    assert "0 things made" in capsys.readouterr().out


def test_setup_says_what_it_would_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert setup.main(["--home", str(tmp_path / "home"), "--domain", "example.test", "--yes", "-n"]) == 0
    out = capsys.readouterr().out
    assert "would make" in out and "    + mail.example.test\n" in out
    assert not (tmp_path / "home").exists()


def test_setup_asks_for_what_is_missing(tmp_path: Path) -> None:
    command = program("setup", "--home", str(tmp_path / "home"), "--ports", "20000")
    for yes, made in (("n", False), ("y", True)):
        answers = f"example.test\nmx.example.test\nalice@example.test\n{yes}\n"
        done = subprocess.run(command, input=answers, capture_output=True, text=True, env=environment(), check=False)
        assert done.returncode == (0 if made else 100), done.stderr
        assert (tmp_path / "home").exists() == made
    assert (tmp_path / "home/control/me").read_text() == "mx.example.test\n"
    assert "password of alice@example.test" in done.stdout


def test_setup_without_a_terminal_says_how_to_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    words = ["--home", str(tmp_path / "my home"), "--domain", "example.test", "--ports", "10000"]
    assert setup.main(words) == 100
    assert capsys.readouterr().err.endswith(": stopped: --yes asks nothing\n")
    assert setup.main([*words, "--yes", "--first-user", "a@example.test"]) == 0
    home = tmp_path / "my home"
    assert capsys.readouterr().out.splitlines()[-2:] == [
        f"next: mailkit-up --home '{home}' 2>>'{home}/log' &",
        f"then: mailkit-check --home '{home}' --canary a@example.test",
    ]


def test_setup_says_that_a_postmaster_is_wanted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = tmp_path / "home"
    words = ["--home", str(home), "--domain", "example.test", "--ports", "10000", "--yes"]
    assert setup.main(words) == 0
    said = f"then: echo NAME@example.test >{home}/control/postmaster\n"
    assert said in capsys.readouterr().out
    (home / "control" / "postmaster").write_text("alice@example.test\n")
    assert setup.main(words) == 0
    assert said not in capsys.readouterr().out


@pytest.mark.parametrize("domain", ["../etc", "", "a b", "-x-"])
def test_setup_refuses_what_is_no_domain(tmp_path: Path, domain: str) -> None:
    assert setup.main(["--home", str(tmp_path / "home"), "--domain", domain, "--yes"]) == 100
    assert not (tmp_path / "home").exists()


def test_setup_that_died_is_finished_by_the_next(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wishes = setup.Wishes("example.test", "mail.example.test", 20000)

    def scenario(directory: Path) -> None:
        setup.Setup(setup.Home(str(directory / "home")), dry_run=False).run(wishes)

    for crash in crashes(tmp_path, scenario):
        if crash.n % 5 == 0 or crash.done:
            scenario(crash.directory)
            made = snapshot(crash.directory / "home")
            names = {name for name in made if not name.endswith(".tmp")}
            assert names >= {"control/me", "control/domains", "control/listen", "users/passwd"}
            certificate = crash.directory / "home/tls/mail.example.test"
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate / "cert.pem", certificate / "key.pem")


def words_for(home: Path, *more: str) -> list[str]:
    return ["--home", str(home), "--domain", "example.test", "--yes", *more]


def test_one_more_domain(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is served by the host that is there, under the name that is there."""
    home = tmp_path / "home"
    assert setup.main(["--home", str(home), "--domain", "example.test", "--host", "mx.example.test", "--yes"]) == 0
    made = snapshot(home)
    with open(home / "control/domains", "a") as file:
        file.write("# ours since 2019\nexample.net")
    capsys.readouterr()
    words = ["--home", str(home), "--domain", "example.org", "--yes"]
    assert setup.main([*words, "-n"]) == 0
    assert f"would make example.org in {home}/control/domains\n" in capsys.readouterr().out
    assert setup.main([*words, "--first-user", "bob@example.org"]) == 0
    out = capsys.readouterr().out
    assert (home / "control/domains").read_text() == "example.test\n# ours since 2019\nexample.net\nexample.org\n"
    assert {name for name in snapshot(home).keys() - made.keys() if name.startswith(("control", "tls"))} == {"control/postmaster"}
    assert "example.org." in out and "MX   10 mx.example.test." in out and "mail.example.org" not in out
    assert setup.main(words) == 0
    assert (home / "control/domains").read_text().count("example.org") == 1


def test_the_first_user_can_log_in(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = words_for(tmp_path / "home", "--ports", "20000", "--first-user", "Alice@example.test")
    assert setup.main(words) == 0
    out = capsys.readouterr().out
    (line,) = [line for line in out.splitlines() if line.startswith("password of alice@example.test")]
    user = Passwd(Home(str(tmp_path / "home"))).lookup("alice@example.test")
    assert user is not None and verify.check(user, line.split()[-1])
    assert os.path.isdir(os.path.join(user.maildir, "new"))
    assert (tmp_path / "home/control/postmaster").read_text() == "alice@example.test\n"
    assert "--canary alice@example.test" in out and "IN MX" not in out, "a home on loopback ports needs no DNS"
    made = snapshot(tmp_path / "home")
    assert setup.main(words) == 0
    assert snapshot(tmp_path / "home") == made and "password of" not in capsys.readouterr().out


def test_the_first_user_is_of_the_domain(tmp_path: Path) -> None:
    assert setup.main(words_for(tmp_path / "home", "--first-user", "alice@example.net")) == 100
    assert not (tmp_path / "home").exists()


def test_a_certificate_from_elsewhere_is_linked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chain, key = tmp_path / "chain", tmp_path / "key"
    for path, text in zip((chain, key), setup.self_signed("mail.example.test"), strict=True):
        path.write_bytes(text)
    pair = ("--certificate", str(chain), "--key", str(key))
    for _ in range(2):
        assert setup.main(words_for(tmp_path / "home", *pair)) == 0
    tls = tmp_path / "home/tls/mail.example.test"
    assert (os.readlink(tls / "cert.pem"), os.readlink(tls / "key.pem")) == (str(chain), str(key))
    assert "0 things made" in capsys.readouterr().out
    assert setup.main(words_for(tmp_path / "other", *pair[:2], "--key", str(chain))) == 100
    assert setup.main(words_for(tmp_path / "other", *pair[:2])) == 100
    assert not (tmp_path / "other").exists()


def test_a_certificate_that_is_there_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert setup.main(words_for(tmp_path / "home")) == 0
    made = snapshot(tmp_path / "home")
    chain, key = tmp_path / "chain", tmp_path / "key"
    for path, text in zip((chain, key), setup.self_signed("mail.example.test"), strict=True):
        path.write_bytes(text)
    assert setup.main(words_for(tmp_path / "home", "--certificate", str(chain), "--key", str(key))) == 0
    assert snapshot(tmp_path / "home") == made
    assert "kept" in capsys.readouterr().err


def test_records_ready_to_paste() -> None:
    listen = ["mx 0.0.0.0 25", "mx :: 25", "imaps 0.0.0.0 993", "submission 0.0.0.0 587", "submissions 0.0.0.0 465"]
    lines = list(records.lines("mail.example.org", ["example.org"], listen, ["198.51.100.7", "2001:db8::7"]))
    assert [" ".join(line.split()) for line in lines] == [
        "mail.example.org. IN A 198.51.100.7",
        "mail.example.org. IN AAAA 2001:db8::7",
        "example.org. IN MX 10 mail.example.org.",
        'example.org. IN TXT "v=spf1 mx -all"',
        "_submissions._tcp.example.org. IN SRV 0 1 465 mail.example.org.",
        "_submission._tcp.example.org. IN SRV 10 1 587 mail.example.org.",
        "_imaps._tcp.example.org. IN SRV 0 1 993 mail.example.org.",
        "; 198.51.100.7 must lead back to mail.example.org. (PTR): ask whoever gave you the address",
        "; 2001:db8::7 must lead back to mail.example.org. (PTR): ask whoever gave you the address",
    ]
    assert next(records.lines("m.x", ["x"], [], [])).startswith("; m.x. needs an A record")


@pytest.mark.parametrize(("own", "told"), [("198.51.100.7", []), ("93.184.216.34", ["93.184.216.34"]), ("", [])])
def test_addresses_that_the_world_reaches(own: str, told: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    class Way:
        """A socket that knows its own address once it is connected; only the first family has a way out."""

        def __init__(self, family: int, kind: int) -> None:
            self.family, self.own = family, ""

        def __enter__(self) -> Way:
            return self

        def __exit__(self, *how: object) -> None: ...

        def connect(self, to: object) -> None:
            if self.family != socket.AF_INET or not own:
                raise OSError(101, "Network is unreachable")
            self.own = own

        def getsockname(self) -> tuple[str, int]:
            return self.own, 1

    monkeypatch.setattr(socket, "socket", Way)
    assert records.addresses() == told


def test_setup_prints_the_records(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert setup.main(words_for(tmp_path / "home")) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "example.test. IN MX 10 mail.example.test." in out and "mailkit-check" in out


class Systemd:
    """What --systemd does outside the home, turned aside: units go to `directory`, commands to `ran`."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.directory = directory
        self.ran: list[tuple[str, ...]] = []
        monkeypatch.setattr(units, "DIRECTORY", str(directory))
        monkeypatch.setattr(units, "ACCOUNT", "nobody")
        monkeypatch.setattr(units, "run", lambda *words: self.ran.append(words))
        monkeypatch.setattr(sys, "argv", ["/opt/mailkit/bin/mailkit-setup"])
        monkeypatch.setattr(units, "started", lambda: True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_units_name_this_home_and_stay_as_edited(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    systemd = Systemd(tmp_path / "units", monkeypatch)
    assert setup.main(words_for(tmp_path / "home", "--systemd", "-n")) == 0
    assert not systemd.directory.exists() and not (tmp_path / "home").exists()
    assert setup.main(words_for(tmp_path / "home", "--systemd", "--first-user", "alice@example.test")) == 0
    written = {str(path.relative_to(systemd.directory)) for path in systemd.directory.rglob("*") if path.is_file()}
    assert written >= {"mailkit.target", "mailkit-smtpd.service", "mailkit-mx.socket", "mailkit-.service.d/50-confined.conf"}
    assert "ExecStart=/opt/mailkit/bin/mailkit-smtpd" in (systemd.directory / "mailkit-smtpd.service").read_text()
    confined = (systemd.directory / "mailkit-.service.d/50-confined.conf").read_text()
    assert f"MAILKIT_HOME={tmp_path}/home\n" in confined and f"ReadWritePaths={tmp_path}/home\n" in confined
    nobody = pwd.getpwnam("nobody").pw_uid
    assert {path.lstat().st_uid for path in (tmp_path / "home").rglob("*")} == {nobody}
    assert b"lmtp" not in snapshot(tmp_path / "home")["control/listen"]
    capsys.readouterr()
    (systemd.directory / "mailkit-mx.socket").write_text("# edited\n")
    assert setup.main(words_for(tmp_path / "home", "--systemd")) == 0
    said = capsys.readouterr()
    assert "0 things made" in said.out and "kept" in said.err and "mailkit-mx.socket" in said.err
    assert (systemd.directory / "mailkit-mx.socket").read_text() == "# edited\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="systemd-analyze wants to see the units' accounts and programs")
def test_systemd_understands_the_units(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    analyze = need("systemd-analyze")
    systemd = Systemd(tmp_path / "units", monkeypatch)
    monkeypatch.setattr(sys, "argv", [str(ROOT / "bin/mailkit-setup")])
    monkeypatch.setattr(units, "allowed", lambda home, programs: None)
    assert setup.main(words_for(tmp_path / "home", "--systemd")) == 0
    found = [str(path) for path in systemd.directory.glob("mailkit-*.socket")]
    verified = subprocess.run([analyze, "verify", "--man=no", *found], capture_output=True, text=True, check=False)
    complaints = [line for line in verified.stderr.splitlines() if "mailkit" in line]
    assert verified.returncode == 0 and not complaints, verified.stderr


@pytest.mark.parametrize("home", ["/home/mail", "/root/mail"])
def test_units_refuse_places_they_hide(home: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert setup.main(words_for(Path(home), "--systemd")) == 100
    told = capsys.readouterr().err
    assert "choose another place" in told or "needs root" in told


def test_every_unit_is_installed_with_the_programs() -> None:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    installed = set()
    for place, patterns in parser["options.data_files"].items():
        if place.startswith("share/mailkit/systemd"):
            for path in (one for pattern in patterns.split() for one in glob.glob(pattern, root_dir=ROOT)):
                installed.add(os.path.join(place, os.path.basename(path)).removeprefix("share/mailkit/systemd/"))
    assert installed == set(units.texts("/var/lib/mailkit", "/usr/local/bin"))


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
    (tmp_path / "control").mkdir()
    command = program("up", "--home", str(tmp_path))
    up = subprocess.run(command, capture_output=True, text=True, env=environment(), check=False, timeout=20)
    assert up.returncode == 100 and "control/listen" in up.stderr

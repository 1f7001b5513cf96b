"""mailkit-check: each kind of damage is found, told with what mends it, and repaired where that is safe."""

from __future__ import annotations

import contextlib
import datetime
import importlib.util
import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import mailkit.check
from mailkit import log
from mailkit.check import disk
from mailkit.check.finding import Site
from mailkit.control import Home
from mailkit.programs import check
from mailkit.queue import entry
from mailkit.queue.entry import Envelope, Recipient
from mailkit.queue.name import Name
from tests.harness import fakeclock, zones
from tests.harness.homes import make_home, set_control
from tests.policy.milters import ScriptedMilter
from tests.programs.test_up import Running, base, run, up

__all__ = ["base", "up"]  # fixtures

ORDER = ["home", "control", "policy", "users", "certificates", "ports", "queue", "disk", "clock"]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    found = make_home(tmp_path, tls=True)
    for name in ("domains", "run"):
        os.makedirs(found.join(name), 0o700, exist_ok=True)
    for name, mode in (("", 0o755), ("queue", 0o711), ("control", 0o755)):
        os.chmod(found.join(name), mode)
    set_control(found, "postmaster", "alice@example.test")
    return found


def findings(home: Home, name: str, **options: Any) -> list[tuple[str, str]]:
    return [(one.level, one.text) for one in mailkit.check.made(name, Site(home, **options))]


def bad(home: Home, name: str, **options: Any) -> str:
    """The texts of all that is not good, in lines."""
    return "\n".join(f"{level} {text}" for level, text in findings(home, name, **options) if level not in ("good", "note"))


def test_a_whole_home_is_good_and_every_check_speaks(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert check.main(["--home", home.path, "--no-network", "--json"]) == 0
    records = [json.loads(one) for one in capsys.readouterr().out.splitlines()]
    assert list(dict.fromkeys(one["check"] for one in records)) == ORDER
    assert {one["level"] for one in records} <= {"good", "note", "warn"}
    assert all(not one["mended"] for one in records)


def test_wrong_use(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert check.main(["--home", home.path, "weather"]) == 100
    assert check.main(["--home", home.path + "/nowhere", "home"]) == 100
    assert "mailkit-setup" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("path", "mode"), [("users/passwd", 0o644), ("users", 0o777), ("queue/new", 0o750), ("control", 0o777),
                       ("tls/mail.example.test/key.pem", 0o604)]
)  # fmt: skip
def test_what_is_open_to_others_is_closed(path: str, mode: int, home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    os.chmod(home.join(path), mode)
    assert f"bad {home.join(path)} is open to others" in bad(home, "home")
    assert check.main(["--home", home.path, "home", "--repair", "-n"]) == 100
    assert os.stat(home.join(path)).st_mode & 0o777 == mode
    assert check.main(["--home", home.path, "home", "--repair"]) == 0
    assert "mended" in capsys.readouterr().out
    assert not bad(home, "home")


def test_missing_directories_are_made(home: Home) -> None:
    os.rmdir(home.join("queue", "hold"))
    assert "queue/hold is missing" in bad(home, "home")
    assert check.main(["--home", home.path, "home", "--repair"]) == 0
    assert os.stat(home.join("queue", "hold")).st_mode & 0o777 == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_files_of_somebody_else_are_told(home: Home) -> None:
    os.chown(home.join("queue", "cur"), 4711, -1)
    os.chown(home.join("domains", "example.test", "bob", "Maildir"), 4711, -1)
    assert "belongs to uid 4711" in bad(home, "home")
    assert "bob/Maildir belongs to uid 4711" in bad(home, "users")


def test_control_values(home: Home) -> None:
    set_control(home, "maxconn", "many")
    set_control(home, "maxcon", "7")
    told = bad(home, "control")
    assert "bad" in told and "control/maxconn: 'many'" in told and "warn" in told and "control/maxcon: no program" in told
    set_control(home, "me", "mail")
    set_control(home, "relayfrom", "300.1.2.3")
    told = bad(home, "control")  # everything at once
    assert "control/maxconn: 'many'" in told and "control/maxcon: " in told
    assert "control/me is 'mail'" in told and "control/relayfrom: '300.1.2.3'" in told
    for name in ("maxconn", "maxcon", "relayfrom"):
        os.unlink(home.join("control", name))
    set_control(home, "domains", "exa mple")
    set_control(home, "listen", "smtp 127.0.0.1 25")
    told = bad(home, "control")
    assert "control/me is 'mail'" in told and "control/domains:" in told and "control/listen: 'smtp'" in told
    set_control(home, "listen", "mx 127.0.0.1 port", "mx 127.0.0.1 1")
    assert "'port' is no port" in bad(home, "control")
    assert bad(home, "ports") == "bad mx on 127.0.0.1 port 1: nobody listens"


@pytest.mark.parametrize(
    ("name", "line", "told"),
    [
        ("policy", "nosuch on", "control/policy: 'nosuch on': unknown check or mode; smtpd refuses to work"),
        ("relayfrom", "300.1.2.3", "control/relayfrom: '300.1.2.3' is no IP address; smtpd refuses to work"),
        ("relayto", "exa mple.com", "control/relayto: "),
        ("rate", "account hour", "is not account|address hour|day|recipients NUMBER; nobody is limited"),
        ("routes", "x.example", "control/routes: no next hop; no mail goes out"),
    ],
)
def test_lines_that_their_readers_would_not_understand(home: Home, name: str, line: str, told: str) -> None:
    set_control(home, name, line)
    assert told in bad(home, "control")


def test_programs_that_smtpd_asks(home: Home, tmp_path: Path) -> None:
    assert findings(home, "policy") == [("good", "no check asks another program")]
    program = tmp_path / "scan"
    set_control(home, "policycommand", f"data {program} --quick")
    ((level, text),) = findings(home, "policy")
    assert (level, "no line command: nobody is asked" in text) == ("warn", True)
    set_control(home, "policy", "early", "command")
    assert f"bad control/policycommand: {program}: No such file" in bad(home, "policy")
    program.write_text("#!/bin/sh\n")
    assert f"bad control/policycommand: {program} is not executable" in bad(home, "policy")
    program.chmod(0o755)
    assert findings(home, "policy") == [("good", f"{program} can be asked at data")]
    set_control(home, "policycommand", "date /bin/true", "mail", "rcpt scan")
    told = bad(home, "policy")
    assert "'date /bin/true' is not connect|helo|mail|rcpt|data COMMAND" in told and "'mail' is not" in told
    assert "warn control/policycommand: scan is no whole path" in told
    os.unlink(home.join("control", "policycommand"))
    assert "warn control/policy has the line command, and control/policycommand is empty" in bad(home, "policy")


def test_a_line_for_a_new_policy_keeps_those_of_the_default(home: Home) -> None:
    set_control(home, "milters", "unix:/nowhere")
    (found,) = mailkit.check.made("policy", Site(home))
    subprocess.run(["sh", "-c", found.mend], check=True)
    assert home.control.lines("policy") == ["early", "relay", "helo", "fcrdns note", "rate", "milter"]


def test_milters(home: Home, tmp_path: Path) -> None:
    milter = ScriptedMilter(tmp_path / "milter", {})
    set_control(home, "policy", "milter must")
    set_control(home, "milters", milter.place)
    assert findings(home, "policy") == [("good", f"the milter {milter.place} answers")]
    milter.close()
    assert f"bad the milter {milter.place} does not answer: Connection refused" in bad(home, "policy")
    with socket.create_server(("127.0.0.1", 0)) as other, silent(other):
        set_control(home, "milters", f"inet:127.0.0.1:{other.getsockname()[1]}", "inet:localhost:smtp", "unix:milter")
        told = bad(home, "policy")
        assert re.search("does not answer: (closed the connection|Connection reset)", told)
        assert "'inet:localhost:smtp' is neither" in told and "'unix:milter' is neither" in told


@contextlib.contextmanager
def silent(server: socket.socket) -> Iterator[None]:
    """Accept one connection and close it."""
    thread = threading.Thread(target=lambda: server.accept()[0].close())
    thread.start()
    yield
    thread.join()


def test_damaged_lines_are_told_once_and_not_as_lines_of_the_log(
    home: Home, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    logged: list[str] = []
    monkeypatch.setattr(log, "sink", logged.append)
    with open(home.passwd, "a") as passwd:
        passwd.write("no colon here\n")
    Path(home.aliases).write_text("broken\n")
    set_control(home, "maxconn", "many")
    assert check.main(["--home", home.path, "control", "users"]) == 100
    said = capsys.readouterr()
    assert (logged, said.err) == ([], "")
    assert "passwd line 3 does not count: has no colon" in said.out and "aliases line 1" in said.out
    assert "control/maxconn: 'many'" in said.out


def test_users_and_aliases(home: Home) -> None:
    with open(home.passwd, "a") as passwd:
        passwd.write("no colon here\neve@elsewhere.test:x::::::\n")
    Path(home.aliases).write_text("a@example.test: b\nb@example.test: a\nbroken\n")
    os.unlink(home.join("control", "postmaster"))
    told = bad(home, "users")
    for text in ("passwd line 3", "eve@elsewhere.test gets no mail", "aliases line 3", "the alias a@example.test:",
                 "postmaster@example.test reaches nobody"):  # fmt: skip
        assert text in told


def test_aliases_that_lead_nowhere(home: Home) -> None:
    lines = ("*@old.test: *@example.test", "x@example.test: alice, nosuch", "good@example.test: alice, alice+tag, a@other.test",
             "*-x@example.test: *, gone")  # fmt: skip
    Path(home.aliases).write_text("".join(line + "\n" for line in lines))
    told = [(one.text, one.mend) for one in mailkit.check.made("users", Site(Home(home.path)))]
    assert told == [
        ("the alias *@old.test gets no mail: old.test is not in control/domains", f"echo old.test >> {home.path}/control/domains"),
        ("the alias x@example.test leads to nosuch@example.test: no such user here", "mailkit-adduser nosuch@example.test"),
        ("the alias *-x@example.test leads to gone@example.test: no such user here", "mailkit-adduser gone@example.test"),
    ]
    os.unlink(home.passwd)
    told = [(one.level, one.text) for one in mailkit.check.made("users", Site(Home(home.path)))]
    assert told == [("unsure", f"user data is not available ({home.passwd}: no such file)")]


def certificate(home: Home, name: str, covers: str, days: int) -> None:
    """A certificate that runs out in so many days, in tls/NAME."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, covers)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=90))
        .not_valid_after(now + datetime.timedelta(days=days, hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(covers)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    directory = Path(home.tls, name)
    directory.mkdir(exist_ok=True)
    (directory / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (directory / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


def test_certificates(home: Home) -> None:
    certificate(home, "old.example.test", "old.example.test", -3)
    certificate(home, "soon.example.test", "*.example.test", 5)
    certificate(home, "other.example.test", "other.example.net", 90)
    certificate(home, "pair.example.test", "pair.example.test", 90)
    os.replace(home.join("tls/pair.example.test/key.pem"), home.join("tls/other.example.test/key.pem"))
    os.mkdir(home.join("tls", "empty.example.test"))
    told = bad(home, "certificates")
    for text in ("bad old.example.test: it ran out 3 days ago", "warn soon.example.test: it runs out in 5 days",
                 "bad other.example.test: cannot be used: the key in ", "/other.example.test/key.pem is not that of ",
                 "empty.example.test holds no certificate"):  # fmt: skip
        assert text in told
    assert "mail.example.test" not in told
    certificate(home, "mail.example.test", "smtp.example.test", 90)
    assert "mail.example.test: the certificate is for smtp.example.test" in bad(home, "certificates")
    set_control(home, "me", "mx.example.test")
    assert "there is none for mx.example.test" in bad(home, "certificates")


def test_channel_binding_without_its_library(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    set_control(home, "channelbinding", "yes")
    assert not bad(home, "certificates")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert bad(home, "certificates").startswith("warn control/channelbinding takes pyOpenSSL")


def test_files_that_are_no_certificate(home: Home) -> None:
    set_control(home, "listen", "mx 127.0.0.1 1")
    mine = Path(home.tls, "mail.example.test")
    key = (mine / "key.pem").read_bytes()
    secret = serialization.load_pem_private_key(key, None).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"secret")
    )
    for name, data, words in (("key.pem", secret, "key.pem wants a passphrase"),
                              ("key.pem", b"", "key.pem holds no key"),
                              ("cert.pem", b"", "cert.pem holds no certificate"),
                              ("cert.pem", b"\xff-----END CERTIFICATE-----\n", "cert.pem holds no certificate")):  # fmt: skip
        (mine / name).write_bytes(data)
        told = bad(home, "certificates") + bad(home, "ports")
        assert f"bad mail.example.test: cannot be used: {mine}/" in told and words in told, told
    (mine / "key.pem").unlink()
    told = bad(home, "certificates") + bad(home, "ports")
    assert "bad there is no certificate with its key" in told and f"warn {mine} holds no certificate with its key" in told


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_certificate_that_servers_cannot_read(home: Home) -> None:
    with tempfile.TemporaryDirectory() as directory:  # everybody may enter what is above it, unlike pytest's own
        live = Path(directory)
        live.chmod(0o755)
        mine = Path(home.tls, "mail.example.test")
        for name in ("cert.pem", "key.pem"):
            shutil.copy(mine / name, live / name)
            (live / name).chmod(0o644)
            (mine / name).unlink()
            (mine / name).symlink_to(live / name)
        for path in (Path(home.path), Path(home.tls), mine):
            os.chown(path, 4711, 4711)
        assert not bad(home, "certificates")
        live.chmod(0o700)
        assert f"which {live} keeps out" in bad(home, "certificates")
        live.chmod(0o755)
        (live / "key.pem").chmod(0o600)
        assert f"which {live}/key.pem keeps out" in bad(home, "certificates")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")
def test_certificates_that_the_asker_may_not_see_are_not_said_to_be_missing() -> None:
    with tempfile.TemporaryDirectory() as directory:  # everybody may enter what is above it, unlike pytest's own
        Path(directory).chmod(0o755)
        home = make_home(Path(directory, "home"), tls=True)
        Path(home.path).chmod(0o755)
        os.seteuid(4711)
        try:
            told = findings(home, "certificates")
        finally:
            os.seteuid(0)
    assert [(level, text.partition(":")[0]) for level, text in told] == [("unsure", home.tls)]


def test_no_certificate(home: Home) -> None:
    os.rename(home.tls, home.tls + ".away")
    assert "bad there is no certificate" in bad(home, "certificates")


@contextlib.contextmanager
def stranger(greeting: bytes) -> Iterator[int]:
    """A server that is not ours."""
    with socket.create_server(("127.0.0.1", 0)) as end:

        def serve() -> None:
            with contextlib.suppress(OSError):
                conn, _ = end.accept()
                with conn:
                    conn.sendall(greeting)
                    conn.recv(100)

        thread = threading.Thread(target=serve)
        thread.start()
        yield end.getsockname()[1]
        thread.join()


def test_ports_that_answer_wrong(home: Home) -> None:
    with socket.create_server(("127.0.0.1", 0)) as end:
        free = end.getsockname()[1]
    os.rename(home.tls, home.tls + ".away")
    with stranger(b"220 other.example.net ESMTP\r\n") as port:
        set_control(home, "listen", f"mx 127.0.0.1 {port}", f"imap 127.0.0.1 {free}")
        told = bad(home, "ports")
    assert "greets with '220 other.example.net ESMTP'" in told
    assert f"imap on 127.0.0.1 port {free}: nobody listens" in told
    with stranger(b"") as port:
        set_control(home, "listen", f"imaps 127.0.0.1 {port}")
        assert f"bad imaps on 127.0.0.1 port {port}: " in bad(home, "ports")


def test_the_queue(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    now = int(fakeclock.install(monkeypatch).time)
    queue = Path(home.queue)
    (queue / "cur" / f"{now + 500}.2.aa11,S=3").write_bytes(b"")
    assert not bad(home, "queue")
    (queue / "new" / f"{now - 7200}.0.bb22,S=3").write_bytes(b"")
    (queue / "failed" / f"{now}.0.cc33,S=3").write_bytes(b"")
    (queue / "hold" / f"{now}.0.dd44,S=3").write_bytes(b"")
    for name, age_h in (("stale", 40), ("fresh", 1)):
        (queue / "tmp" / name).write_bytes(b"")
        os.utime(queue / "tmp" / name, (now - age_h * 3600, now - age_h * 3600))
    told = bad(home, "queue")
    assert "2 messages wait, one of them was due 2 hours ago: no runner" in told
    assert "1 entries are damaged" in told and "1 files in" in told
    assert ("note", "1 messages are held") in findings(home, "queue")
    accepted = entry.encode(Envelope("", [Recipient("bob@example.test")]))
    whole = Name(now - 60, 0, "ee55", 0)
    (queue / "tmp" / whole.sealed(accepted)).write_bytes(accepted)
    os.utime(queue / "tmp" / whole.sealed(accepted), (0, 0))
    assert "1 files in" in bad(home, "queue")
    check.main(["--home", home.path, "queue", "--repair"])
    assert os.listdir(queue / "tmp") == ["fresh"] and str(whole) in os.listdir(queue / "new")


@pytest.mark.parametrize(("free", "inodes", "level"), [(50, 50, "good"), (5, 50, "warn"), (50, 5, "warn"), (1, 50, "bad"), (50, 0, "bad")])
def test_room(free: int, inodes: int, level: str) -> None:
    status = os.statvfs_result((4096, 4096, 10**8, free * 10**6, free * 10**6, 1000, inodes * 10, inodes * 10, 0, 255))
    assert [one.level for one in disk.judged("/x", status)] == [level]


def test_a_clock_that_went_back(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = fakeclock.install(monkeypatch, 1_000_000_000)
    assert "before this program was written" in bad(home, "clock")
    fake.time = os.stat(home.join("queue/new")).st_mtime - 9000
    os.utime(home.join("queue/new"), (fake.time + 9000, fake.time + 9000 + 1_000_000))
    fake.time += 8_000
    assert "the clock went back" in bad(home, "clock")


RIGHT = {
    "example.test": {"MX": [(10, "mail.example.test")], "TXT": [b"v=spf1 mx -all", b"something else"]},
    "mail.example.test": {"A": ["8.8.4.4"]},
    "4.4.8.8.in-addr.arpa": {"PTR": ["mail.example.test"]},
}


def test_right_names(home: Home) -> None:
    found = findings(home, "dns", resolver=zones.resolver(RIGHT))
    assert [level for level, _ in found] == ["good"] * 3, found


@pytest.mark.parametrize(
    ("records", "told"),
    [
        ([(5, "mx.backup.test"), (10, "mail.example.test")], "good backup.test: what is taken for it goes to mx.backup.test"),
        ([(5, "mx.backup.test")], "good backup.test: what is taken for it goes to mx.backup.test"),
        ([(5, "mail.example.test"), (10, "mx.backup.test")], "bad backup.test: its mail is taken (control/relayto) and comes back"),
        ([], "bad backup.test: its mail is taken (control/relayto) and comes back"),
    ],
)
def test_where_mail_for_others_goes(records: list[tuple[int, str]], told: str, home: Home) -> None:
    set_control(home, "relayto", ".below.test", "bob@backup.test", "alice@backup.test")
    resolver = zones.resolver(RIGHT | {"backup.test": {"MX": records}})
    assert [f"{level} {text}" for level, text in findings(home, "dns", resolver=resolver)][3].startswith(told)
    set_control(home, "routes", "backup.test [192.0.2.1]")
    assert "goes the way that control/routes says" in findings(home, "dns", resolver=resolver)[3][1]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"mail.example.test": {}}, "bad mail.example.test has no address"),
        ({"4.4.8.8.in-addr.arpa": {"PTR": ["dsl-4.example.net"]}}, "warn 8.8.4.4 leads back to dsl-4.example.net"),
        ({"4.4.8.8.in-addr.arpa": {}}, "warn 8.8.4.4 leads back to no name"),
        ({"example.test": {"TXT": [b"v=spf1 -all"]}}, "bad example.test: no MX"),
        ({"example.test": {"MX": [(0, "")]}}, "takes no mail (RFC 7505)"),
        ({"example.test": {"MX": [(5, "mx.example.net")]}}, "warn example.test: MX is mx.example.net"),
        ({"example.test": {"MX": [(5, "mail.example.test")]}}, "warn example.test: no SPF record"),
        ({"example.test": {"TXT": [b"v=spf1 a", b"v=spf1 mx"]}}, "bad example.test: has 2 SPF records"),
        ({"example.test": "timeout"}, "unsure example.test: "),
        ({"mail.example.test": "timeout"}, "unsure the name servers gave no answer for mail.example.test"),
    ],
)
def test_wrong_names(change: dict[str, Any], told: str, home: Home) -> None:
    assert told in bad(home, "dns", resolver=zones.resolver({**RIGHT, **change}))


SRV = {
    "_submissions._tcp.example.test": {"SRV": [(0, 1, 465, "mail.example.test")]},
    "_imaps._tcp.example.test": {"SRV": [(10, 1, 1993, "mail.example.test"), (0, 1, 993, "mail.example.test")]},
}


@pytest.mark.parametrize(
    ("change", "level", "told"),
    [
        ({}, "good", "example.test: SRV tells clients of submissions, imaps"),
        ({"_imaps._tcp.example.test": {}}, "note", "example.test: no SRV for imaps:"),
        ({"_imaps._tcp.example.test": {"SRV": [(0, 0, 0, "")]}}, "warn", "imaps clients to nowhere port 0, not to mail.example.test port 993"),
        ({"_submissions._tcp.example.test": {"SRV": [(0, 0, 465, "old.example.net")]}}, "warn", "submissions clients to old.example.net port 465"),
        ({"_imaps._tcp.example.test": "timeout"}, "unsure", "example.test: the name servers gave no answer"),
    ],
)
def test_where_clients_are_sent(change: dict[str, Any], level: str, told: str, home: Home) -> None:
    set_control(home, "listen", "mx 127.0.0.1:25", "submissions 127.0.0.1:465", "imaps [::1]:993")
    found = findings(home, "dns", resolver=zones.resolver({**RIGHT, **SRV, **change}))
    assert any(one == level and told in text for one, text in found), found


@pytest.mark.parametrize(
    ("kind", "options", "levels"),
    [
        ("ext4", "rw", []),
        ("fuse.glusterfs", "rw,user_id=0", ["note"]),
        ("nfs4", "rw,vers=4.2,hard", ["warn"]),
        ("nfs4", "rw,noac,hard", []),
        ("nfs", "rw,actimeo=0,lookupcache=none", []),
    ],
)
def test_file_systems_that_others_may_write(kind: str, options: str, levels: list[str]) -> None:
    assert [one.level for one in disk.shared("/x", kind, set(options.split(",")))] == levels


@pytest.mark.parametrize(("said", "levels"), [("<none>\n", ["warn"]), ("231\n", []), (None, [])])
def test_a_file_system_without_a_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str | None, levels: list[str]
) -> None:
    device = os.stat(tmp_path).st_dev
    for part in ("devices/sdz9", "dev/block", "fs/ext4/sdz9"):
        (tmp_path / part).mkdir(parents=True)
    (tmp_path / "dev/block" / f"{os.major(device)}:{os.minor(device)}").symlink_to("../../devices/sdz9")
    if said is not None:
        (tmp_path / "fs/ext4/sdz9/journal_task").write_text(said)
    monkeypatch.setattr(disk, "_SYSTEM", str(tmp_path))
    found = list(disk.unjournaled(str(tmp_path)))
    assert [one.level for one in found] == levels
    assert all("tune2fs" in one.mend and "/dev/sdz9" in one.mend for one in found)


def test_the_mount_of_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kind, options = disk.mount_of("/proc")
    assert kind == "proc" and "rw" in options
    mounts = tmp_path / "mountinfo"
    device = os.stat(tmp_path).st_dev
    mounts.write_text(f"36 35 {os.major(device)}:{os.minor(device)} / /x rw,noatime shared:1 - nfs4 host:/x rw,vers=4.2,noac\n")
    monkeypatch.setattr(disk, "_MOUNTS", str(mounts))
    assert disk.mount_of(str(tmp_path)) == ("nfs4", {"rw", "noatime", "vers=4.2", "noac"})
    monkeypatch.setattr(disk, "_MOUNTS", str(tmp_path / "none"))
    assert disk.mount_of(str(tmp_path)) == ("", set())


def test_file_systems_of_homes_are_looked_at(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    away = "/proc"
    with open(home.passwd, "a") as passwd:
        passwd.write(f"carol@example.test:x::::{away}::\ndave@example.test:x::::{away}::\neve@example.test:x::::/nowhere::\n")
    free = {away: 50}
    monkeypatch.setattr(disk, "_SYSTEM", "/nowhere")  # whether this machine keeps a journal is not meant
    monkeypatch.setattr(
        os,
        "statvfs",
        lambda path: os.statvfs_result(
            (4096, 4096, 100 << 20, free.get(path, 50) << 20, free.get(path, 50) << 20, 100, 50, 50, 0, 255)
        ),
    )
    assert findings(home, "disk")[-1] == ("good", "file systems with homes of users: 1 more have room")
    free[away] = 1
    assert bad(home, "disk").startswith(f"bad {away}: ")


def test_trouble_hides_no_other_check(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    os.rename(home.join("users"), home.join("users.away"))
    assert check.main(["--home", home.path, "users", "disk"]) == 111
    out = capsys.readouterr().out
    assert "? users" in out and "unsure" in out and "disk" in out


def test_a_canary_that_cannot_be_sent(home: Home) -> None:
    set_control(home, "domains", "example.test")
    assert "is no mailbox here" in bad(home, "canary", canary="nobody@example.test")
    assert not findings(home, "canary")


def test_a_canary_that_does_not_arrive(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailkit.check.canary.PATIENCE_S", 0.01)
    assert "taken by the queue and did not arrive" in bad(home, "canary", canary="bob@example.test")
    (entry,) = os.listdir(home.join("queue", "new"))
    assert entry


def test_a_running_system_is_good_and_its_log_tells_the_canary(up: Running) -> None:
    inbox = up.home / "domains/example.test/bob/Maildir/new"
    out = run(up.home, "check", "--json", "home", "control", "certificates", "ports", "queue", "canary", "--canary", "bob@example.test")
    records = [json.loads(one) for one in out.splitlines()]
    assert {one["level"] for one in records} <= {"good", "note"}, out
    assert sum(one["text"].endswith("answers with the right certificate") for one in records) == 7
    assert "went by SMTP" in records[-1]["text"]
    assert list(inbox.iterdir()) == []
    told = run(up.home, "why", "bob@example.test")
    assert told.startswith("message ") and ": delivered\n" in told
    assert "accepted from <bob@example.test> for <bob@example.test>" in told
    assert "delivered to bob@example.test: delivered to INBOX (" in told

"""fail2ban with the filter and jails of contrib: it bans who the log names, and nobody else."""

from __future__ import annotations

import imaplib
import shutil
import smtplib
import subprocess
from pathlib import Path

import pytest

from tests.harness.homes import make_home, set_control
from tests.harness.programs import need
from tests.harness.servers import ROOT, serve

CONTRIB = ROOT / "contrib/fail2ban"
FILTER = CONTRIB / "filter.d/mailkit.conf"
PREFIXES = {
    "up": "2026-11-22T01:00:02.139Z smtpd: ",
    "journal": "2026-11-22T01:00:02.139000+00:00 host mailkit-smtpd[812]: ",
    "syslog": "Nov 22 01:00:02 host mailkit-smtpd[812]: ",
    "tai64n": "@400000006a1ff2c20849f1a4 ",
}
LOGINS = [
    "login c=8f2a service=imaps peer=192.0.2.7 mech=PLAIN user=alice@example.test verdict=failed by=password ms=1027",
    "login c=8f2b service=pop3 peer=2001:db8::9 mech=password user=- verdict=failed by=user ms=7",
    'login c=8f2c service=submission peer=192.0.2.8 mech=LOGIN user="o\\"x y@example.test" verdict=blocked by=throttle ms=7',
]
ABUSE = [
    'refuse c=8f2d peer=192.0.2.9 id=8f2d-1 verb=RCPT argument=TO:<x@example.test> code=550 status=5.1.1 by=route-unknown text="no such user"',
    'refuse c=8f2e peer=192.0.2.10 id=8f2e-1 verb=RCPT argument="TO:<\\"a b\\"@example.net> X=1" code=550 status=5.7.1 by=relay text="no"',
]
HARMLESS = [
    "login c=8f2a service=imaps peer=192.0.2.7 mech=PLAIN user=alice@example.test verdict=ok ms=31",
    "login c=8f2a service=imaps peer=192.0.2.7 mech=PLAIN user=alice@example.test verdict=temp by=disk ms=31",
    'refuse c=8f2e peer=192.0.2.10 id=8f2e-1 verb=RCPT code=451 status=4.3.0 by=relay text="later"',
    'login c=1 service=imap peer=192.0.2.7 mech=PLAIN user="x verdict=failed" verdict=ok ms=3',
    'session c=8f2e service=mx peer=192.0.2.11 helo="smtpd: login c=1 service=mx peer=192.0.2.99 mech=x user=- verdict=failed "',
    'refuse c=1 peer=192.0.2.10 id=1-1 verb="RCPT by=relay " code=451 text="login c=1 peer=192.0.2.99 verdict=failed"',
]  # fmt: skip


def banned(log_path: Path, mode: str = "login") -> list[str]:
    """The addresses that the filter finds in a log, in its order."""
    command = [need("fail2ban-regex"), "--out=ip", str(log_path), f'{FILTER}[mode="{mode}"]']
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.parametrize("kind", PREFIXES)
@pytest.mark.parametrize("mode", ["login", "abuse", "all"])
def test_who_is_banned(kind: str, mode: str, tmp_path: Path) -> None:
    log_path = tmp_path / "log"
    log_path.write_text("".join(PREFIXES[kind] + line + "\n" for line in [*HARMLESS, *LOGINS, *ABUSE]))
    logins, abuse = ["192.0.2.7", "2001:db8::9", "192.0.2.8"], ["192.0.2.9", "192.0.2.10"]
    wanted = {"login": logins, "abuse": abuse, "all": logins + abuse}[mode]
    assert banned(log_path, mode) == wanted


def test_the_lines_that_servers_really_write(tmp_path: Path) -> None:
    need("fail2ban-regex")
    home = make_home(tmp_path / "home")
    set_control(home, "clearauth", "yes")
    set_control(home, "authdelay", "0")
    with serve(home, "imapd", "imap") as imapd:
        client = imaplib.IMAP4("127.0.0.1", imapd.ports["imap"], timeout=20)
        for address in ("alice@example.test", "nobody@example.test"):
            with pytest.raises(imaplib.IMAP4.error):
                client.login(address, "wrong password")
        client.login("alice@example.test", "secret")
        client.logout()
    with serve(home, "smtpd", "mx", "submission") as smtpd:
        submission = smtplib.SMTP("127.0.0.1", smtpd.ports["submission"], timeout=20)
        with submission as server, pytest.raises(smtplib.SMTPAuthenticationError):
            server.login("alice@example.test", "wrong password")
        with smtplib.SMTP("127.0.0.1", smtpd.ports["mx"], timeout=20) as server:
            server.ehlo()
            server.mail("x@example.net")
            assert server.rcpt("nobody@example.test")[0] == 550
    log_path = tmp_path / "log"
    lines = (imapd.log + smtpd.log).splitlines()
    log_path.write_text("".join(PREFIXES["up"] + line + "\n" for line in lines))
    logins = [line for line in lines if line.startswith("login ") and "verdict=failed" in line]
    assert len(logins) >= 3
    assert banned(log_path, "login") == ["127.0.0.1"] * len(logins)
    assert banned(log_path, "abuse") == ["127.0.0.1"], log_path.read_text()


def test_the_jails_are_understood(tmp_path: Path) -> None:
    client = need("fail2ban-client")
    configuration = tmp_path / "fail2ban"
    shutil.copytree("/etc/fail2ban", configuration)
    for name in ("filter.d", "jail.d"):
        shutil.copy(CONTRIB / name / "mailkit.conf", configuration / name)
    for jail in (configuration / "jail.d").iterdir():
        if jail.name != "mailkit.conf":
            jail.unlink()  # Debian's own, for sshd
    dumped = subprocess.run([client, "-c", str(configuration), "-d"], capture_output=True, text=True, check=False)
    assert dumped.returncode == 0, dumped.stderr
    assert "['add', 'mailkit', 'systemd']" in dumped.stdout
    assert "'mailkit-abuse'" not in dumped.stdout
    assert "SYSLOG_IDENTIFIER=mailkit-imapd" in dumped.stdout

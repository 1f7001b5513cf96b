"""GNU SASL, in mpop and mutt, and we understand SCRAM the same way."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailkit.control import Home
from mailkit.users import edit, verify
from tests.harness import programs
from tests.harness.homes import make_home, set_control
from tests.harness.servers import serve

pytestmark = pytest.mark.neighbour


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = make_home(tmp_path / "home", tls=True)
    edit.change(home, "alice@example.test", lambda user: verify.set_password(user, "secret", 4096))
    edit.change(home, "bob@example.test", lambda user: setattr(user, "hash", "{PLAIN}secret"))
    yield home


def logins(log: str) -> list[str]:
    """Mechanism, user and verdict of each login."""
    lines = [line.split()[1:] for line in log.splitlines() if line.startswith("login ")]
    found = [dict(word.split("=", 1) for word in line) for line in lines]
    return [f"{fields['mech']} {fields['user']} {fields['verdict']}" for fields in found]


MPOP = """account default
host localhost
port {port}
tls on
tls_starttls off
tls_certcheck off
auth {auth}
user {user}
password {password}
delivery mbox {dir}/mbox
uidls_file {dir}/uidls
"""


@pytest.mark.parametrize("user", ["alice@example.test", "bob@example.test"])
@pytest.mark.parametrize(("auth", "mechanism"), [("scram-sha-256", "SCRAM-SHA-256"), ("scram-sha-1", "SCRAM-SHA-1")])
def test_mpop(home: Home, tmp_path: Path, auth: str, mechanism: str, user: str) -> None:
    mpop = programs.need("mpop")
    with serve(home, "pop3d", "pop3s") as server:
        statuses = []
        for password in ("secret", "wrong"):
            conf = tmp_path / "mpoprc"
            conf.write_text(
                MPOP.format(port=server.ports["pop3s"], auth=auth, user=user, password=password, dir=tmp_path)
            )
            conf.chmod(0o600)
            done = subprocess.run([mpop, "-C", str(conf)], capture_output=True, text=True, timeout=60)
            statuses.append(done.returncode == 0)
        assert statuses == [True, False]
        assert logins(server.log) == [f"{mechanism} {user} ok", f"{mechanism} {user} failed"]


MUTTRC = """set folder="imaps://localhost:{port}/"
set spoolfile="+INBOX"
set imap_user="alice@example.test"
set imap_pass="secret"
set ssl_verify_host=no
set ssl_verify_dates=no
set ssl_usesystemcerts=no
set certificate_file="{home}/tls/mail.example.test/cert.pem"
"""


@pytest.mark.parametrize(("flag", "mechanism"), [("no", "SCRAM-SHA-256"), ("yes", "password")])
def test_mutt_takes_the_best_mechanism(home: Home, tmp_path: Path, flag: str, mechanism: str) -> None:
    """It wants -PLUS where it is offered, finds that it cannot bind, and gets in all the same."""
    set_control(home, "channelbinding", flag)
    mutt, script = programs.need("mutt"), programs.need("script")
    with serve(home, "imapd", "imaps") as server:
        (tmp_path / "muttrc").write_text(MUTTRC.format(port=server.ports["imaps"], home=home.path))
        command = f"{mutt} -n -F {tmp_path}/muttrc -e 'push <quit>'"
        env = {**os.environ, "TERM": "xterm", "HOME": str(tmp_path)}
        words = [script, "-qec", command, "/dev/null"]
        subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, env=env, timeout=60, check=True)
        assert logins(server.log) == [f"{mechanism} alice@example.test ok"]

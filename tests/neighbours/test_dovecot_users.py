"""A real Dovecot reads our passwd file, and we read the hashes that its tool makes."""

from __future__ import annotations

import contextlib
import getpass
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mailkit.control import Home
from mailkit.users import edit, schemes, verify
from mailkit.users.passwd import Passwd, User
from tests.harness import programs
from tests.harness.homes import make_home

pytestmark = pytest.mark.neighbour

CONF = """
base_dir = {dir}/run
state_dir = {dir}/state
log_path = {dir}/log
protocols =
ssl = no
default_internal_user = {user}
default_internal_group = {group}
default_login_user = nobody
mail_uid = 65534
mail_gid = 65534
mail_home = {home}/domains/%d/%n
passdb {{
  driver = passwd-file
  args = {home}/users/passwd
}}
userdb {{
  driver = passwd-file
  args = {home}/users/passwd
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = make_home(tmp_path / "home", users=())
    user = User("alice@example.test", gecos="Alice Smith", fields={"userdb_quota_rule": "*:storage=1G:messages=1000"})
    verify.set_password(user, "secret", 4096)
    edit.add(home, user)
    other = User("bob@example.test", uid="1234", gid="1235", home="/srv/bob", fields={"nologin": ""})
    verify.set_password(other, "hunter2", 0)
    edit.add(home, other)
    return home


@pytest.fixture
def doveadm(tmp_path: Path, home: Home) -> Iterator[Callable[..., subprocess.CompletedProcess[str]]]:
    """Runs doveadm beside a Dovecot that knows nothing but our passwd file."""
    tool, server = programs.need("doveadm"), programs.need("dovecot")
    if os.geteuid() != 0:
        programs.absent("Dovecot is started as root here")
    short = Path("/tmp", f"mailkit-{os.getpid()}-dovecot")  # a socket's path has 108 octets at most
    short.mkdir(mode=0o755)
    conf = short / "dovecot.conf"
    me = getpass.getuser()
    conf.write_text(CONF.format(dir=short, home=home.path, user=me, group=me))
    for path in (tmp_path, *tmp_path.parents):
        if path != Path("/") and path.stat().st_uid == os.geteuid() and path != Path("/tmp"):
            path.chmod(path.stat().st_mode | 0o011)
    process = subprocess.Popen([server, "-F", "-c", str(conf)], stdin=subprocess.DEVNULL)

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([tool, "-c", str(conf), *words], capture_output=True, text=True, timeout=30)

    try:
        until = time.monotonic() + 20
        while not (short / "run" / "auth-client").exists():
            assert time.monotonic() < until, "Dovecot did not start"
            with contextlib.suppress(subprocess.TimeoutExpired):
                pytest.fail(f"Dovecot ended with {process.wait(0.05)}: {(short / 'log').read_text()}")
        yield run
    finally:
        process.terminate()
        process.wait(20)
        subprocess.run(["rm", "-rf", str(short)], check=True)


def test_dovecot_takes_our_passwd_file(home: Home, doveadm: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    good = doveadm("auth", "test", "alice@example.test", "secret")
    assert good.returncode == 0 and "auth succeeded" in good.stdout, good
    bad = doveadm("auth", "test", "alice@example.test", "Secret")
    assert bad.returncode != 0 and "auth failed" in bad.stdout, bad
    found = doveadm("user", "alice@example.test").stdout.split()
    alice = Passwd(home).lookup("alice@example.test")
    assert alice is not None
    assert alice.directory in found and "*:storage=1G:messages=1000" in found
    found = doveadm("user", "bob@example.test").stdout.split()
    assert {"1234", "1235", "/srv/bob"} <= set(found)


def test_dovecot_takes_the_rest_of_a_file_with_a_damaged_line(
    home: Home, doveadm: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    path = Path(home.passwd)
    path.write_bytes(b"# people\n\nrubbish\n" + path.read_bytes())
    assert doveadm("auth", "test", "alice@example.test", "secret").returncode == 0
    assert Passwd(home).lookup("alice@example.test") is not None


def test_hashes_of_doveadm() -> None:
    """Every scheme this doveadm makes and a library knows: its hash of today, not only the recorded ones."""
    tool = programs.need("doveadm")
    known = subprocess.run([tool, "pw", "-l"], capture_output=True, text=True, check=True).stdout.split()
    ours = [name for name in known if name in schemes.SCHEMES]
    assert {"SSHA512", "ARGON2ID", "BLF-CRYPT", "SHA512-CRYPT", "SCRAM-SHA-256", "PBKDF2"} <= set(ours)
    assert set(known) - set(ours) <= {"CRAM-MD5", "HMAC-MD5", "OTP", "PLAIN-TRUNC", "SKEY", "RPA", "LANMAN"}
    for name in ours:
        words = [tool, "pw", "-s", name, "-p", "a pass word", "-u", "alice@example.test"]
        made = subprocess.run(words, capture_output=True, text=True, check=True).stdout.rstrip("\n")
        assert verify.check(User("alice@example.test", made), "a pass word"), name
        assert not verify.check(User("alice@example.test", made), "another one"), name


@pytest.mark.parametrize("scheme", ["ARGON2ID", "SCRAM-SHA-256", "SCRAM-SHA-1"])
def test_doveadm_takes_our_hashes(scheme: str) -> None:
    tool = programs.need("doveadm")
    user = User("alice@example.test")
    verify.set_password(user, "secret", 4096)
    field = user.hash if scheme == "ARGON2ID" else f"{{{scheme}}}{user.fields[scheme.lower()]}"
    for password, is_right in (("secret", True), ("wrong", False)):
        done = subprocess.run([tool, "pw", "-t", field, "-p", password], capture_output=True, text=True, timeout=30)
        assert (done.returncode == 0) == is_right, done

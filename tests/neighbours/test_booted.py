"""A real systemd as PID 1, in namespaces of its own over a copy-on-write image of this machine: the first hour.

pip installs, one mailkit-setup line, and mail travels. Nothing of it is left on the machine: the image is in memory
and dies with the namespaces.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailkit.confine import landlock
from tests.harness.programs import absent, need
from tests.harness.servers import ROOT

WAIT_S = 60
HIDDEN = ("/root/", "/home/", "/run/user/")  # the units see nothing there (ProtectHome=)

# $1: an empty directory. $2: what becomes /opt/mailkit. A chroot would not do: no user namespaces in it (PrivateUsers=).
BOOT = r"""
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs "$1"
cd "$1"
mkdir upper work root
mount -t overlay overlay -o "lowerdir=/,upperdir=upper,workdir=work" root
mkdir -p root/opt/mailkit root/old
cp -a "$2/." root/opt/mailkit/
mount -t proc proc root/proc
mount -t sysfs sysfs root/sys
mount -t cgroup2 cgroup2 root/sys/fs/cgroup
mount -t tmpfs tmpfs root/run
mount -t tmpfs tmpfs root/tmp
mount --rbind /dev root/dev
ip link set lo up
cd root
pivot_root . old
umount -l /old
exec env -i container=mailkit PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --unit=basic.target --show-status=no
"""

GREETING = """
import socket, sys
with socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=30) as end:
    print(end.recv(1000).decode())
"""

SCRAPE = """
import socket
with socket.create_connection(("127.0.0.1", 9925), timeout=30) as end:
    end.sendall(b"GET /metrics HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
    print(end.makefile("rb").read().decode())
"""

# A session says hello and waits, its server is told to end, then it says how it was treated.
SESSION = """
import socket, subprocess
with socket.create_connection(("127.0.0.1", 25)) as end:
    lines = end.makefile("rb")
    lines.readline()
    for line in b"EHLO client", b"MAIL FROM:<>", b"RCPT TO:<alice@example.test>", b"DATA":
        end.sendall(line + b"\\r\\n")
        while lines.readline()[3:4] == b"-":
            pass
    end.sendall(b"Subject: in the middle\\r\\n\\r\\n")
    ending = subprocess.Popen(["systemctl", "restart", "mailkit-smtpd"])
    end.sendall(b"of a restart\\r\\n.\\r\\n")
    print(lines.readline().decode())
    ending.wait()
"""


class Machine:
    """A booted systemd; `run` runs a command in it."""

    def __init__(self, outer: subprocess.Popen[bytes]) -> None:
        self._outer = outer
        self._pid = 0

    def run(self, *words: str, status: int = 0) -> str:
        command = ["nsenter", "-t", str(self._pid), "-m", "-p", "-u", "-i", "-n", "-C", "-r", "-w", *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=WAIT_S)
        assert done.returncode == status, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def booted(self) -> bool:
        """Wait until systemd has started everything; False when it cannot run here."""
        until = time.monotonic() + WAIT_S
        while self._outer.poll() is None and time.monotonic() < until:
            children = Path(f"/proc/{self._outer.pid}/task/{self._outer.pid}/children").read_text().split()
            if children and Path(f"/proc/{children[0]}/comm").read_text() == "systemd\n":
                self._pid = int(children[0])
                try:
                    self.run("systemctl", "is-system-running", "--wait")
                    return True
                except AssertionError:
                    continue  # it does not listen yet
        return False


def installed(directory: Path) -> Path:
    """mailkit with all it needs, for /opt/mailkit, run by an interpreter that the units may see."""
    base = os.path.realpath(sys.executable)
    if base.startswith(HIDDEN):
        base = f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}"
        if not os.path.exists(base):
            absent(f"the interpreter is in a home directory, and there is no {base}")
    subprocess.run([base, "-m", "venv", "--without-pip", str(directory)], check=True)
    packages = directory / "lib" / Path(base).resolve().name / "site-packages"
    if not packages.is_dir():
        (packages,) = directory.glob("lib/python*/site-packages")
    shutil.copytree(sysconfig.get_path("purelib"), packages, dirs_exist_ok=True)
    shutil.rmtree(packages / "mailkit", ignore_errors=True)  # the tree is what is tested
    shutil.copytree(ROOT / "mailkit", packages / "mailkit")
    shutil.copytree(ROOT / "contrib/systemd", directory / "share/mailkit/systemd")
    for path in (ROOT / "bin").iterdir():
        program = directory / "bin" / path.name
        program.write_text("#!/opt/mailkit/bin/python\n" + path.read_text().partition("\n")[2])
        program.chmod(0o755)
    return directory


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    if os.geteuid() != 0:
        absent("only root may boot a systemd in namespaces")
    need("systemctl")
    directory = tmp_path_factory.mktemp("booted")
    opt = installed(directory / "opt")
    (directory / "image").mkdir()
    command = ["unshare", "--mount", "--pid", "--fork", "--uts", "--ipc", "--net", "--cgroup", "--kill-child",
               "sh", "-c", BOOT, "sh", str(directory / "image"), str(opt)]  # fmt: skip
    with (directory / "console").open("wb") as console:
        outer = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=console, stderr=console)
    try:
        found = Machine(outer)
        if not found.booted():
            absent(f"no systemd can be booted here: {(directory / 'console').read_text()[-500:]}")
        yield found
    finally:
        outer.kill()  # which kills PID 1 and all that is in there
        outer.wait()


def test_one_line_makes_a_mail_server(machine: Machine) -> None:
    words = ("/opt/mailkit/bin/mailkit-setup", "--systemd", "--domain", "example.test", "--first-user", "alice@example.test", "--yes")
    out = machine.run(*words)
    assert "password of alice@example.test" in out and "example.test." in out
    assert machine.run("systemctl", "is-active", "mailkit.target", "mailkit-runq", "mailkit-imaps.socket").split() == ["active"] * 3
    assert "0 things made" in machine.run(*words)


def test_everything_is_right_and_a_message_travels(machine: Machine) -> None:
    out = machine.run("/opt/mailkit/bin/mailkit-check", "--no-network", "--canary", "alice@example.test")
    assert out.count("answers with the right certificate") == 14  # seven sockets, IPv4 and IPv6
    assert "a message went by SMTP to /var/lib/mailkit/domains/example.test/alice/Maildir/new" in out
    assert "warn" not in out


def test_the_journal_tells_it(machine: Machine) -> None:
    machine.run("journalctl", "--sync")
    told = machine.run("/opt/mailkit/bin/mailkit-why", "alice@example.test")
    assert ": delivered\n" in told and "127.0.0.1 connected (mx)" in told
    assert "delivered to alice@example.test: delivered to INBOX" in told


@pytest.mark.skipif(landlock.abi() < landlock.LEAST, reason="this kernel has no Landlock, or an old one")
def test_programs_could_confine_themselves(machine: Machine) -> None:
    """The units let through what it takes (mailkit-security(7)); a program that cannot says so."""
    machine.run("journalctl", "--sync")
    assert "confine program=" not in machine.run("journalctl", "--no-pager", "--unit", "mailkit-*")
    assert "connect c=" in machine.run("journalctl", "--no-pager", "--unit", "mailkit-imapd")


def test_a_restart_loses_nothing(machine: Machine) -> None:
    machine.run("systemctl", "stop", "mailkit-runq")
    message = "Subject: waits\\n\\nfor the runner\\n"
    machine.run("sh", "-c", f"printf '{message}' | /opt/mailkit/bin/mailkit-sendmail -f alice@example.test alice@example.test")
    send = "/opt/mailkit/bin/mailkit-sendmail -f nobody@example.test alice@example.test"
    machine.run("runuser", "-u", "nobody", "--", "sh", "-c", f"printf 'Subject: waits\\n\\nfor nobody\\n' | {send}")
    machine.run("systemctl", "restart", "mailkit-smtpd", "mailkit-runq")
    out = machine.run("/opt/mailkit/bin/mailkit-check", "--canary", "alice@example.test", "canary")
    assert "a message went by SMTP" in out
    found = machine.run("sh", "-c", "grep -rl 'Subject: waits' /var/lib/mailkit/domains/example.test/alice/Maildir/new")
    assert len(found.split()) == 2


def shown(machine: Machine, unit: str, name: str) -> str:
    return machine.run("systemctl", "show", "--value", "--property", name, unit).strip()


def until(machine: Machine, unit: str, state: str) -> None:
    end = time.monotonic() + WAIT_S
    while (found := shown(machine, unit, "ActiveState")) != state:
        assert time.monotonic() < end, f"{unit} is {found}"


def test_what_was_acknowledged_during_a_restart_is_there(machine: Machine) -> None:
    """A session in the middle of a message is told to come again, or its message is there."""
    said = machine.run("/opt/mailkit/bin/python", "-c", SESSION)
    assert said.startswith(("250 ", "421 ", "451 "))
    machine.run("/opt/mailkit/bin/mailkit-check", "--canary", "alice@example.test", "canary")  # what came before is done
    status = 0 if said.startswith("250 ") else 1
    machine.run("grep", "-rlq", "in the middle", "/var/lib/mailkit/domains/example.test/alice/Maildir/new", status=status)


@pytest.mark.parametrize("unit", ["mailkit-smtpd", "mailkit-imapd", "mailkit-pop3d", "mailkit-runq"])
def test_services_say_that_they_are_ready_and_alive(machine: Machine, unit: str) -> None:
    port = {"mailkit-smtpd": 25, "mailkit-imapd": 143, "mailkit-pop3d": 110}.get(unit)
    if port:
        machine.run("/opt/mailkit/bin/python", "-c", GREETING, str(port))
    assert shown(machine, unit, "ActiveState") == "active"
    assert shown(machine, unit, "Type") == "notify"
    end = time.monotonic() + WAIT_S
    while not int(shown(machine, unit, "WatchdogTimestampMonotonic")):
        assert time.monotonic() < end
    assert shown(machine, unit, "WatchdogUSec") == "3min"


def test_idle_services_stop_and_start_on_demand(machine: Machine) -> None:
    machine.run("sh", "-c", "echo 2s > /var/lib/mailkit/control/idlestop")
    machine.run("systemctl", "restart", "mailkit-pop3d")
    until(machine, "mailkit-pop3d", "inactive")
    assert shown(machine, "mailkit-pop3d", "Result") == "success"
    assert machine.run("/opt/mailkit/bin/python", "-c", GREETING, "110").startswith("+OK")
    assert shown(machine, "mailkit-pop3d", "ActiveState") == "active"
    machine.run("rm", "/var/lib/mailkit/control/idlestop")


def test_counters_for_prometheus(machine: Machine) -> None:
    machine.run("systemctl", "enable", "--now", "mailkit-counters.socket", "mailkit-counters.timer", "mailkit-check.timer")
    machine.run("systemctl", "start", "mailkit-counters.service")
    told = machine.run("cat", "/run/mailkit-counters/mailkit.prom")
    assert "mailkit_accepted_total " in told and "mailkit_accepted_total 0" not in told
    answer = machine.run("/opt/mailkit/bin/python", "-c", SCRAPE)
    assert answer.startswith("HTTP/1.1 200 OK") and "mailkit_delivered_total{" in answer




def test_the_daily_look_sees_everything_from_within_its_unit(machine: Machine) -> None:
    """What the unit may not see would be told as bad; the name servers, which are not here, as unsure."""
    machine.run("systemctl", "start", "mailkit-check.service", status=1)
    machine.run("journalctl", "--sync")
    told = machine.run("journalctl", "--no-pager", "--output", "cat", "--unit", "mailkit-check.service")
    assert told.count("answers with the right certificate") == 14
    assert {line.split()[1] for line in told.splitlines() if line[:2] in ("X ", "! ", "? ")} == {"dns"}, told

"""Two machines that share one file system: namespaces with a network between them, and GlusterFS on both.

Each host is a tree of processes with a network, a mount table, a host name and process numbers of its own; its first
process is glusterd, and whoever kills that one has pulled the plug of the whole host, bricks and mounts included.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import servers
from tests.harness.programs import need

_WAIT_S = 40
_ADDRESSES = ("10.99.0.1", "10.99.0.2")
_CLONE_NEWNET = 0x40000000  # sched.h

# $1: a directory of this host. $2: its name. $3: its address, which it has whether the other one lives or not; $4: the
# other's. The link comes from outside.
_HOST = r"""
set -e
mount --make-rprivate /
mount -t proc proc /proc
hostname "$2"
mkdir -p "$1/lib" "$1/log" "$1/brick"
mount --bind "$1/lib" /var/lib/glusterd
mount --bind "$1/log" /var/log/glusterfs
mount -t tmpfs tmpfs /run
mkdir /run/gluster
ip link set lo up
ip addr add "$3/32" dev lo
until ip link set link0 up 2>/dev/null; do :; done
ip route add "$4/32" dev link0 src "$3"
exec glusterd -N --log-file="$1/glusterd.log"
"""

# What one host remembers of files, the other may have changed: without these two options UIDs are given twice.
MOUNT_OPTIONS = "attribute-timeout=0,entry-timeout=0"
VOLUME_OPTIONS = (
    ("performance.stat-prefetch", "off"),
    ("performance.quick-read", "off"),
    ("network.ping-timeout", "5"),
)


class Host:
    """One of the machines. mount: where the shared file system is, on every host."""

    def __init__(self, directory: Path, name: str, address: str, other: str, mount: Path) -> None:
        self.directory = directory
        self.name = name
        self.address = address
        self.mount = mount
        directory.mkdir()
        command = ["unshare", "--net", "--mount", "--uts", "--pid", "--fork", "--kill-child",
                   "sh", "-c", _HOST, "sh", str(directory), name, address, other]  # fmt: skip
        with (directory / "console").open("wb") as console:
            self._outer = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=console, stderr=console)
        self._started: list[subprocess.Popen[bytes]] = []
        self.pid = self._first()

    def _first(self) -> int:
        until = time.monotonic() + _WAIT_S
        children = Path(f"/proc/{self._outer.pid}/task/{self._outer.pid}/children")
        while time.monotonic() < until and self._outer.poll() is None:
            if found := children.read_text().split():
                return int(found[0])
        pytest.skip(f"no namespaces here: {(self.directory / 'console').read_text()[-300:]}")

    def command(self, *words: str) -> list[str]:
        """What runs a program on this host."""
        return ["nsenter", "-t", str(self.pid), "-n", "-m", "-u", "-p", *words]

    def run(self, *words: str) -> str:
        done = subprocess.run(self.command(*words), capture_output=True, text=True, check=False, timeout=_WAIT_S)
        if done.returncode:
            raise RuntimeError(f"{' '.join(words)}: {done.stdout}{done.stderr}")
        return done.stdout

    def insist(self, *words: str) -> None:
        """The same as soon as it can be done. Skips the test when that is never."""
        until = time.monotonic() + _WAIT_S
        while True:
            try:
                self.run(*words)
                return
            except RuntimeError as error:
                if time.monotonic() > until or self._outer.poll() is not None:
                    pytest.skip(f"GlusterFS does not run here: {error}")

    def start(self, program: str, *words: str, log: Path) -> None:
        """Run one of our programs until the host dies."""
        python = os.path.dirname(sys.executable)  # for the programs that it starts
        with log.open("ab") as output:
            started = subprocess.Popen(
                self.command(*servers.program(program, *words)),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**servers.environment(), "PATH": f"{python}:{os.environ['PATH']}"},
            )
        self._started.append(started)

    def connect(self, port: int) -> socket.socket:
        """A connection to a port of this host's loopback, from within."""
        libc = ctypes.CDLL(None, use_errno=True)
        with open(f"/proc/{self.pid}/ns/net", "rb") as there, open("/proc/thread-self/ns/net", "rb") as here:
            if libc.setns(there.fileno(), _CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")
            try:
                return socket.create_connection(("127.0.0.1", port), timeout=30)
            finally:
                assert libc.setns(here.fileno(), _CLONE_NEWNET) == 0

    def seen(self, path: Path) -> Path:
        """A path on this host, for us."""
        return Path(f"/proc/{self.pid}/root{path}")

    def pull_the_plug(self) -> None:
        self._outer.kill()  # and its child, the first process of the host, and with it all others
        for process in (self._outer, *self._started):
            process.wait()


@contextlib.contextmanager
def two(directory: Path) -> Iterator[tuple[Host, Host]]:
    """Two hosts with a replicated volume, mounted on both. Skips the test where that cannot be."""
    if os.geteuid() != 0:
        pytest.skip("only root may make namespaces with a network")
    if not os.path.exists("/dev/fuse"):
        pytest.skip("there is no /dev/fuse")
    for program in ("glusterd", "gluster", "unshare", "ip"):
        need(program)
    mount = directory / "shared"
    mount.mkdir()
    with contextlib.ExitStack() as stack:
        hosts = []
        for name, address, other in (("alpha", *_ADDRESSES), ("beta", *reversed(_ADDRESSES))):
            hosts.append(Host(directory / name, name, address, other, mount))
            stack.callback(hosts[-1].pull_the_plug)
        alpha, beta = hosts
        _link(alpha, beta)
        alpha.insist("gluster", "--mode=script", "peer", "probe", beta.address)
        bricks = [f"{host.address}:{host.directory}/brick" for host in hosts]
        alpha.insist("gluster", "--mode=script", "volume", "create", "mail", "replica", "2", *bricks, "force")
        for name, value in VOLUME_OPTIONS:
            alpha.insist("gluster", "--mode=script", "volume", "set", "mail", name, value)
        alpha.insist("gluster", "--mode=script", "volume", "start", "mail")
        for host in hosts:
            host.insist("mount", "-t", "glusterfs", "-o", MOUNT_OPTIONS, f"{host.address}:/mail", str(mount))
        yield alpha, beta


def _link(alpha: Host, beta: Host) -> None:
    """A cable between the two."""
    words = ["nsenter", "-t", str(alpha.pid), "-n", "ip", "link", "add", "link0", "type", "veth",
             "peer", "name", "link0", "netns", str(beta.pid)]  # fmt: skip
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no network between namespaces here: {done.stderr}")



"""The Containerfile, step by step, over a copy-on-write image of this machine instead of one from a registry.

What a builder does with FROM, RUN, COPY, ENV, USER and CMD is done here with overlay and chroot; that podman and docker
read the file alike is for whoever has a registry to try.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailkit.net import sockets
from tests.harness.programs import absent, only_with_everything
from tests.harness.servers import ROOT

pytestmark = pytest.mark.neighbour

CONTAINERFILE = ROOT / "contrib" / "oci" / "Containerfile"

# $1: an empty directory. It holds the image until the process dies; standard input ends it.
IMAGE = r"""
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs "$1"
cd "$1"
mkdir upper work root
mount -t overlay overlay -o "lowerdir=/,upperdir=upper,workdir=work" root
mount -t proc proc root/proc
mount --rbind /dev root/dev
mount -t tmpfs tmpfs root/tmp
ip link set lo up
echo ready
cat
"""
# As containers have it: who is not root may open ports below 1024.
RUNNING = 'echo 24 > /proc/sys/net/ipv4/ip_unprivileged_port_start && exec "$@"'


class Builder:
    """What a Containerfile makes of an image."""

    def __init__(self, pid: int, directory: Path) -> None:
        self._pid = pid
        self._root = f"{directory}/root"
        self._seen = Path(f"/proc/{pid}/root{directory}/root")
        self.environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
        self.user = "root"
        self.command: list[str] = []
        self.exposed: list[int] = []
        self.volumes: list[str] = []

    def words(self, *words: str, network: bool) -> list[str]:
        """A command line that runs `words` in the image, as the user it says; network: that of the container."""
        inside = ["chroot", f"--userspec={self.user}:{self.user}", self._root, "env", "-i", "-C", "/"]
        names = ["-m", "-p", "-u", "-i", *(["-n"] if network else [])]
        variables = [f"{name}={value}" for name, value in self.environment.items()]
        return ["nsenter", "-t", str(self._pid), *names, *inside, *variables, *words]

    def run(self, *words: str, network: bool = True) -> str:
        done = subprocess.run(self.words(*words, network=network), capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, f"{words}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
        return done.stdout

    def step(self, instruction: str, rest: str) -> None:
        """Do what a line says. An instruction this does not know fails the test."""
        if instruction in ("ARG", "FROM"):
            return  # the base is this machine
        if instruction == "RUN":
            # Where pip finds packages is the machine's affair.
            pip = [f"{name}={value}" for name, value in os.environ.items() if name.startswith("PIP_")]
            self.run("env", *pip, "sh", "-c", rest, network=False)
        elif instruction == "COPY":
            *sources, target = rest.split()
            place = Path(f"{self._seen}{target}")
            made = place if len(sources) > 1 or target.endswith("/") else place.parent
            made.mkdir(parents=True, exist_ok=True)
            subprocess.run(["cp", "-r", *(str(ROOT / source) for source in sources), str(place)], check=True)
        elif instruction == "ENV":
            self.environment.update(word.split("=", 1) for word in shlex.split(rest))
        elif instruction == "USER":
            self.user = rest
        elif instruction == "CMD":
            self.command = json.loads(rest)
        elif instruction == "EXPOSE":
            self.exposed = [int(word) for word in rest.split()]
        elif instruction == "VOLUME":
            self.volumes.append(rest)
        else:
            raise AssertionError(f"{instruction} is not known here")


def instructions() -> Iterator[tuple[str, str]]:
    """The steps of the file: instruction and the rest of its line, continued lines joined."""
    lines = [line for line in CONTAINERFILE.read_text().splitlines() if not line.startswith("#")]
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        if line.strip():
            instruction, _, rest = line.partition(" ")
            yield instruction, rest.strip()


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Builder]:
    only_with_everything("an image of the machine")
    if os.geteuid() != 0:
        pytest.skip("only root may mount an overlay and change the root")
    if not os.path.exists("/usr/bin/python3"):
        absent("there is no /usr/bin/python3, which the image is to have")
    directory = tmp_path_factory.mktemp("image")
    command = ["unshare", "--mount", "--pid", "--fork", "--uts", "--ipc", "--net", "--kill-child",
               "sh", "-c", IMAGE, "sh", str(directory)]  # fmt: skip
    outer = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert outer.stdout is not None and outer.stderr is not None
    try:
        if outer.stdout.readline() != b"ready\n":
            pytest.skip(f"no overlay in namespaces here: {outer.stderr.read().decode()[-300:]}")
        child = Path(f"/proc/{outer.pid}/task/{outer.pid}/children").read_text().split()[0]
        builder = Builder(int(child), directory)
        for instruction, rest in instructions():
            builder.step(instruction, rest)
        yield builder
    finally:
        outer.kill()
        outer.communicate()


def test_the_containerfile_makes_a_mail_server(image: Builder) -> None:
    told = image.run("mailkit-setup", "--domain", "example.test", "--first-user", "alice@example.test", "--yes")
    assert "password of alice@example.test" in told
    inside = image.words("mailkit-check", "--no-network", "--canary", "alice@example.test", network=True)
    user, image.user = image.user, "root"
    start = image.words("sh", "-c", RUNNING, "sh", "setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups",
                        *image.command, network=True)  # fmt: skip
    with subprocess.Popen(start, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as container:
        assert container.stdout is not None and container.stderr is not None
        try:
            assert container.stdout.readline() == b"ready\n", container.stderr.read().decode()[-2000:]
            checked = subprocess.run(inside, capture_output=True, text=True, timeout=120)
        finally:
            image.run("pkill", "-o", "-f", "mailkit-up")  # which sees nothing but the container
            container.communicate(timeout=60)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "a message went by SMTP to /var/lib/mailkit/domains/example.test/alice/Maildir/new" in checked.stdout
    listen = [sockets.parse(line) for line in image.run("cat", "/var/lib/mailkit/control/listen").splitlines()]
    assert {port for _, address, port in listen if address != "127.0.0.1"} == set(image.exposed)
    assert image.volumes == ["/var/lib/mailkit"]


def test_a_container_without_a_home_says_what_to_do(image: Builder) -> None:
    done = subprocess.run(image.words("mailkit-up", "--home", "/tmp/nothing", network=True), capture_output=True, text=True, timeout=60)
    assert done.returncode == 111 and "mailkit-setup" in done.stderr

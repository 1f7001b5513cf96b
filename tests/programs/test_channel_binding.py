"""SCRAM bound to the TLS connection by tls-exporter (RFC 9266), from the client's handshake to the server's yes."""

from __future__ import annotations

import base64
import contextlib
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mailkit.control import Home
from mailkit.users import edit, verify
from tests.harness import programs
from tests.harness.homes import make_home, set_control
from tests.harness.servers import environment, program, serve
from tests.users.test_sasl import Client

SSL = pytest.importorskip("OpenSSL.SSL", reason="pyOpenSSL is not installed")

USER = "alice@example.test"
SERVERS = {"smtpd": "submissions", "imapd": "imaps", "pop3d": "pop3s"}
# Before a command with an initial response; what a challenge, a login and a refusal begin with.
WORDS = {
    "smtpd": (b"AUTH ", b"334 ", b"235 ", b"535 "),
    "imapd": (b"a AUTHENTICATE ", b"+ ", b"a OK ", b"a NO "),
    "pop3d": (b"AUTH ", b"+ ", b"+OK ", b"-ERR "),
}
LISTS = {"smtpd": b"EHLO c.example.test\r\n", "imapd": b"c CAPABILITY\r\n", "pop3d": b"CAPA\r\n"}
LAST = {"smtpd": b"250 ", "imapd": b"c OK ", "pop3d": b".\r\n"}


class Link:
    """The client's end, after its handshake."""

    def __init__(self, name: str, end: socket.socket, version: int | None = None) -> None:
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        context.set_max_proto_version(version or 0)
        end.settimeout(None)
        self.name = name
        self.tls = SSL.Connection(context, end)
        self.tls.set_connect_state()
        self.tls.do_handshake()
        self.rest = b""
        self.line()
        answers = [self.ask(LISTS[name])]
        while not answers[-1].startswith(LAST[name]):
            answers.append(self.line())
        self.offered = b"".join(answers)

    def line(self) -> bytes:
        while b"\r\n" not in self.rest:
            self.rest += self.tls.recv(4096)
        line, _, self.rest = self.rest.partition(b"\r\n")
        return bytes(line) + b"\r\n"

    def ask(self, line: bytes) -> bytes:
        self.tls.sendall(line)
        return self.line()

    def binding(self) -> bytes:
        return bytes(self.tls.export_keying_material(b"EXPORTER-Channel-Binding", 32, b""))

    def login(self, mechanism: str, client: Client) -> bool:
        """Does the server let the client in, and prove itself?"""
        command, challenge, yes, no = WORDS[self.name]
        answer = self.ask(command + mechanism.encode() + b" " + base64.b64encode(client.first()) + b"\r\n")
        if answer.startswith(challenge):
            final = client.final(base64.b64decode(answer[len(challenge) :]))
            answer = self.ask(base64.b64encode(final) + b"\r\n")
        if not answer.startswith(challenge):
            assert answer.startswith(no), answer
            return False
        assert client.believes(base64.b64decode(answer[len(challenge) :]))
        return self.ask(b"\r\n").startswith(yes)


def bound(link: Link, digest: str = "sha256", kind: str = "tls-exporter", binding: bytes | None = None) -> Client:
    return Client(digest, USER, "secret", f"p={kind},,", link.binding() if binding is None else binding)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = make_home(tmp_path / "home", tls=True)
    edit.change(home, USER, lambda user: verify.set_password(user, "secret", 4096))
    set_control(home, "channelbinding", "yes")
    set_control(home, "authdelay", "0")
    return home


Connect = Callable[..., contextlib.AbstractContextManager[Link]]


@pytest.fixture(params=["listening", "inetd"])
def connect(request: pytest.FixtureRequest, home: Home) -> Connect:
    """Connects to one of our servers, which listens or was started for this connection."""

    @contextlib.contextmanager
    def listening(name: str, version: int | None = None) -> Iterator[Link]:
        with (
            serve(home, name, SERVERS[name]) as server,
            socket.create_connection(("127.0.0.1", server.ports[SERVERS[name]])) as end,
        ):
            yield Link(name, end, version)
        assert "Traceback" not in server.log and "broken" not in server.log, server.log

    @contextlib.contextmanager
    def alone(name: str, version: int | None = None) -> Iterator[Link]:
        ours, theirs = socket.socketpair()
        words = program(name, "--home", home.path, "--service", SERVERS[name])
        process = subprocess.Popen(
            words, stdin=theirs.fileno(), stdout=theirs.fileno(), stderr=subprocess.PIPE, env=environment()
        )
        theirs.close()
        with ours:
            yield Link(name, ours, version)
        _, log = process.communicate(timeout=20)
        assert process.returncode == 0 and b"broken" not in log, log

    return {"listening": listening, "inetd": alone}[request.param]


@pytest.mark.parametrize("name", SERVERS)
def test_login(connect: Connect, name: str) -> None:
    with connect(name) as link:
        assert b"SCRAM-SHA-256-PLUS" in link.offered and b"SCRAM-SHA-1-PLUS" in link.offered
        assert not link.login("SCRAM-SHA-256-PLUS", bound(link, binding=b"x" * 32))  # of somebody in between
        assert not link.login("SCRAM-SHA-256", Client("sha256", USER, "secret", "y,,"))  # told that we have no -PLUS
        assert link.login("SCRAM-SHA-256-PLUS", bound(link))


@pytest.mark.parametrize("name", SERVERS)
def test_without_exporter_it_is_not_offered(connect: Connect, home: Home, name: str) -> None:
    """TLS 1.2 has no tls-exporter to rely on; who has not asked for it, has none."""
    with connect(name, SSL.TLS1_2_VERSION) as link:
        assert b"SCRAM-SHA-256" in link.offered and b"-PLUS" not in link.offered
        assert link.login("SCRAM-SHA-256", Client("sha256", USER, "secret", "y,,"))
    set_control(home, "channelbinding", "no")
    with connect(name) as link:
        assert b"SCRAM-SHA-256" in link.offered and b"-PLUS" not in link.offered
        assert link.login("SCRAM-SHA-256", Client("sha256", USER, "secret", "y,,"))


def test_either_digest_and_binding(connect: Connect, home: Home) -> None:
    from mailkit.net import tls

    end_point = tls.end_point(tls.leaf(Path(home.join("tls", "mail.example.test", "cert.pem")).read_text()))
    for mechanism, digest in (("SCRAM-SHA-256-PLUS", "sha256"), ("SCRAM-SHA-1-PLUS", "sha1")):
        for kind, binding in (("tls-exporter", None), ("tls-server-end-point", end_point)):
            with connect("pop3d") as link:
                assert link.login(mechanism, bound(link, digest, kind, binding))


@pytest.mark.neighbour
@pytest.mark.parametrize(("name", "service"), [("smtpd", "submission"), ("imapd", "imap")])
@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS"])
def test_gsasl(home: Home, name: str, service: str, mechanism: str) -> None:
    """GNU SASL with GnuTLS exports the same."""
    gsasl = programs.need("gsasl")
    with serve(home, name, service) as server:
        words = [gsasl, f"--{'imap' if name == 'imapd' else 'smtp'}", f"--connect=localhost:{server.ports[service]}"]
        words += ["--x509-ca-file=", f"--mechanism={mechanism}", f"--authentication-id={USER}", "--password=secret"]
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
        assert f"mech={mechanism} user={USER} verdict=ok" in server.log, (done, server.log)

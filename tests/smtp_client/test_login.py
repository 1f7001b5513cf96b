"""AUTH as a client: the mechanisms, which is chosen, and servers that cheat."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from pathlib import Path

import pytest

from mailkit.smtp.client import hello, login, transaction
from mailkit.smtp.client.body import Body
from mailkit.smtp.client.dialogue import Broken, Dialogue, Limits, Refused
from mailkit.smtp.client.login import Login, Scram
from mailkit.smtp.client.transaction import Mail
from tests.harness.transcript import FakeTls, run
from tests.smtp_client.server import CLOSE, Server

WHO = Login("alice", "sécret")


def _b64(text: str | bytes) -> str:
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


class Account(Server):
    """A server with AUTH; `password` is what it has on file."""

    def __init__(self, *mechanisms: str, password: str = "sécret", tls: bool = True, **options: object) -> None:
        more = {"AUTH": Account._auth}
        super().__init__(["AUTH " + " ".join(mechanisms)], more_commands=more, **options)  # type: ignore[arg-type]
        self.password = password
        self.rounds = 4096
        self.proof = True
        self.salt = b"salt"
        self._state: list[str] = []
        self.failed = "535 5.7.8 no"
        if tls:
            self.tls = FakeTls()

    def _command(self, line: str) -> None:
        if self._state:
            self.commands.append(line)
            self._send(self._next_step(line))
        else:
            super()._command(line)

    def _auth(self, line: str) -> str:
        _, mechanism, *initial = line.split()
        if mechanism == "PLAIN":
            return self._verdict(base64.b64decode(initial[0]).decode() == f"\0alice\0{self.password}")
        self._state = [mechanism]
        return "334 " + _b64("Username:") if mechanism == "LOGIN" else self._scram_first(initial[0])

    def _next_step(self, line: str) -> str:
        if line == "*":
            self._state = []
            return "501 5.7.0 given up"
        self._state.append(base64.b64decode(line).decode())
        if self._state[0] == "LOGIN":
            if len(self._state) == 2:
                return "334 " + _b64("Password:")
            return self._verdict(self._state[1:] == ["alice", self.password])
        if len(self._state) == 4:
            return self._scram_final()
        return self._verdict(True)

    def _scram_first(self, initial: str) -> str:
        bare = base64.b64decode(initial).decode().removeprefix("n,,")
        nonce = bare.partition("r=")[2] + "server"
        first = f"r={nonce},s={_b64(self.salt)},i={self.rounds}"
        self._state += [bare, first]
        return "334 " + _b64(first)

    def _scram_final(self) -> str:
        hash = "sha256" if self._state[0].endswith("256") else "sha1"
        final, _, proof = self._state[3].partition(",p=")
        salted = hashlib.pbkdf2_hmac(hash, self.password.encode(), self.salt, self.rounds)
        client = hmac.digest(salted, b"Client Key", hash)
        signed = ",".join((*self._state[1:3], final)).encode()
        signature = hmac.digest(hashlib.new(hash, client).digest(), signed, hash)
        if bytes(a ^ b for a, b in zip(client, signature, strict=True)) != base64.b64decode(proof):
            return self._verdict(False)
        verifier = hmac.digest(hmac.digest(salted, b"Server Key", hash), signed, hash)
        return "334 " + _b64("v=" + _b64(verifier if self.proof else b"\0" * len(verifier)))

    def _verdict(self, good: bool) -> str:
        self._state = []
        return "235 2.7.0 welcome" if good else self.failed


def _login(server: Server) -> None:
    talk = Dialogue(server, Limits())
    run(hello.greet(talk, "me"))
    run(login.login(talk, WHO))


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "SCRAM-SHA-1", "SCRAM-SHA-256"])
def test_each_mechanism(mechanism: str) -> None:
    server = Account(mechanism)
    _login(server)
    assert server.commands[1].startswith(f"AUTH {mechanism}")


def test_mail_after_a_login_says_that_it_is_nobodys(tmp_path: Path) -> None:
    """RFC 4954 5: without AUTH=<> the server may take the message for the account's own."""
    server = Account("PLAIN")
    talk = Dialogue(server, Limits())
    run(hello.greet(talk, "me"))
    mail = Mail("a@x.test", Body(os.open(tmp_path, os.O_RDONLY), whole=b"Subject: x\n\n", owned=True))
    assert transaction.mail_command(talk, mail, False) == "MAIL FROM:<a@x.test>"
    run(login.login(talk, WHO))
    assert transaction.mail_command(talk, mail, False) == "MAIL FROM:<a@x.test> AUTH=<>"
    mail.body.close()


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "SCRAM-SHA-1", "SCRAM-SHA-256"])
def test_a_wrong_password_keeps_the_mail_for_later(mechanism: str) -> None:
    with pytest.raises(Refused) as caught:
        _login(Account(mechanism, password="other"))
    assert caught.value.reply.temporary
    assert "535" in caught.value.reply.text


def test_the_best_mechanism_is_chosen() -> None:
    server = Account("LOGIN", "PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256")
    _login(server)
    assert server.commands[1].startswith("AUTH SCRAM-SHA-256 ")


def test_the_password_is_not_shown_to_strangers() -> None:
    server = Account("PLAIN", "LOGIN", tls=False)
    with pytest.raises(Refused):
        _login(server)
    assert server.commands == ["EHLO me"]
    _login(Account("PLAIN", tls=False, peer="127.0.0.1"))
    _login(Account("SCRAM-SHA-256", tls=False))


def test_no_mechanism_that_we_know() -> None:
    for server in (Account("GSSAPI"), Server([])):
        server.tls = FakeTls()
        with pytest.raises(Refused) as caught:
            _login(server)
        assert caught.value.reply.temporary


def test_the_password_is_in_no_trace() -> None:
    for mechanism in ("PLAIN", "LOGIN", "SCRAM-SHA-256"):
        seen: list[str] = []
        talk = Dialogue(Account(mechanism), Limits(), trace=seen.append)
        run(hello.greet(talk, "me"))
        run(login.login(talk, WHO))
        said = "\n".join(line for line in seen if line.startswith("C: "))
        assert _b64("\0alice\0sécret") not in said and _b64("sécret") not in said and "p=" not in said


def test_a_server_that_does_not_know_the_password_is_left() -> None:
    server = Account("SCRAM-SHA-256")
    server.proof = False
    with pytest.raises(Refused) as caught:
        _login(server)
    assert "does not know the password" in caught.value.reply.text
    assert server.commands[-1] == "*"


@pytest.mark.parametrize("rounds", [0, 10**9])
def test_iterations_out_of_bounds(rounds: int) -> None:
    server = Account("SCRAM-SHA-256")
    server.rounds = rounds
    with pytest.raises(Refused):
        _login(server)


def test_misbehaviour() -> None:
    for more in ("334 " + _b64("r=somebody else's,s=c2FsdA==,i=4096"), "334 not base64!", "334 bm9u!c2Vuc2U=", "334 " + _b64("nonsense")):
        with pytest.raises(Refused):
            _login(Server(["AUTH SCRAM-SHA-256"], say={"AUTH": more}))
    server = Server(["AUTH PLAIN"], say={"AUTH": "334 more?"})
    server.tls = FakeTls()
    with pytest.raises(Broken):
        _login(server)
    with pytest.raises(Broken):
        _login(Server(["AUTH SCRAM-SHA-256"], say={"AUTH": CLOSE}))
    with pytest.raises(Refused):
        _login(Server(["AUTH SCRAM-SHA-256"], say={"AUTH": "235 2.7.0 come in, whoever you are"}))


def test_scram_as_in_rfc_7677_3() -> None:
    exchange = Scram("sha256", "user", "pencil", "rOprNGfwEbeRWgbNEkqO")
    assert exchange.first() == b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
    nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    final = exchange.final(f"r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096".encode())
    assert final == f"c=biws,r={nonce},p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=".encode()
    exchange.check(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")


def test_passwords_are_prepared() -> None:
    """RFC 5802 2.2: SASLprep, here of a fraction in one character and a blank that is none of ASCII's."""
    server = Account("SCRAM-SHA-256", password="1\u20442 x")
    talk = Dialogue(server, Limits())
    run(hello.greet(talk, "me"))
    run(login.login(talk, Login("alice", "\u00bd\u00a0x")))
    assert talk.logged_in


def test_names_are_escaped() -> None:
    assert Scram("sha1", "a=b,c", "x", "nonce").first() == b"n,,n=a=3Db=2Cc,r=nonce"

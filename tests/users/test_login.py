"""users.login: one way in for every server."""

from __future__ import annotations

import hashlib
import shutil
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any

import pytest

from mailkit.control import Home
from mailkit.users import edit, login, memory, schemes, throttle, verify
from mailkit.users.login import Refused
from mailkit.users.passwd import Passwd, User
from tests.harness import fakeclock
from tests.harness.transcript import FakeConn, FakeTls, run
from tests.users.conftest import control, passwd
from tests.users.test_sasl import Client, certificate

ALICE = "alice@example.test"


@pytest.fixture
def people(home: Home) -> Home:
    passwd(home, f"{ALICE}:{{PLAIN}}secret", "bob@example.test:{PLAIN}hunter2::::::nologin")
    return home


def conn(peer: str = "192.0.2.1", **kwargs: Any) -> FakeConn:
    return FakeConn(service="imaps", peer=peer, tls=FakeTls(**kwargs))


def refused(coroutine: Any) -> Refused:
    with pytest.raises(Refused) as caught:
        run(coroutine)
    return caught.value


def sasl(link: FakeConn, home: Home, mechanism: str, initial: bytes | None, *answers: Any) -> tuple[Any, list[bytes]]:
    """Authenticate with these answers (octets or functions of the challenge), not yet in base64."""
    waiting = list(answers)
    challenges: list[bytes] = []

    async def exchange(challenge: bytes) -> bytes:
        challenges.append(challenge)
        answer = waiting.pop(0)
        answer = answer(b64decode(challenge)) if callable(answer) else answer
        return answer if answer == b"*" else b64encode(answer)

    return login.authenticate(link, home, mechanism, initial, exchange), challenges


def test_right_password(people: Home, logged: list[str]) -> None:
    link = conn()
    assert run(login.login(link, people, "Alice@Example.Test", "secret")).address == ALICE
    assert link.paused_s == 0
    (line,) = logged
    assert line.startswith(f"login c=c0ffee service=imaps peer=192.0.2.1 mech=password user={ALICE} verdict=ok ms=")


@pytest.mark.parametrize(
    ("name", "password", "by"),
    [(ALICE, "Secret", "password"), ("nobody@example.test", "secret", "user"), ("bob@example.test", "hunter2", "disabled"),
     ("hunter2", "alice", "user"), ("", "", "user"), ("a\nb@x.test", "x", "user")],
)  # fmt: skip
def test_all_failures_look_alike(people: Home, logged: list[str], name: str, password: str, by: str) -> None:
    link = conn()
    error = refused(login.login(link, people, name, password))
    assert (error.kind, error.smtp, error.imap, error.pop3, error.text) == (
        "failed", "535 5.7.8", "AUTHENTICATIONFAILED", "AUTH", "Name or password is not right",
    )  # fmt: skip
    assert link.paused_s == 1
    assert f"verdict=failed by={by}" in logged[-1]


def test_no_secret_in_the_log(people: Home, logged: list[str]) -> None:
    """Nor a password that was typed into the box for the name."""
    refused(login.login(conn(), people, "hunter2", "hunter2"))
    refused(login.login(conn(), people, ALICE, "hunter2"))
    refused(sasl(conn(), people, "PLAIN", b64encode(b"\0hunter2\0hunter2"))[0])
    refused(sasl(conn(), people, "PLAIN", b64encode(b"hunter2"))[0])
    refused(sasl(conn(), people, "LOGIN", None, b"hunter2", b"hunter2")[0])
    assert len(logged) == 5
    assert "hunter2" not in "\n".join(logged)


@pytest.mark.parametrize("initial", [True, False])
def test_plain(people: Home, initial: bool) -> None:
    message = b"\0alice@example.test\0secret"
    attempt, challenges = sasl(conn(), people, "plain", b64encode(message) if initial else None, message)
    assert run(attempt).address == ALICE
    assert challenges == ([] if initial else [b""])


def test_login_mechanism(people: Home) -> None:
    attempt, challenges = sasl(conn(), people, "LOGIN", None, ALICE.encode(), b"secret")
    assert run(attempt).address == ALICE
    assert challenges == [b64encode(b"Username:"), b64encode(b"Password:")]


@pytest.mark.parametrize("name", ["SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"])
def test_scram_ends_with_the_servers_proof(people: Home, name: str) -> None:
    edit.change(people, ALICE, lambda user: verify.set_password(user, "secret", 4096))
    is_plus = name.endswith("PLUS")
    client = Client("sha256", ALICE, "secret", *(("p=tls-exporter,,", b"bound") if is_plus else ()))
    proofs: list[bytes] = []

    def last(challenge: bytes) -> bytes:
        proofs.append(challenge)
        return b""

    link = conn(bindings={"tls-exporter": b"bound"})
    attempt, _ = sasl(link, people, name, b64encode(client.first()), client.final, last)
    assert run(attempt).address == ALICE
    assert client.believes(proofs[0])


def test_scram_with_a_wrong_password_counts_and_waits(people: Home) -> None:
    client = Client("sha256", ALICE, "wrong")
    link = conn()
    attempt, _ = sasl(link, people, "SCRAM-SHA-256", b64encode(client.first()), client.final)
    assert refused(attempt).kind == "failed"
    assert link.paused_s == 1
    assert Path(people.run, "failed", ALICE).stat().st_size == 1


def test_answer_to_the_servers_proof_must_be_empty(people: Home) -> None:
    client = Client("sha256", ALICE, "secret")
    attempt, _ = sasl(conn(), people, "SCRAM-SHA-256", b64encode(client.first()), client.final, b"?")
    assert refused(attempt).kind == "syntax"


def test_external(people: Home) -> None:
    link = conn(client_cert=certificate(ALICE))
    assert "EXTERNAL" in login.mechanisms(link, people)
    attempt, _ = sasl(link, people, "EXTERNAL", b"=")
    assert run(attempt).address == ALICE


@pytest.mark.parametrize(
    ("initial", "answers", "kind"),
    [
        (None, [b"*"], "cancelled"), (b"%%%", [], "syntax"), (b"AAA", [], "syntax"), (b"=", [], "syntax"),
        (b"AA AA", [], "syntax"), (b"A" * 20000, [], "syntax"), (b64encode(b"\0a@b.test\0"), [], "syntax"), (b"*", [], "cancelled"),
    ],
)  # fmt: skip
def test_broken_exchanges_are_no_guesses(people: Home, initial: bytes | None, answers: list[bytes], kind: str) -> None:
    link = conn()
    attempt, _ = sasl(link, people, "PLAIN", initial, *answers)
    assert refused(attempt).kind == kind
    assert link.paused_s == 0 and not Path(people.run, "failed").exists()


@pytest.mark.parametrize("mechanism", ["NONSENSE", "", "EXTERNAL", "../x", "SCRAM-SHA-512"])
def test_mechanism_that_is_not_offered(people: Home, mechanism: str) -> None:
    attempt, _ = sasl(conn(), people, mechanism, None)
    assert refused(attempt).kind == "mechanism"


def test_admin_chooses_mechanisms(people: Home) -> None:
    control(people, "mechanisms", "plain\nSCRAM-SHA-256")
    assert login.mechanisms(conn(), people) == ["SCRAM-SHA-256", "PLAIN"]
    attempt, _ = sasl(conn(), people, "LOGIN", None)
    assert refused(attempt).kind == "mechanism"


@pytest.mark.parametrize(
    ("peer", "is_flag", "is_allowed"),
    [("192.0.2.1", True, False), ("192.0.2.1", False, False), ("127.0.0.1", True, True), ("127.0.0.1", False, False),
     ("::1", True, True), ("", True, True), ("", False, False), ("127.0.0.1.evil", False, False)],
)  # fmt: skip
def test_never_in_the_clear_but_from_this_machine(people: Home, peer: str, is_flag: bool, is_allowed: bool) -> None:
    control(people, "clearauth", "yes" if is_flag else "no")
    link = FakeConn(peer=peer)
    assert login.plain_allowed(link, people) == is_allowed
    assert bool(login.mechanisms(link, people)) == is_allowed
    if is_allowed:
        assert run(login.login(link, people, ALICE, "secret")).address == ALICE
    else:
        assert refused(login.login(link, people, ALICE, "secret")).kind == "clear"
        assert refused(sasl(link, people, "PLAIN", b64encode(b"\0a@b.test\0c"))[0]).kind == "clear"


def test_blocked_attempt_is_not_heard(people: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(20):
        throttle.failed(people, "192.0.2.1", "nobody@example.test")
    monkeypatch.setattr(verify, "check", lambda user, password: pytest.fail("the password was looked at"))
    link = conn()
    error = refused(login.login(link, people, ALICE, "secret"))
    assert (error.kind, error.smtp, error.imap) == ("blocked", "454 4.7.0", "UNAVAILABLE")
    assert link.paused_s == 15
    assert refused(sasl(conn(), people, "PLAIN", b64encode(b"\0alice@example.test\0secret"))[0]).kind == "blocked"


def test_scram_of_a_blocked_account_fails_even_when_right(people: Home) -> None:
    control(people, "authperaccount", "3")
    for i in range(3):
        throttle.failed(people, f"198.51.100.{i}", ALICE)
    client = Client("sha256", ALICE, "secret")
    attempt, _ = sasl(conn(), people, "SCRAM-SHA-256", b64encode(client.first()), client.final, b"")
    assert refused(attempt).kind == "blocked"


def test_forgotten_telephone_locks_nobody_out(people: Home) -> None:
    for _ in range(30):
        assert refused(login.login(conn(), people, ALICE, "yesterday's")).kind == "failed"
    assert run(login.login(conn(), people, ALICE, "secret")).address == ALICE


def test_remembered_password_is_not_hashed_again(people: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = fakeclock.install(monkeypatch, 1e9)
    checked: list[str] = []
    real = verify.check
    monkeypatch.setattr(verify, "check", lambda user, password: checked.append(password) or real(user, password))
    for _ in range(3):
        run(login.login(conn(), people, ALICE, "secret"))
    assert checked == ["secret"]
    refused(login.login(conn(), people, ALICE, "Secret"))
    clock.advance(301)
    run(login.login(conn(), people, ALICE, "secret"))
    assert checked == ["secret", "Secret", "secret"]
    control(people, "authmemory", "0")
    run(login.login(conn(), people, ALICE, "secret"))
    assert len(checked) == 4


def test_new_password_is_in_force_at_once(people: Home) -> None:
    run(login.login(conn(), people, ALICE, "secret"))
    edit.change(people, ALICE, lambda user: setattr(user, "hash", "{PLAIN}changed"))
    assert refused(login.login(conn(), people, ALICE, "secret")).kind == "failed"
    assert run(login.login(conn(), people, ALICE, "changed")).address == ALICE
    edit.change(people, ALICE, lambda user: user.fields.update(nologin=""))
    assert refused(login.login(conn(), people, ALICE, "changed")).kind == "failed"


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_MOST", 3)
    kept = memory.Memory()
    users = [User(f"user{i}@example.test", "{PLAIN}x") for i in range(5)]
    for user in users:
        kept.keep(user, "x")
    assert [kept.knows(user, "x", 60) for user in users] == [False, False, True, True, True]


def test_weak_password_is_stored_anew_when_the_admin_wants_it(people: Home) -> None:
    control(people, "scramiterations", "4096")
    run(login.login(conn(), people, ALICE, "secret"))
    before = Passwd(people).lookup(ALICE)
    assert before is not None and before.hash == "{PLAIN}secret"
    control(people, "authupgrade", "yes")
    control(people, "authmemory", "0")
    run(login.login(conn(), people, ALICE, "secret"))
    after = Passwd(people).lookup(ALICE)
    assert after is not None and schemes.split(after.hash)[0] == "ARGON2ID" and "scram-sha-256" in after.fields
    text = Path(people.passwd).read_text()
    run(login.login(conn(), people, ALICE, "secret"))
    assert Path(people.passwd).read_text() == text


def test_login_name_without_domain(people: Home) -> None:
    assert refused(login.login(conn(), people, "alice", "secret")).kind == "failed"
    control(people, "authdomain", "example.test")
    assert run(login.login(conn(), people, "Alice", "secret")).address == ALICE
    client = Client("sha256", "alice", "secret")
    attempt, _ = sasl(conn(), people, "SCRAM-SHA-256", b64encode(client.first()), client.final, b"")
    assert run(attempt).address == ALICE


@pytest.mark.parametrize(
    ("nets", "peer", "is_allowed"),
    [("192.0.2.0/24", "192.0.2.1", True), ("192.0.2.0/24,::1", "198.51.100.1", False), ("2001:db8::/32", "2001:db8::1", True),
     ("rubbish,192.0.2.1", "192.0.2.1", True), ("rubbish", "192.0.2.1", False), ("local", "192.0.2.1", False),
     ("", "192.0.2.1", False), ("local", "", True)],
)  # fmt: skip
def test_allow_nets(home: Home, nets: str, peer: str, is_allowed: bool) -> None:
    passwd(home, f"{ALICE}:{{PLAIN}}secret::::::allow_nets={nets}")
    attempt = login.login(conn(peer), home, ALICE, "secret")
    if is_allowed:
        assert run(attempt).address == ALICE
    else:
        assert refused(attempt).kind == "failed"


def test_users_that_cannot_be_read_are_temporary_trouble(people: Home, logged: list[str]) -> None:
    shutil.rmtree(people.join("users"))
    error = refused(login.login(conn(), people, ALICE, "secret"))
    assert (error.kind, error.smtp) == ("temp", "454 4.7.0")
    assert people.path in logged[0] and people.path not in error.text


def test_apop(people: Home) -> None:
    stamp = "<1896.697170952@mail.example.test>"
    answer = hashlib.md5((stamp + "secret").encode()).hexdigest()
    assert run(login.digest(conn(), people, ALICE, stamp, answer)).address == ALICE
    assert refused(login.digest(conn(), people, ALICE, stamp, "0" * 32)).kind == "failed"
    assert refused(login.digest(conn(), people, "nobody@example.test", stamp, answer)).kind == "failed"
    empty = hashlib.md5(stamp.encode()).hexdigest()
    edit.change(people, ALICE, lambda user: setattr(user, "hash", verify.hashed("secret")))
    for wrong in (answer, empty, "é"):
        assert refused(login.digest(conn(), people, ALICE, stamp, wrong)).kind == "failed"

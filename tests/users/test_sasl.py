"""users.sasl: the examples of the RFCs, and what must be refused."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailkit import clock
from mailkit.control import Home
from mailkit.users import keys, sasl, verify
from mailkit.users.passwd import User
from mailkit.users.prep import prepared
from tests.harness.transcript import FakeTls

NOBODY = keys.Keys(4096, b"0" * 16, b"1" * 32, b"2" * 32)


def started(name: str, *users: User, tls: FakeTls | None = None, offered: list[str] | None = None) -> sasl.Mechanism:
    found = {user.address: user for user in users}
    context = sasl.Context(
        tls, offered if offered is not None else sasl.offered(tls, []), found.get, lambda name, digest: NOBODY
    )
    return sasl.start(name, context)


class Client:
    """The client's side of SCRAM, written from RFC 5802 without a look at ours."""

    def __init__(self, digest: str, name: str, password: str, header: str = "n,,", binding: bytes = b"") -> None:
        self.digest = digest
        self.password = password
        self.header = header
        self.binding = binding
        self.bare = f"n={name},r=rOprNGfwEbeRWgbNEkqO"
        self.server_key = b""
        self.message = b""

    def first(self) -> bytes:
        return (self.header + self.bare).encode()

    def final(self, server_first: bytes) -> bytes:
        fields = dict(part.split("=", 1) for part in server_first.decode().split(","))
        salt = base64.b64decode(fields["s"])
        salted = hashlib.pbkdf2_hmac(self.digest, self.password.encode(), salt, int(fields["i"]))
        client_key = hmac.new(salted, b"Client Key", self.digest).digest()
        self.server_key = hmac.new(salted, b"Server Key", self.digest).digest()
        stored = hashlib.new(self.digest, client_key).digest()
        unproved = f"c={base64.b64encode(self.header.encode() + self.binding).decode()},r={fields['r']}"
        self.message = b",".join([self.bare.encode(), server_first, unproved.encode()])
        signature = hmac.new(stored, self.message, self.digest).digest()
        proof = bytes(a ^ b for a, b in zip(client_key, signature, strict=True))
        return f"{unproved},p={base64.b64encode(proof).decode()}".encode()

    def believes(self, server_final: bytes) -> bool:
        return server_final == b"v=" + base64.b64encode(hmac.new(self.server_key, self.message, self.digest).digest())


def scram(
    name: str, client: Client, *users: User, tls: FakeTls | None = None, offered: list[str] | None = None
) -> sasl.Step:
    server = started(name, *users, tls=tls, offered=offered)
    step = server.step(client.first())
    return server.step(client.final(step.data)) if isinstance(step, sasl.Challenge) else step


@pytest.fixture
def alice() -> User:
    user = User("alice@example.test", "")
    verify.set_password(user, "pencil", 4096)
    return user


# RFC 5802 5 and RFC 7677 3
EXAMPLES = [
    ("SCRAM-SHA-1", "sha1", "fyko+d2lbbFgONRv9qkxdawL", "3rfcNHYJY1ZVvWVs7j", "QSXCR+Q6sek8bf92",
     "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
     "v=rmF9pqV8S7suAoZWja4dJRkFsKQ="),
    ("SCRAM-SHA-256", "sha256", "rOprNGfwEbeRWgbNEkqO", "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
     "W22ZaJ0SNY7soEsUEjb6gQ==",
     "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
     "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="),
]  # fmt: skip


@pytest.mark.parametrize(("name", "digest", "nonce", "ours", "salt", "final", "verifier"), EXAMPLES)
def test_example_of_the_rfc(
    monkeypatch: pytest.MonkeyPatch, name: str, digest: str, nonce: str, ours: str, salt: str, final: str, verifier: str
) -> None:
    made = keys.derive(b"pencil", digest, base64.b64decode(salt), 4096)
    user = User("user", f"{{{name}}}{made.text()}")
    monkeypatch.setattr(clock, "token", lambda octets: ours)
    server = started(name, user)
    assert isinstance(server.step(None), sasl.Challenge)
    step = server.step(f"n,,n=user,r={nonce}".encode())
    assert isinstance(step, sasl.Challenge) and step.data == f"r={nonce}{ours},s={salt},i=4096".encode()
    step = server.step(final.encode())
    assert isinstance(step, sasl.Success)
    assert (step.user, step.data) == (user, verifier.encode())


@pytest.mark.parametrize(("name", "digest"), [("SCRAM-SHA-1", "sha1"), ("SCRAM-SHA-256", "sha256")])
def test_scram_with_stored_keys(alice: User, name: str, digest: str) -> None:
    client = Client(digest, "alice@example.test", "pencil")
    step = scram(name, client, alice)
    assert isinstance(step, sasl.Success) and step.user is alice
    assert client.believes(step.data)
    step = scram(name, Client(digest, "alice@example.test", "pencils"), alice)
    assert isinstance(step, sasl.Failure) and step.name == "alice@example.test"


@pytest.mark.parametrize("hash", ["{PLAIN}pencil", "{CLEARTEXT}pencil"])
def test_scram_from_a_plain_password(hash: str) -> None:
    user = User("alice@example.test", hash)
    assert isinstance(scram("SCRAM-SHA-256", Client("sha256", "alice@example.test", "pencil"), user), sasl.Success)
    assert isinstance(scram("SCRAM-SHA-256", Client("sha256", "alice@example.test", "x"), user), sasl.Failure)


@pytest.mark.parametrize(
    "hash", ["{SSHA}x", "", "{SCRAM-SHA-256}rubbish", "{SCRAM-SHA-1}4096,AA==,AA==,AA==", "{PLAIN}"]
)
def test_user_without_keys_looks_like_no_user(hash: str) -> None:
    user = User("alice@example.test", hash)
    for users in ([user], []):
        server = started("SCRAM-SHA-256", *users)
        client = Client("sha256", "alice@example.test", "")
        step = server.step(client.first())
        assert isinstance(step, sasl.Challenge) and b",s=MDAwMDAwMDAwMDAwMDAwMA==,i=4096" in step.data
        step = server.step(client.final(step.data))
        assert isinstance(step, sasl.Failure) and not step.is_syntax
        assert step.reason == ("keys" if users else "user")  # for the log only


def test_pretended_keys_are_the_same_each_time(home: Home) -> None:
    one, two = keys.pretended(home, "a@x.test", "sha256", 4096), keys.pretended(home, "a@x.test", "sha256", 4096)
    assert one.text() == two.text()
    assert keys.pretended(home, "b@x.test", "sha256", 4096).salt != one.salt
    assert keys.pretended(home, "a@x.test", "sha1", 4096).salt != one.salt  # as with the keys of a user
    assert keys.pretended(home, "A@X.Test", "sha256", 4096).text() == one.text()  # whom every spelling finds


def test_pretended_keys_on_a_disk_that_refuses(home: Home) -> None:
    os.rmdir(home.run)
    Path(home.run).write_text("no directory")
    one, two = keys.pretended(home, "a@x.test", "sha1", 4096), keys.pretended(home, "a@x.test", "sha1", 4096)
    assert one.text() == two.text()


TLS = FakeTls(bindings={"tls-server-end-point": b"certificate", "tls-exporter": b"exported"})
PLUS = ("SCRAM-SHA-256-PLUS", "sha256", "alice@example.test", "pencil")


@pytest.mark.parametrize(
    ("header", "binding"), [("p=tls-server-end-point,,", b"certificate"), ("p=tls-exporter,,", b"exported")]
)
@pytest.mark.parametrize(("name", "digest"), [("SCRAM-SHA-1-PLUS", "sha1"), ("SCRAM-SHA-256-PLUS", "sha256")])
def test_channel_binding(alice: User, name: str, digest: str, header: str, binding: bytes) -> None:
    client = Client(digest, "alice@example.test", "pencil", header, binding)
    step = scram(name, client, alice, tls=TLS)
    assert isinstance(step, sasl.Success) and client.believes(step.data)


@pytest.mark.parametrize(
    ("name", "header", "binding", "offered", "reason"),
    [
        ("SCRAM-SHA-256-PLUS", "p=tls-exporter,,", b"somebody in between", None, "do not match"),
        ("SCRAM-SHA-256-PLUS", "p=tls-unique,,", b"certificate", None, "unsupported"),
        ("SCRAM-SHA-256-PLUS", "p=,,", b"", None, "unsupported"),
        ("SCRAM-SHA-256-PLUS", "n,,", b"", None, "do not agree"),
        ("SCRAM-SHA-256-PLUS", "y,,", b"", None, "do not agree"),
        ("SCRAM-SHA-256", "p=tls-exporter,,", b"exported", None, "do not agree"),
        ("SCRAM-SHA-256", "y,,", b"", None, "downgrade"),
        ("SCRAM-SHA-256", "n,,", b"exported", None, "do not match"),
        ("SCRAM-SHA-256", "n,a=bob@example.test,", b"", None, "somebody else"),
    ],
)
def test_refused_binding(
    alice: User, name: str, header: str, binding: bytes, offered: list[str] | None, reason: str
) -> None:
    step = scram(name, Client("sha256", "alice@example.test", "pencil", header, binding), alice, tls=TLS)
    assert isinstance(step, sasl.Failure) and reason in step.reason


def test_client_that_could_bind_is_let_in_where_we_do_not_offer_it(alice: User) -> None:
    client = Client("sha256", "alice@example.test", "pencil", "y,,")
    assert isinstance(scram("SCRAM-SHA-256", client, alice, offered=["SCRAM-SHA-256"]), sasl.Success)


def test_own_name_as_identity(alice: User) -> None:
    client = Client("sha256", "alice@example.test", "pencil", "n,a=Alice@Example.Test,")
    assert isinstance(scram("SCRAM-SHA-256", client, alice), sasl.Success)


def test_comma_and_equals_sign_in_a_name() -> None:
    user = User("a,b=c@example.test", "{PLAIN}pencil")
    assert isinstance(scram("SCRAM-SHA-256", Client("sha256", "a=2Cb=3Dc@example.test", "pencil"), user), sasl.Success)


@pytest.mark.parametrize(
    "first",
    [
        b"", b"n", b"n,,", b"n,,r=abc,n=alice", b"n,,n=alice", b"n,,n=alice,r=", b"n,,m=x,n=alice,r=a", b"x,,n=a,r=b",
        b"n,b=c,n=a,r=b", b"n,,n=,r=b", b"n,,n=a=2cb,r=b", b"n,,n=a=b,r=b", b"\xff", b"n,,n=a\x01,r=b",
    ],
)  # fmt: skip
def test_malformed_client_first(first: bytes) -> None:
    step = started("SCRAM-SHA-256").step(first)
    assert isinstance(step, sasl.Failure) and step.is_syntax


@pytest.mark.parametrize(
    ("old", "new", "is_syntax"),
    [
        (b"r=rOpr", b"r=xxxx", False), (b"c=biws", b"c=eSws", False), (b",p=", b",q=", True), (b"c=", b"d=", True),
        (b"c=biws", b"c=b", True), (b",r=", b",x=", False),
    ],
)  # fmt: skip
def test_meddled_client_final(alice: User, old: bytes, new: bytes, is_syntax: bool) -> None:
    server = started("SCRAM-SHA-256", alice)
    client = Client("sha256", "alice@example.test", "pencil")
    step = server.step(client.first())
    assert isinstance(step, sasl.Challenge)
    final = client.final(step.data)
    assert old in final
    step = server.step(final.replace(old, new, 1))
    assert isinstance(step, sasl.Failure) and step.is_syntax == is_syntax


@pytest.mark.parametrize("proof", [b"", b"AAAA", b"%%%", b"A"])
def test_proof_of_the_wrong_shape(alice: User, proof: bytes) -> None:
    server = started("SCRAM-SHA-256", alice)
    client = Client("sha256", "alice@example.test", "pencil")
    step = server.step(client.first())
    assert isinstance(step, sasl.Challenge)
    final = client.final(step.data).rpartition(b"p=")[0] + b"p=" + proof
    assert isinstance(server.step(final), sasl.Failure)


@given(st.lists(st.binary(max_size=60), max_size=3), st.sampled_from(list(sasl.MECHANISMS)))
def test_no_response_breaks_a_mechanism(responses: list[bytes], name: str) -> None:
    mechanism = started(name, User("alice@example.test", "{PLAIN}x"), tls=TLS)
    for response in responses:
        step = mechanism.step(response)
        if not isinstance(step, sasl.Challenge):
            assert not isinstance(step, sasl.Success)
            return


def test_plain() -> None:
    assert isinstance(started("PLAIN").step(None), sasl.Challenge)
    for message in (b"\0alice@x.test\0p w", b"alice@x.test\0alice@x.test\0p w", b"ALICE@x.test\0alice@x.test\0p w"):
        step = started("PLAIN").step(message)
        assert isinstance(step, sasl.Password) and (step.name, step.password) == ("alice@x.test", "p w")


@pytest.mark.parametrize("message", [b"", b"alice", b"a\0b", b"\0\0", b"\0a\0", b"\0\0b", b"a\0b\0c\0d", b"\0a\0\xff"])
def test_malformed_plain(message: bytes) -> None:
    step = started("PLAIN").step(message)
    assert isinstance(step, sasl.Failure) and step.is_syntax


def test_plain_for_somebody_else_is_refused() -> None:
    step = started("PLAIN").step(b"bob@x.test\0alice@x.test\0secret")
    assert isinstance(step, sasl.Failure) and not step.is_syntax


def test_login() -> None:
    for initial in (None, b"alice@x.test"):
        mechanism = started("LOGIN")
        step = mechanism.step(initial)
        if initial is None:
            assert isinstance(step, sasl.Challenge) and step.data == b"Username:"
            step = mechanism.step(b"alice@x.test")
        assert isinstance(step, sasl.Challenge) and step.data == b"Password:"
        step = mechanism.step(b"secret")
        assert isinstance(step, sasl.Password) and (step.name, step.password) == ("alice@x.test", "secret")


@pytest.mark.parametrize("text", [b"", b"\xff", b"a\0b"])
def test_malformed_login(text: bytes) -> None:
    for responses in ([text], [b"alice", text]):
        mechanism = started("LOGIN")
        steps = [mechanism.step(response) for response in responses]
        last = steps[-1]
        assert isinstance(last, sasl.Failure) and last.is_syntax


def certificate(*addresses: str) -> bytes:
    import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, "Alice")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(datetime.datetime(2026, 1, 1))
    builder = builder.not_valid_after(datetime.datetime(2036, 1, 1))
    if addresses:
        entries = x509.SubjectAlternativeName([x509.RFC822Name(address) for address in addresses])
        builder = builder.add_extension(entries, critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def external(message: bytes, cert: bytes | None, *users: User) -> sasl.Step:
    mechanism = started("EXTERNAL", *users, tls=FakeTls(client_cert=cert))
    return mechanism.step(message)


def test_external_by_address() -> None:
    alice, bob = User("alice@example.test"), User("bob@example.test")
    one = certificate("Alice@Example.test")
    for message in (b"", b"alice@example.test"):
        step = external(message, one, alice, User("Alice@Example.test"))
        assert isinstance(step, sasl.Success) and sasl.same_name(step.user.address, "alice@example.test")
    assert isinstance(external(b"bob@example.test", one, alice, bob), sasl.Failure)
    assert isinstance(external(b"nobody@example.test", one, alice), sasl.Failure)
    assert isinstance(external(b"\xff", one, alice), sasl.Failure)
    both = certificate("alice@example.test", "bob@example.test")
    assert isinstance(external(b"", both, alice, bob), sasl.Failure)
    step = external(b"bob@example.test", both, alice, bob)
    assert isinstance(step, sasl.Success) and step.user is bob
    for useless in (certificate(), b"rubbish"):
        assert isinstance(external(b"", useless, alice), sasl.Failure)
        assert isinstance(external(b"alice@example.test", useless, alice), sasl.Failure)


def test_external_by_fingerprint() -> None:
    one, other = certificate(), certificate("alice@example.test")
    digest = hashlib.sha256(one).hexdigest()
    colons = ":".join(digest[i : i + 2] for i in range(0, 64, 2)).upper()
    for text in (digest, colons, f"00,{digest}"):
        user = User("alice@example.test", fields={"cert": text})
        assert isinstance(external(b"alice@example.test", one, user), sasl.Success)
        assert isinstance(external(b"alice@example.test", other, user), sasl.Failure)
    user = User("alice@example.test", fields={"cert": ""})
    assert isinstance(external(b"alice@example.test", other, user), sasl.Failure)


def test_external_without_certificate() -> None:
    assert isinstance(external(b"alice@example.test", None, User("alice@example.test")), sasl.Failure)
    assert isinstance(started("EXTERNAL", tls=None).step(b""), sasl.Failure)


def test_what_is_offered() -> None:
    simple = ["SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN", "LOGIN"]
    assert sasl.offered(None, []) == simple
    assert sasl.offered(TLS, []) == [
        "SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-1", "PLAIN", "LOGIN",
    ]  # fmt: skip
    assert sasl.offered(FakeTls(client_cert=b"x"), ["PLAIN", "EXTERNAL", "NONSENSE"]) == ["EXTERNAL", "PLAIN"]


def test_binding_is_offered_where_clients_can_use_it() -> None:
    """Without tls-exporter a client that takes -PLUS would fail; who wants it all the same names it."""
    tls = FakeTls(bindings={"tls-server-end-point": b"certificate"})
    assert sasl.offered(tls, []) == ["SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN", "LOGIN"]
    assert sasl.offered(tls, ["SCRAM-SHA-256-PLUS", "PLAIN"]) == ["SCRAM-SHA-256-PLUS", "PLAIN"]
    assert sasl.offered(None, ["SCRAM-SHA-256-PLUS", "PLAIN"]) == ["PLAIN"]


# RFC 4013 3
@pytest.mark.parametrize(
    ("text", "result"),
    [("I\u00adX", "IX"), ("user", "user"), ("USER", "USER"), ("\u00aa", "a"), ("\u2168", "IX"), ("\u00a0", " "),
     ("\U0001f511", "\U0001f511"), ("\u05d0\u05d1", "\u05d0\u05d1")],
)  # fmt: skip
def test_saslprep(text: str, result: str) -> None:
    assert prepared(text) == result


@pytest.mark.parametrize("text", ["\x07", "é\x07", "\u0627\u0031", "a\u0627", "\u0627a\u0627", "é\ue000", "\ud800"])
def test_saslprep_refuses(text: str) -> None:
    with pytest.raises(ValueError):
        prepared(text)


@given(st.text(max_size=10))
def test_saslprep_is_stable(text: str) -> None:
    try:
        once = prepared(text)
    except ValueError:
        return
    assert prepared(once) == once

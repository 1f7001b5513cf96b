"""TLS is the same with Python's ssl module and with pyOpenSSL, which alone gives the channel binding tls-exporter."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mailkit.control import Home
from mailkit.net import tls
from mailkit.net.certificates import Certificates
from mailkit.setup.certificate import self_signed
from tests.harness import programs
from tests.net.test_drivers import Start, certify, echo, either_library, home, library, receive, start

__all__ = ["home", "library", "start"]


def client(**settings: Any) -> ssl.SSLContext:
    """A client's context that believes everybody."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    for name, value in settings.items():
        setattr(context, name, value)
    return context


async def facts(conn: Any) -> None:
    """Tells the client of its connection, then echoes."""
    binding = conn.tls.binding("tls-exporter")
    words = (conn.tls.version, conn.tls.cipher, conn.tls.sni or "-", binding.hex() if binding else "-")
    conn.write(" ".join(words).encode() + b"\r\n")
    await echo(conn)


def told(end: Any) -> list[str]:
    """What `facts` says."""
    data = b""
    while not data.endswith(b"\n"):
        octet = end.recv(1)
        if not octet:
            raise EOFError
        data += octet
    return data.decode().split()


@either_library
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_facts_of_a_handshake(start: Start, library: str, version: ssl.TLSVersion) -> None:
    there = start(facts, implicit_tls=True)
    with client(maximum_version=version).wrap_socket(there.client, server_hostname="Other.Example.test") as end:
        *words, binding = told(end)
        assert end.cipher() and words == [end.version(), end.cipher()[0], "other.example.test"]
    assert len(binding) == (64 if (library, version) == ("pyOpenSSL", ssl.TLSVersion.TLSv1_3) else 1)


@either_library
def test_openssl_exports_the_same_and_changes_keys(start: Start, library: str) -> None:
    """And after a KeyUpdate that asks for one of ours (K) both sides go on."""
    async def session(conn: Any) -> None:
        conn.write(b"+OK\r\n")
        assert await conn.more() == b"STLS\r\n"
        conn.write(b"+OK\r\n")
        await conn.starttls()
        await facts(conn)

    command = [programs.need("openssl"), "s_client", "-starttls", "pop3", "-keymatexportlen", "32"]
    command += ["-keymatexport", "EXPORTER-Channel-Binding"]
    ours, theirs = socket.socketpair()
    with ours, socket.create_server(("127.0.0.1", 0)) as listening:
        command += ["-connect", f"localhost:{listening.getsockname()[1]}"]
        process = subprocess.Popen(command, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0)
        theirs.close()
        there = start(session, ends=(ours.dup(), listening.accept()[0]))
        output = b""

        def until(pattern: bytes) -> bytes:
            nonlocal output
            assert process.stdout is not None
            while not (found := re.search(pattern, output)):
                data = process.stdout.read(4096)
                assert data, output
                output += data
            return found[1]

        with process:
            exported = until(rb"Keying material: (\w+)\n")
            said = until(rb"\nTLSv1.3 \S+ \S+ (\S+)\r\n")
            ours.sendall(b"K\n")
            until(b"(KEYUPDATE)")
            ours.sendall(b"hello\n")
            until(b"(HELLO)\n")
            ours.sendall(b"Q\n")
    there.end()
    assert said == (exported.lower() if library == "pyOpenSSL" else b"-")


@either_library
def test_each_connection_has_a_binding_of_its_own(start: Start, library: str) -> None:
    context, bindings, session = client(), [], None
    for _ in range(2):
        there = start(facts, implicit_tls=True, of_one_server=True)
        with context.wrap_socket(there.client, server_hostname="x.test", session=session) as end:
            bindings.append(told(end)[-1])
            end.sendall(b"x")
            assert receive(end, 1) == b"X"
            was_reused, session = end.session_reused, end.session
    assert was_reused, "the session was not resumed"
    assert (bindings[0] == bindings[1]) == (library == "ssl")


@either_library
def test_client_certificates(start: Start, home: Home, tmp_path: Path, lines: list[str]) -> None:
    """EXTERNAL sees those of our CAs, also when the session is resumed; others do not get in at all."""
    seen: list[bytes | None] = []

    async def session(conn: Any) -> None:
        seen.append(conn.tls.client_cert)
        await facts(conn)

    der = {}
    for name in ("known", "unknown"):
        chain, key = self_signed(f"{name}.example.test")
        (tmp_path / f"{name}.pem").write_bytes(chain + key)
        der[name] = ssl.PEM_cert_to_DER_cert(chain.decode())
    Path(home.join("tls", "clients.pem")).write_bytes((tmp_path / "known.pem").read_bytes())
    context, earlier = client(), None
    for _ in range(2):
        there = start(session, implicit_tls=True, of_one_server=True)
        context.load_cert_chain(tmp_path / "known.pem")
        with context.wrap_socket(there.client, session=earlier) as end:
            told(end)
            earlier = end.session
    assert seen == [der["known"]] * 2
    with client().wrap_socket(start(session, implicit_tls=True).client) as end:
        told(end)
    assert seen[2:] == [None]
    context = client()
    context.load_cert_chain(tmp_path / "unknown.pem")
    there = start(session, implicit_tls=True)
    with pytest.raises((OSError, EOFError)), context.wrap_socket(there.client) as end:
        told(end)
    there.end()
    assert len(seen) == 3
    assert any(line.startswith("tls ") and "[SSL: CERTIFICATE_VERIFY_FAILED] certificate" in line for line in lines)


@either_library
def test_much_in_both_directions(start: Start) -> None:
    there = start(facts, implicit_tls=True)
    with client().wrap_socket(there.client) as end:
        told(end)
        for size in (1, 16383, 16384, 16385, 100000, 1):
            data = bytes(65 + i % 26 for i in range(size))
            end.sendall(data.lower())
            assert receive(end, size) == data


@either_library
def test_a_big_answer_reaches_a_slow_reader(start: Start) -> None:
    async def session(conn: Any) -> None:
        for i in range(100):
            conn.write(bytes([i]) * 50000)
            await conn.flush()

    there = start(session, implicit_tls=True)
    with client().wrap_socket(there.client) as end:
        assert receive(end, 5_000_000) == b"".join(bytes([i]) * 50000 for i in range(100))


@either_library
def test_a_hello_in_pieces(start: Start) -> None:
    there = start(facts, implicit_tls=True)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    end = client().wrap_bio(incoming, outgoing, server_hostname="pieces.example.test")
    with pytest.raises(ssl.SSLWantReadError):
        end.do_handshake()
    hello = outgoing.read()
    for i in range(len(hello)):
        there.client.sendall(hello[i : i + 1])
    while (came := there.client.recv(65536)):
        incoming.write(came)
        with contextlib.suppress(ssl.SSLWantReadError):
            end.do_handshake()
            break
    there.client.sendall(outgoing.read())
    data = b""
    while b"\n" not in data and (came := there.client.recv(65536)):
        incoming.write(came)
        with contextlib.suppress(ssl.SSLWantReadError):
            data += end.read(1000)
    assert data.split()[2] == b"pieces.example.test"


@either_library
@pytest.mark.parametrize(
    "octets", [b"EHLO client.example.test\r\n", b"\x16\x03\x01\x00\x05\x02\x00\x00\x01\x00", b"\0" * 100]
)
def test_what_is_no_hello_is_one_log_line(start: Start, lines: list[str], octets: bytes) -> None:
    there = start(facts, implicit_tls=True)
    there.client.sendall(octets)
    with contextlib.suppress(OSError):
        while there.client.recv(1000):
            pass
    there.end()
    assert [line.split()[0] for line in lines] == ["connect", "tls", "close"]
    assert 'error="[SSL: ' in lines[1]


@either_library
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1")
def test_old_versions_are_refused(start: Start, lines: list[str]) -> None:
    there = start(facts, implicit_tls=True)
    old = client(minimum_version=ssl.TLSVersion.MINIMUM_SUPPORTED, maximum_version=ssl.TLSVersion.TLSv1_1)
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises(OSError):
        old.wrap_socket(there.client)
    there.end()
    assert sum(line.startswith("tls ") for line in lines) == 1


@either_library
def test_a_certificate_that_does_not_load_fails_its_own_clients_only(start: Start, home: Home) -> None:
    certify(home, "broken.example.test")
    Path(home.join("tls", "broken.example.test", "cert.pem")).write_text("rubbish")
    there = start(facts, implicit_tls=True)
    with pytest.raises(OSError):
        client().wrap_socket(there.client, server_hostname="broken.example.test")
    with client().wrap_socket(start(facts, implicit_tls=True).client, server_hostname="mail.example.test") as end:
        assert told(end)[2] == "mail.example.test"


@either_library
@pytest.mark.parametrize("start", ["loop"], indirect=True)  # the other driver says it by closing alone
def test_the_end_is_said(start: Start) -> None:
    async def session(conn: Any) -> None:
        conn.write(b"bye")

    there = start(session, implicit_tls=True)
    with client().wrap_socket(there.client, suppress_ragged_eofs=False) as end:
        assert receive(end, 3) == b"bye"
        assert end.recv(1) == b""


@either_library
def test_the_client_may_say_the_end(start: Start) -> None:
    seen: list[bytes] = []

    async def session(conn: Any) -> None:
        conn.write(b"hi")
        while data := await conn.more():
            seen.append(data)

    there = start(session, implicit_tls=True)
    end = client().wrap_socket(there.client)
    receive(end, 2)
    end.sendall(b"last words")
    with contextlib.suppress(OSError):
        end.unwrap()
    end.close()
    there.end()
    assert b"".join(seen) == b"last words"


def test_the_other_library_takes_the_same_ciphers(home: Home) -> None:
    exporter = pytest.importorskip("mailkit.net.exporter")
    Path(home.join("control", "channelbinding")).write_text("yes\n")
    context = Certificates(home).server()
    assert isinstance(context, exporter.ExporterContext)
    taken = exporter.SSL.Connection(context.made).get_cipher_list()
    wanted = [cipher["name"] for cipher in context.get_ciphers()]
    assert [name for name in taken if not name.startswith("TLS_")] == [
        name for name in wanted if not name.startswith("TLS_")
    ]
    assert set(taken) == set(wanted)


def test_channelbinding_is_seen_without_a_restart(home: Home) -> None:
    exporter = pytest.importorskip("mailkit.net.exporter")
    certificates = Certificates(home)
    for flag in ("yes", "no", "yes"):
        Path(home.join("control", "channelbinding")).write_text(f"{flag}\n")
        assert isinstance(certificates.server(), exporter.ExporterContext) == (flag == "yes")


def test_channelbinding_without_pyopenssl(home: Home, monkeypatch: pytest.MonkeyPatch, lines: list[str]) -> None:
    monkeypatch.delitem(sys.modules, "mailkit.net.exporter", raising=False)
    monkeypatch.setitem(sys.modules, "OpenSSL", None)
    Path(home.join("control", "channelbinding")).write_text("yes\n")
    assert type(Certificates(home).server()) is tls.Context
    assert [line for line in lines if line.startswith("tls ") and "mailkit[channelbinding]" in line]

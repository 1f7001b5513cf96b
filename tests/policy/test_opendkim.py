"""The milter client against a real milter: OpenDKIM signs what users submit, and its verdict on what arrives is kept."""

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import programs
from tests.harness.transcript import FakeTls
from tests.smtp.worlds import codes, queued, talk, world

pytestmark = pytest.mark.neighbour

LOGIN = b"EHLO client.example.net\r\nAUTH PLAIN AGFsaWNlQGV4YW1wbGUudGVzdABzZWNyZXQ=\r\n"
TEXT = b"From: alice@example.test\nTo: bob@example.test\nSubject: signed\n\nhello\n"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[str]:
    """Where an OpenDKIM with a key for example.test listens."""
    opendkim, openssl = programs.need("opendkim"), programs.need("openssl")
    key = tmp_path / "key.pem"
    subprocess.run([openssl, "genrsa", "-out", key, "2048"], check=True, capture_output=True)
    public = subprocess.run([openssl, "rsa", "-in", key, "-pubout"], check=True, capture_output=True, text=True).stdout
    record = "".join(line for line in public.splitlines() if not line.startswith("-"))
    (tmp_path / "keys").write_text(f"mail._domainkey.example.test v=DKIM1; k=rsa; p={record}\n")
    with socket.create_server(("127.0.0.1", 0)) as end:
        port = end.getsockname()[1]
    (tmp_path / "conf").write_text(
        f"Mode sv\nDomain example.test\nSelector mail\nKeyFile {key}\nTestPublicKeys {tmp_path}/keys\n"
        f"Socket inet:{port}@127.0.0.1\nInternalHosts 203.0.113.1\nRequireSafeKeys no\nSyslog no\n"
        "AuthservID mail.example.test\nAlwaysAddARHeader yes\nCanonicalization relaxed/simple\n"
    )
    process = subprocess.Popen([opendkim, "-f", "-x", tmp_path / "conf"], stderr=subprocess.PIPE)
    try:
        assert answers(port, process), process.stderr and process.stderr.read()
        yield f"inet:127.0.0.1:{port}"
    finally:
        process.terminate()
        process.communicate(timeout=20)


def answers(port: int, process: subprocess.Popen[bytes]) -> bool:
    pause = threading.Event()
    for _ in range(400):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return True
        except OSError:
            if process.poll() is not None:
                return False
            pause.wait(0.05)
    return False


def test_opendkim_signs_and_verifies(place: str, tmp_path: Path) -> None:
    home = world(tmp_path / "home", {"policy": ["milter must"], "milters": [place]})
    wire = TEXT.replace(b"\n", b"\r\n") + b".\r\n"
    envelope = b"MAIL FROM:<alice@example.test>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n"
    conn = talk(home, LOGIN, envelope, wire, b"QUIT\r\n", service="submission", tls=FakeTls())
    assert codes(conn)[-2:] == ["250", "221"], conn.output
    ((_, signed),) = queued(home)
    assert signed.count(b"\nDKIM-Signature: v=1;") == 1 and b"d=example.test" in signed
    assert signed.index(b"Received:") < signed.index(b"DKIM-Signature:") < signed.index(b"From:")
    (path,) = Path(home.queue, "ready").iterdir()
    path.unlink()

    forged = b"Authentication-Results: mail.example.test; dkim=pass header.d=forged\n"
    again = (forged + signed).replace(b"\n", b"\r\n") + b".\r\n"
    conn = talk(home, b"EHLO mx.example.net\r\n", envelope, again, b"QUIT\r\n")
    assert codes(conn)[-2:] == ["250", "221"], conn.output
    ((_, verified),) = queued(home)
    assert b"dkim=pass" in verified and b"header.d=example.test" in verified
    assert b"header.d=forged" not in verified

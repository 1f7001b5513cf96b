"""IMAP load: one operation on one session, or many logins.

    python3 -m load.imap HOST PORT USER PASSWORD OPERATION [--count N] [--sessions N] [--maildir DIR] [--tls]

Operations: select, the FETCHes and SEARCHes of COMMANDS, store, append, copy, move, expunge, status, list-status,
login, resync, idle. `resync` comes back --count times after CHANGES changes of another session. `idle` renames messages
into DIR/new while the session is in IDLE and times the EXISTS. For `login` USER holds a printf integer. Every operation
gives `items`, `per_s` and `ms`.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import select
import socket
import threading
import time

import measure

COMMANDS = {
    "fetch-flags": b"FETCH 1:* (UID FLAGS)",
    "fetch-envelopes": b"FETCH 1:* (UID FLAGS ENVELOPE BODYSTRUCTURE INTERNALDATE RFC822.SIZE)",
    "fetch-headers": b"UID FETCH 1:* BODY.PEEK[HEADER.FIELDS (FROM TO SUBJECT DATE)]",
    "fetch-bodies": b"UID FETCH 1:* BODY.PEEK[]",
    "search-flags": b"SEARCH UNSEEN",
    "search-header": b"SEARCH HEADER SUBJECT xylophone",
    "search-body": b"SEARCH BODY quixotic",
    "search-phrase": b'SEARCH BODY "day is quixotic"',
    "search-frequent": b"SEARCH BODY government",
    "search-text": b"SEARCH TEXT quixotic",
    "sort-date": b"SORT (DATE) UTF-8 ALL",
    "thread-references": b"THREAD REFERENCES UTF-8 ALL",
}
_TARGET = b"target"
_STATUS = b"(MESSAGES UIDNEXT UIDVALIDITY UNSEEN)"
CHANGES = 100
_GAP_S = 0.8  # between two messages of `idle`: Dovecot gathers what comes within half a second


class Imap:
    """A blocking client that counts octets and responses, and parses little."""

    def __init__(self, options: argparse.Namespace, user: str) -> None:
        self.socket = socket.create_connection((options.host, options.port), timeout=300)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if options.tls:
            self.socket = measure.client_tls().wrap_socket(self.socket)
        self.buffer = bytearray()
        self.at = 0
        self.tags = 0
        self.octets = 0
        self.line()
        self.command(f'LOGIN "{user}" "{options.password}"'.encode())

    def _more(self) -> None:
        del self.buffer[: self.at]
        self.at = 0
        data = self.socket.recv(262144)
        if not data:
            raise ConnectionError("closed")
        self.buffer += data
        self.octets += len(data)

    def line(self) -> bytes:
        """One response; the octets of literals stay in it."""
        seen = 0  # octets of this response already looked at
        while True:
            end = self.buffer.find(b"\n", self.at + seen)
            if end < 0:
                seen = len(self.buffer) - self.at
                self._more()
                continue
            literal = _literal(self.buffer, self.at + seen, end)
            if literal is None:
                response = bytes(self.buffer[self.at : end + 1])
                self.at = end + 1
                return response
            seen = end + 1 - self.at + literal
            while len(self.buffer) - self.at < seen:
                self._more()

    def waiting(self) -> bool:
        """Is there a response to read?"""
        return self.at < len(self.buffer) or bool(select.select([self.socket], [], [], 0)[0])

    def send(self, words: bytes) -> bytes:
        """Send a command; its tag."""
        self.tags += 1
        tag = b"a%d" % self.tags
        self.socket.sendall(tag + b" " + words + b"\r\n")
        return tag

    def finish(self, tag: bytes, keep: list[bytes] | None = None) -> int:
        """Read to the tagged response, which must be OK; how many untagged ones came."""
        responses = 0
        while True:
            line = self.line()
            if line.startswith(tag + b" "):
                if not line[len(tag) + 1 :].upper().startswith(b"OK"):
                    raise ConnectionError(repr(line))
                return responses
            responses += 1
            if keep is not None:
                keep.append(line)

    def skim(self, tag: bytes) -> None:
        """Read to the tagged response, which must be OK, without looking at what comes before it: half a million
        lines would cost this client more than they cost any server."""
        tail = b""
        while not (tail.endswith(b"\r\n") and tail.startswith(tag + b" ", tail.rfind(b"\n", 0, -1) + 1)):
            data = self.socket.recv(262144)
            if not data:
                raise ConnectionError("closed")
            self.octets += len(data)
            tail = (tail + data)[-1000:]
        if not tail[tail.rfind(b"\n", 0, -1) + len(tag) + 2 :].upper().startswith(b"OK"):
            raise ConnectionError(repr(tail))

    def command(self, words: bytes, keep: list[bytes] | None = None) -> int:
        return self.finish(self.send(words), keep)

    def select(self, box: str, parameters: str = "", keep: list[bytes] | None = None) -> int:
        """SELECT; the number of messages."""
        lines: list[bytes] = [] if keep is None else keep
        self.command(f'SELECT "{box}"{parameters}'.encode(), lines)
        return next(int(line.split()[1]) for line in lines if line.upper().rstrip().endswith(b"EXISTS"))

    def close(self) -> None:
        self.command(b"LOGOUT")
        self.socket.close()


def _literal(buffer: bytearray, start: int, end: int) -> int | None:
    """Octets of the literal that the line from `start` to the LF at `end` announces."""
    if buffer[end - 2 : end - 1] != b"}":
        return None
    digits = bytes(buffer[buffer.rfind(b"{", start, end) + 1 : end - 2]).rstrip(b"+")
    return int(digits) if digits.isdigit() else None


def timed(client: Imap, exists: int, options: argparse.Namespace) -> int:
    """One command of COMMANDS over the whole mailbox."""
    client.skim(client.send(COMMANDS[options.operation]))
    return exists


def store(client: Imap, exists: int, options: argparse.Namespace) -> int:
    client.command(b"STORE 1:* +FLAGS.SILENT (\\Flagged)")
    client.command(b"STORE 1:* -FLAGS.SILENT (\\Flagged)")
    return 2 * exists


def append(client: Imap, exists: int, options: argparse.Namespace) -> int:
    head = b"From: <load@bench.example>\r\nSubject: appended\r\nMessage-ID: <%d@bench.example>\r\n\r\n"
    for number in range(options.count):
        message = head % number + b"0123456789 abcdefghijklmnopqrstuvwxyz 0123456789 ABCDEFGHIJKLMNOPQRST\r\n" * 55
        tag = client.send(b"APPEND %s {%d}" % (_TARGET, len(message)))
        client.line()
        client.socket.sendall(message + b"\r\n")
        client.finish(tag)
    return options.count


def copy(client: Imap, exists: int, options: argparse.Namespace) -> int:
    count = min(exists, options.count)
    client.command(b"%s 1:%d %s" % (options.operation.upper().encode(), count, _TARGET))
    return count


def expunge(client: Imap, exists: int, options: argparse.Namespace) -> int:
    client.command(b"STORE 1:%d +FLAGS.SILENT (\\Deleted)" % min(exists, options.count))
    return client.command(b"EXPUNGE")


def status(client: Imap, exists: int, options: argparse.Namespace) -> int:
    lines: list[bytes] = []
    client.command(b'LIST "" "box*"', lines)
    names = [line.split()[-1] for line in lines if line.startswith(b"* LIST")]
    for name in names:
        client.command(b"STATUS " + name + b" " + _STATUS)
    return len(names)


def list_status(client: Imap, exists: int, options: argparse.Namespace) -> int:
    lines: list[bytes] = []
    client.command(b'LIST "" "box*" RETURN (STATUS ' + _STATUS + b")", lines)
    return sum(line.startswith(b"* STATUS") for line in lines)


OPERATIONS = {
    **dict.fromkeys(COMMANDS, timed),
    "store": store, "append": append, "copy": copy, "move": copy, "expunge": expunge, "status": status,
    "list-status": list_status,
}  # fmt: skip


def one(options: argparse.Namespace) -> dict[str, object]:
    """One operation on a selected mailbox."""
    client = Imap(options, options.user)
    if options.operation in ("append", "copy", "move"):
        client.command(b"CREATE " + _TARGET)
    started = time.perf_counter()
    exists = client.select(options.box)
    before = client.octets
    selected = time.perf_counter()
    items = exists
    if options.operation != "select":
        items = OPERATIONS[options.operation](client, exists, options)
        taken_s = time.perf_counter() - selected
    else:
        taken_s = selected - started
    octets = client.octets - before
    client.close()
    return {"items": items, "ms": 1000 * taken_s, "per_s": items / taken_s, "mb_per_s": octets / taken_s / 1e6}


def idle(options: argparse.Namespace) -> dict[str, object]:
    """Milliseconds from the rename into new/ to the EXISTS, the median of --count."""
    client = Imap(options, options.user)
    client.select(options.box)
    tag = client.send(b"IDLE")
    client.line()
    latencies = []
    for number in range(options.count):
        time.sleep(_GAP_S)
        while client.waiting():
            client.line()
        renamed = _deliver(options.maildir, number)
        while b"EXISTS" not in client.line().upper():
            pass
        latencies.append(time.perf_counter() - renamed)
    client.socket.sendall(b"DONE\r\n")
    client.finish(tag)
    client.close()
    middle = measure.percentile(latencies, 50) or 0.0
    return {"items": len(latencies), "ms": 1000 * middle, "per_s": 1 / middle}


def resync(options: argparse.Namespace) -> dict[str, object]:
    """SELECT with QRESYNC after CHANGES changes, the median of --count; nothing changes between them."""
    client = Imap(options, options.user)
    client.command(b"ENABLE QRESYNC")
    lines: list[bytes] = []
    exists = client.select(options.box, keep=lines)
    client.command(b"UNSELECT")
    known = " ".join(_code(lines, name) for name in (b"UIDVALIDITY", b"HIGHESTMODSEQ"))
    _change(options, exists)
    latencies = []
    for _ in range(options.count):
        lines = []
        started = time.perf_counter()
        client.select(options.box, f" (QRESYNC ({known}))", lines)
        latencies.append(time.perf_counter() - started)
        told = sum(b" FETCH (" in line for line in lines)
        if told != CHANGES * 9 // 10 or not any(b"VANISHED" in line for line in lines):
            raise ConnectionError(f"{told} changes told")
        client.command(b"UNSELECT")
    client.close()
    middle = measure.percentile(latencies, 50) or 0.0
    return {"items": len(latencies), "ms": 1000 * middle, "per_s": 1 / middle}


def _change(options: argparse.Namespace, exists: int) -> None:
    """Nine in ten messages get other flags, one goes."""
    other = Imap(options, options.user)
    other.select(options.box)
    numbers = [1 + change * (exists // CHANGES) for change in range(CHANGES)]
    stays = ",".join(str(number) for at, number in enumerate(numbers) if at % 10)
    goes = ",".join(str(number) for number in numbers[::10])
    other.command(f"STORE {stays} FLAGS.SILENT (\\Flagged)".encode())
    other.command(f"STORE {stays} FLAGS.SILENT (\\Answered)".encode())
    other.command(f"STORE {goes} +FLAGS.SILENT (\\Deleted)".encode())
    other.command(b"EXPUNGE")
    other.close()


def _code(lines: list[bytes], name: bytes) -> str:
    """The number behind a response code."""
    line = next(line for line in lines if b"[" + name + b" " in line)
    return line.partition(name + b" ")[2].partition(b"]")[0].decode()


def _deliver(maildir: pathlib.Path, number: int) -> float:
    """Put a message into new/; when it got its name."""
    name = f"{int(time.time())}.M{number}P{os.getpid()}Q{time.time_ns()}.bench"
    owner = maildir.stat()
    (maildir / "tmp" / name).write_bytes(b"From: <load@bench.example>\nSubject: idle\n\nhello\n")
    os.chown(maildir / "tmp" / name, owner.st_uid, owner.st_gid)
    renamed = time.perf_counter()
    (maildir / "tmp" / name).rename(maildir / "new" / name)
    return renamed


def login(options: argparse.Namespace) -> dict[str, object]:
    """LOGIN and LOGOUT on new connections, --sessions at a time."""
    numbers = iter(range(options.count))
    lock = threading.Lock()
    done: list[float] = []

    def worker() -> None:
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            started = time.perf_counter()
            Imap(options, options.user % (number % 100)).close()
            done.append(time.perf_counter() - started)

    started = time.perf_counter()
    threads = [threading.Thread(target=worker) for _ in range(options.sessions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    taken_s = time.perf_counter() - started
    return {"items": len(done), "ms": 1000 * (measure.percentile(done, 50) or 0), "per_s": len(done) / taken_s}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("user")
    parser.add_argument("password")
    parser.add_argument("operation", choices=("select", "login", "idle", "resync", *OPERATIONS))
    parser.add_argument("--box", default="INBOX")
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--sessions", type=int, default=1)
    parser.add_argument("--maildir", type=pathlib.Path)
    parser.add_argument("--tls", action="store_true")
    options = parser.parse_args()
    special = {"idle": idle, "login": login, "resync": resync}
    with measure.Stopwatch() as watch:
        fields = special.get(options.operation, one)(options)
    measure.emit(client_cpu_s=watch.cpu_s, **fields)


if __name__ == "__main__":
    main()

"""Many IMAP sessions, logged in, INBOX selected, in IDLE: memory of the server for each.

    python3 -m load.idle HOST PORT u%04d@example.test PASSWORD --sessions 1000 --root PID [--tls]

Session i logs in as user i modulo --spread. PSS of the server's tree is read before the first and --hold seconds
after the last.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import time

import measure


async def tagged(reader: asyncio.StreamReader, tag: bytes) -> None:
    """Read to the tagged response, which must be OK."""
    while True:
        line = await reader.readline()
        if line.startswith(tag) or not line:
            if not line[len(tag) :].strip().upper().startswith(b"OK"):
                raise ConnectionError(repr(line))
            return


async def one(options: argparse.Namespace, number: int, gate: asyncio.Semaphore) -> asyncio.StreamWriter:
    """Open a session and leave it in IDLE."""
    async with gate:
        tls = measure.client_tls() if options.tls else None
        reader, writer = await asyncio.open_connection(options.host, options.port, ssl=tls, limit=4096)
        await reader.readline()
        writer.write(f'a LOGIN "{options.user % (number % options.spread)}" "{options.password}"\r\n'.encode())
        await tagged(reader, b"a")
        writer.write(b"b SELECT INBOX\r\n")
        await tagged(reader, b"b")
        writer.write(b"c IDLE\r\n")
        line = await reader.readline()
        if not line.startswith(b"+"):
            raise ConnectionError(repr(line))
        return writer


async def whole(options: argparse.Namespace) -> None:
    before = measure.memory(options.root)
    gate = asyncio.Semaphore(10)
    started = time.perf_counter()
    results = await asyncio.gather(
        *(one(options, number, gate) for number in range(options.sessions)), return_exceptions=True
    )
    opened_s = time.perf_counter() - started
    writers = [result for result in results if isinstance(result, asyncio.StreamWriter)]
    errors = [repr(result) for result in results if isinstance(result, BaseException)]
    cpu_s = measure.cpu_s(options.root)
    await asyncio.sleep(options.hold)
    after = measure.memory(options.root)
    measure.emit(
        sessions=len(writers),
        errors=len(errors),
        first_error=errors[0] if errors else None,
        per_s=len(writers) / opened_s,
        pss_kib=(after["pss_kib"] - before["pss_kib"]) / max(1, len(writers)),
        before_kib=before["pss_kib"],
        idle_cpu_ms=1000 * (measure.cpu_s(options.root) - cpu_s),
    )
    for writer in writers:
        writer.transport.abort()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("user")
    parser.add_argument("password")
    parser.add_argument("--sessions", type=int, default=1000)
    parser.add_argument("--spread", type=int, default=1000)
    parser.add_argument("--hold", type=float, default=5)
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--root", type=int, required=True)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    asyncio.run(whole(parser.parse_args()))


if __name__ == "__main__":
    main()

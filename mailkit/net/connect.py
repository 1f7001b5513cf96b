"""Connections we open: the same Conn methods as a server's session has, under either driver."""

from __future__ import annotations

import _socket
import os

from mailkit.exits import Temp

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from typing import Protocol

    from mailkit.net.conn import Conn
    from mailkit.net.loop import Pool

    class ClientConn(Conn, Protocol):
        """A connection to a server."""

        async def starttls_client(self, server_hostname: str, context: ssl.SSLContext) -> None:
            """Flush, forget what came in the clear, shake hands as the client. Gone."""

        def close(self) -> None:
            """End the connection after what is queued."""


async def dial(host: str, port: int, *, timeout_s: float, source: str = "", pool: Pool | None = None) -> ClientConn:
    """A TCP connection to an IP address; with `host` "/path", a Unix socket.

    source: the local IP address to bind to. pool: the event loop's pool; None uses the blocking driver.
    Temp when it cannot be had within `timeout_s`; its detail says why.
    """
    where = host if host.startswith("/") else f"{host}:{port}"
    try:
        if pool is not None:
            return await _in_loop(host, port, timeout_s, source, pool)
        return _blocking(host, port, timeout_s, source)
    except TimeoutError:
        raise Temp("connection timed out", code="4.4.1", detail=f"connect {where}: no answer in {timeout_s:g} s")
    except OSError as error:
        reason = error.strerror or str(error)
        raise Temp(f"connection failed: {reason.lower()}", code="4.4.1", detail=f"connect {where}: {reason}")


def _blocking(host: str, port: int, timeout_s: float, source: str) -> ClientConn:
    from mailkit.net.blocking import BlockingConn

    end = _socket.socket(_family(host), _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
    try:
        if source:
            end.bind((source, 0))
        end.settimeout(timeout_s)
        end.connect(host if host.startswith("/") else (host, port))
        end.setblocking(False)  # a peer that reads slowly must run into flush's limit
        if not host.startswith("/"):
            end.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
        fd = os.dup(end.fileno())
    finally:
        end.close()
    return BlockingConn(fd, fd, service="client", owned=True)


async def _in_loop(host: str, port: int, timeout_s: float, source: str, pool: Pool) -> ClientConn:
    import asyncio

    from mailkit.net.loopconn import LoopConn

    def made() -> LoopConn:
        return LoopConn(pool, "client", None)

    async with asyncio.timeout(timeout_s):
        if host.startswith("/"):
            _, conn = await pool.loop.create_unix_connection(made, host)
        else:
            local = (source, 0) if source else None
            _, conn = await pool.loop.create_connection(made, host, port, local_addr=local)
    return conn


def _family(host: str) -> int:
    if host.startswith("/"):
        return _socket.AF_UNIX
    return _socket.AF_INET6 if ":" in host else _socket.AF_INET

"""The process of a server that stays outside its confinement, and does the few errands that the others may not.

    worker, confined  --one line, and a descriptor to answer on-->  steward
                                                                      answers a question of ERRANDS, or
                                                                      forks a process that serves one user

One request is one datagram: a JSON object whose "errand" says what is wanted, with one end of a socket pair. The answer
is a JSON object on that. For the errand "session" the answer is the octet "+", and from then on the pair carries the
client's octets, without TLS: the worker keeps that and passes them (net.relay). The process that serves reads who it is
from the users itself, becomes that user and confines itself: a worker that somebody has taken over can have sessions,
as it could before, and nothing of what root may do.

Whoever holds a stewardship is ended by SIGTERM: sessions get it too, and `stopgrace` to say goodbye; or by the end of
the parent.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import select
import signal
import socket

from mailkit import clock, log
from mailkit.exits import OK, Temp, Trouble
from mailkit.net import errand, ties
from mailkit.net.blocking import BlockingConn, handle_sigterm, run
from mailkit.net.conn import Closing
from mailkit.net.serve import tell_end

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from mailkit.control import Home
    from mailkit.net.conn import Fact
    from mailkit.net.serve import Service

_LONGEST = 16384  # octets of a request
_GO = b"+"
_FACTS = ("id", "peer", "local")
_PORTS = ("peer_port", "local_port")


class Told:
    """The facts of a handshake that another process made (mailkit.net.conn.Tls)."""

    __slots__ = ("cipher", "client_cert", "server_cert", "sni", "version")

    def __init__(self, version: str) -> None:
        self.version = version
        self.cipher = self.sni = ""
        self.client_cert: bytes | None = None
        self.server_cert: bytes | None = None

    def binding(self, kind: str) -> bytes | None:
        """Not known here: the login is over."""
        return None


class Steward:
    """The process itself. errands: name -> "module:function"; function(home, words) -> str."""

    def __init__(self, home: Home, services: dict[str, Service], errands: dict[str, str], answering: int) -> None:
        self.home = home
        self.services = services
        self.errands = errands
        self.answering = answering  # the end of the line (net.errand) on which requests come
        self.sessions: dict[int, tuple[Fact | None, int]] = {}  # what each rests on, and the pipe on which to say so
        self.ties = ties.Ties()
        self.stopping = 0.0  # when it is to be over; 0 while it is not
        self.look_at = 0.0  # when the facts are to be looked at next

    def run(self, alive: int = -1) -> NoReturn:
        """Be it, in a process just forked. alive: a descriptor that is readable when the parent is gone; the steward
        ends then, or when nobody is left to ask."""
        status = 1
        try:
            signal.pthread_sigmask(signal.SIG_SETMASK, ())
            errand.keep_only(self.answering, alive)
            status = self._run(alive)
        except BaseException as error:
            log.trace("broken", error, program="steward")
        finally:
            os._exit(status)

    def _run(self, alive: int) -> int:
        wake_r, wake_w = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake_w)
        signal.signal(signal.SIGTERM, self._on_sigterm)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        poll = select.poll()
        for fd in (self.answering, wake_r, *([alive] if alive >= 0 else [])):
            poll.register(fd, select.POLLIN)
        ended = False
        while not ended:
            wait_s = max(self.stopping - clock.monotonic(), 0) if self.stopping else ties.LOOK_S if self.ties else None
            ready = [fd for fd, _ in poll.poll(None if wait_s is None else 1000 * wait_s)]
            if wake_r in ready:
                os.read(wake_r, 4096)
                self._reap()
            if self.answering in ready:
                ended = not self._attend()
            if self.ties and clock.monotonic() >= self.look_at:
                self.look_at = clock.monotonic() + ties.LOOK_S
                self.ties.look()
            over = self.stopping and (not self.sessions or clock.monotonic() >= self.stopping)
            ended = ended or alive in ready or bool(over)
        for child in self.sessions:
            _signal(child, signal.SIGKILL if self.stopping else signal.SIGTERM)
        return OK

    def _on_sigterm(self, *_: object) -> None:
        self.stopping = clock.monotonic() + self.home.control.seconds("stopgrace")
        for child in self.sessions:
            _signal(child, signal.SIGTERM)

    def _reap(self) -> None:
        while self.sessions:
            child, _ = os.waitpid(-1, os.WNOHANG)
            if not child:
                return
            if child in self.sessions:
                fact, telling = self.sessions.pop(child)
                os.close(telling)
                if fact is not None:
                    self.ties.untie(fact)

    def _attend(self) -> bool:
        """One request; False when there is nobody left to send any."""
        end = socket.socket(fileno=self.answering)
        try:
            data, fds, _, _ = socket.recv_fds(end, _LONGEST, 1, socket.MSG_CMSG_CLOEXEC)
        finally:
            end.detach()
        if not data:
            return False
        if not fds:
            return True
        try:
            words = json.loads(data)
            if words["errand"] == "session":
                self._serve(words, fds[0])
            else:
                self._answer(words, fds[0])
        except Exception as error:  # whatever somebody who has taken a worker over may send: the others need us
            log.event("errand", error=str(error) or type(error).__name__)
        finally:
            os.close(fds[0])
        return True

    def _answer(self, words: dict[str, str], fd: int) -> None:
        module, _, function = self.errands[words["errand"]].partition(":")
        answer: dict[str, object]
        try:
            answer = {"answer": getattr(importlib.import_module(module), function)(self.home, words)}
        except Trouble as trouble:
            temp = isinstance(trouble, Temp)
            answer = {"text": trouble.text, "code": trouble.code, "detail": trouble.detail, "temp": temp}
        with socket.socket(fileno=os.dup(fd)) as end:
            end.settimeout(1)
            end.sendall(json.dumps(answer).encode())

    def _serve(self, words: dict[str, str], fd: int) -> None:
        """Fork the process of one session. Without one, the end is closed and the worker sees it."""
        if self.stopping or len(self.sessions) >= self.home.control.number("maxconn"):
            log.event("busy", c=words["id"], service=words["service"], peer=words["peer"] or None, limit="maxconn")
            return
        service = self.services[words["service"]]
        if service.resume is None:
            raise ValueError(f"no session of {service.name} goes on here")
        fact = service.standing(words.get("user", ""))
        told, telling = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        child = os.fork()
        if child:
            os.close(told)
            self.sessions[child] = fact, telling
            if fact is not None:
                self.ties.tie(fact, lambda: ties.tell(telling))
            return
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            errand.keep_only(fd, told)
            os.write(fd, _GO)
            _session(self.home, service, words, fd, told)
        except BaseException as error:
            log.trace("broken", error, c=words.get("id"), program="steward")
        finally:
            os._exit(OK)


def _session(home: Home, service: Service, words: dict[str, str], fd: int, told: int) -> None:
    os.set_blocking(fd, False)
    poll_s = home.control.seconds("pollseconds")
    conn = BlockingConn(fd, fd, service=service.name, poll_s=poll_s, owned=True, dismissal=told)
    for name in _FACTS:
        setattr(conn, name, words[name])
    for name in _PORTS:
        setattr(conn, name, int(words[name]))
    conn.tls = Told(words["tls"]) if words["tls"] else None
    handle_sigterm(conn)
    assert service.resume is not None
    begun = clock.monotonic()
    try:
        run(service.resume(conn, words))
    except Closing:
        pass
    finally:
        tell_end(conn, begun)
        conn.close()


def facts(conn: Any) -> dict[str, str]:
    """What a session of the same connection in another process is to know of it."""
    tls = conn.tls.version if conn.tls is not None else ""
    return {"service": conn.service, "tls": tls} | {name: str(getattr(conn, name)) for name in (*_FACTS, *_PORTS)}


def _signal(child: int, number: signal.Signals) -> None:
    try:
        os.kill(child, number)
    except OSError:
        pass  # it has just ended, or we are root without CAP_KILL: it sees the end of its client

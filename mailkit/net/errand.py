"""Asking the steward (net.steward): what a confined process may not do itself.

    ask(errand, **words) -> str     a question; the answer
    send(words, fd)                 a request, with a descriptor to answer on
    fork(home, ...)                 a steward for this process alone
    keep_only(fds)                  what stewards, and the sessions they begin, do first

Little is imported here: smtpd does it once per connection, mailkit-local once per message.
"""

from __future__ import annotations

import os

from mailkit.exits import OK, Perm, Temp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.control import Home
    from mailkit.net.serve import Service

_WITHIN_S = 10.0

line = -1
"""This process's descriptor towards its steward; -1 where it has none, and needs none."""


def pair() -> tuple[int, int]:
    """A new line: the end to ask on, which many processes may share, and the one to answer on."""
    import _socket

    asking, answering = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
    return asking.detach(), answering.detach()


def here(asking: int, answering: int) -> None:
    """This process asks from now on."""
    global line
    os.close(answering)
    line = asking


def fork(home: Home, services: dict[str, Service], errands: dict[str, str]) -> None:
    """Give this process, which serves one connection, a steward. It ends when this process does."""
    asking, answering = pair()
    if not os.fork():
        keep_only(answering)
        _await_first(answering)
        from mailkit.net.steward import Steward

        Steward(home, services, errands, answering).run()
    here(asking, answering)


def _await_first(answering: int) -> None:
    """Most connections ask nothing: only the first request is worth the modules of the steward. Does not return when
    the connection ends before."""
    import select

    poll = select.poll()
    poll.register(answering, select.POLLIN)
    if poll.poll()[0][1] & select.POLLHUP:
        os._exit(OK)


def wanted(home: Home, services: dict[str, Service], errands: dict[str, str]) -> bool:
    """Does a server of these services need a steward?"""
    from mailkit import confine  # a delivery by pipe asks nobody this

    if errands:
        return confine.possible(home)
    hands_over = any(service.resume is not None for service in services.values())
    return hands_over and (confine.possible(home) or os.geteuid() == 0 or home.control.text("separate") == "all")


def send(words: dict[str, str], fd: int) -> None:
    """Give the steward a request, and the descriptor to answer on. Temp."""
    import json
    import socket

    end = socket.socket(fileno=line)
    try:
        socket.send_fds(end, [json.dumps(words).encode()], [fd], socket.MSG_DONTWAIT)
    except OSError as error:
        raise Temp("this is not available now", code="4.3.2", detail=f"{words['errand']}: {error.strerror}")
    finally:
        end.detach()


def ask(errand: str, **words: str) -> str:
    """The steward's answer; blocking. Temp when there is none; what the errand raised."""
    import json
    import socket

    ours, theirs = socket.socketpair()
    data = b""
    with ours:
        with theirs:
            send({"errand": errand, **words}, theirs.fileno())
        ours.settimeout(_WITHIN_S)
        try:
            while octets := ours.recv(65536):
                data += octets
            answer = json.loads(data)
        except (OSError, ValueError) as error:
            raise Temp("this is not available now", code="4.3.0", detail=f"{errand}: {error}")
    if "text" in answer:
        kind = Temp if answer["temp"] else Perm
        raise kind(answer["text"], code=answer["code"], detail=answer["detail"])
    return str(answer["answer"])


def keep_only(*kept: int) -> None:
    """Close all descriptors but these and standard error: listening sockets, clients, ends of pipes that tell who
    lives. What was the client's, 0 and 1 under inetd, is nothing then."""
    low = 3
    for fd in sorted(fd for fd in kept if fd >= low):
        os.closerange(low, fd)
        low = fd + 1
    os.closerange(low, os.sysconf("SC_OPEN_MAX"))
    nothing = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1):
        os.dup2(nothing, fd)
    os.close(nothing)

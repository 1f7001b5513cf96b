"""A milter that does what a script says, on a UNIX socket in a thread."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

from mailkit.policy import packets

Answer = Callable[[bytes, bytes], list[bytes]]


class ScriptedMilter:
    """Answers each command with what `answers` has for it, "continue" otherwise; notes what it was told.

    answers: command -> packets.   actions, steps: its side of the negotiation.
    """

    def __init__(self, path: Path, answers: dict[bytes, Iterable[bytes]], actions: int = 0, steps: int = 0) -> None:
        self.answers = answers
        self.actions = actions
        self.steps = steps
        self.told: list[tuple[bytes, bytes]] = []
        self.place = f"unix:{path}"
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(path))
        self._server.listen()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                end, _ = self._server.accept()
            except OSError:
                return
            with end, contextlib.suppress(ConnectionError):  # who is told too much hangs up
                self._session(end)

    def _session(self, end: socket.socket) -> None:
        reader = packets.Packets()
        while data := end.recv(65536):
            reader.feed(data)
            while (packet := reader.packet()) is not None:
                self.told.append(packet)
                if packet[0] == b"Q":
                    return
                for answer in self._answers(*packet):
                    if answer == b"hang up":
                        return
                    end.sendall(answer)

    def _answers(self, command: bytes, data: bytes) -> Iterable[bytes]:
        if command in self.answers:
            return self.answers[command]
        if command == b"O":
            numbers = (packets.VERSION, self.actions, self.steps)
            return [packets.encode(b"O", b"".join(number.to_bytes(4, "big") for number in numbers))]
        return [] if command in (b"D", b"A") else [packets.encode(b"c")]

    def close(self) -> None:
        if self._thread.is_alive():
            self._server.shutdown(socket.SHUT_RDWR)
            self._server.close()
            self._thread.join(5)

    def commands(self) -> str:
        """The commands told, macros left out, once all of them were read."""
        self.close()
        return b"".join(command for command, _ in self.told if command != b"D").decode()

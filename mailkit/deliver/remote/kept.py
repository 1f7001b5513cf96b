"""Connections that are kept for the next message to the same server.

Invariant: a kept connection is in no transaction and belongs to nobody; `take` gives it away. It is kept
for IDLE_S at most and not beside more than ALIKE_MOST others to the same server, because servers count
idle clients too: many domains may have the same one. It ends after SENT_MOST messages, so that load
spreads when servers come and go.
"""

from __future__ import annotations

from mailkit import clock
from mailkit.smtp.client.dialogue import Dialogue

IDLE_S = 5.0
SENT_MOST = 100
KEPT_MOST = 300
ALIKE_MOST = 20  # servers that count allow 10 to 50 connections from one address


class Kept:
    """Sessions by key. The key holds all that makes one fit for a message: address, port, TLS, login, names."""

    def __init__(self, limit: int = KEPT_MOST) -> None:
        self._limit = limit
        self._by_key: dict[tuple[object, ...], list[tuple[float, Dialogue]]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def take(self, key: tuple[object, ...]) -> Dialogue | None:
        """A session of this key, the one used last; None when there is none that is fresh."""
        found = self._by_key.get(key)
        if not found or found[-1][0] <= clock.monotonic():
            return None
        self._count -= 1
        talk = found.pop()[1]
        if not found:
            del self._by_key[key]
        return talk

    def keep(self, key: tuple[object, ...], talk: Dialogue) -> bool:
        """Keep a session that is between messages; False when it has to end now."""
        assert talk.features is not None
        most = min(SENT_MOST, talk.features.limit("MAILMAX") or SENT_MOST)  # RFC 9422 4.1
        if talk.sent >= most or self._count >= self._limit:
            return False
        alike = self._by_key.setdefault(key, [])
        if len(alike) >= ALIKE_MOST:
            return False
        alike.append((clock.monotonic() + IDLE_S, talk))
        self._count += 1
        return True

    async def expire(self) -> None:
        """End those that were kept long enough. To be called about once a second while there are any."""
        now = clock.monotonic()
        for key, found in list(self._by_key.items()):
            old = [talk for until, talk in found if until <= now]
            if old:
                self._by_key[key] = found[len(old) :]
                self._count -= len(old)
            if not self._by_key[key]:
                del self._by_key[key]
            for talk in old:
                await talk.quit()

    async def close(self) -> None:
        """End all."""
        everything = [talk for found in self._by_key.values() for _, talk in found]
        self._by_key.clear()
        self._count = 0
        for talk in everything:
            await talk.quit()

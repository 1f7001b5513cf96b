"""An event loop whose time passes at once: a wait of ten seconds takes none. For what awaits only timers and tasks."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._passed = 0.0
        super().__init__()
        select = self._selector.select  # type: ignore[attr-defined]

        def pass_time(timeout: float | None = None) -> Any:
            assert timeout is not None, "nothing will ever happen"
            self._passed += timeout
            return select(0)

        self._selector.select = pass_time  # type: ignore[attr-defined]

    def time(self) -> float:
        return self._passed


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """The result of a coroutine, under such a loop."""
    with asyncio.Runner(loop_factory=_Loop) as runner:
        return runner.run(coroutine)

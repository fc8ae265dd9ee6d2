"""An event loop of asyncio whose time stands still while anything can run, as Trio's can."""

import asyncio
import selectors
from collections.abc import Callable
from contextvars import Context
from math import inf, nextafter
from typing import Any, TypeVarTuple, Unpack, final

Ts = TypeVarTuple("Ts")

INSTANT = 1e-9
"""Seconds; asyncio takes a timer that is no farther away than this for due."""


@final
class VirtualEventLoop(asyncio.SelectorEventLoop):
    """Its clock jumps to the next timer whenever everything waits.

    ``asyncio.Runner(loop_factory=VirtualEventLoop)``. Sockets are not seen as work.
    """

    def __init__(self) -> None:
        self._now = 0.0
        self.held = 0
        """While it is more than 0, the clock waits: for so many threads."""
        super().__init__(_Jumping(self))

    def time(self) -> float:
        """Give the virtual time in seconds."""
        return self._now

    def call_at(
        self,
        when: float,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Call back at a time. One that is due by rounding only has come.

        Else a callback that finds itself too early, and asks again, would do so for ever.
        """
        if self._now <= when <= self._now + INSTANT:
            self._come_to(when)
        return super().call_at(when, callback, *args, context=context)

    def jump(self, seconds: float) -> None:
        """Let time pass."""
        self._come_to(self._now + seconds)

    def _come_to(self, when: float) -> None:
        # After half a year an instant more is lost in rounding, and so would be "is due".
        self._now = when if when + INSTANT > when else nextafter(when, inf)


@final
class _Jumping(selectors.DefaultSelector):
    def __init__(self, loop: VirtualEventLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> Any:  # a list of the selectors' own
        """Give what is ready; where the loop would wait for a timer, jump to it instead."""
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        if self._loop.held:
            return super().select(None)  # a thread rings when it has ended
        ready = super().select(0)
        if not ready:
            self._loop.jump(timeout)
        return ready

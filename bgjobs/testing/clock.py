"""Virtual time: the clock, the event loops that have it, and whether one runs."""

import asyncio
import selectors
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import Context
from datetime import UTC, datetime, timedelta
from math import inf, nextafter
from typing import Any, Literal, TypeAlias, TypeVarTuple, Unpack, final
from weakref import WeakKeyDictionary

import trio
from anyio import current_time
from attrs import define, field
from trio.testing import MockClock

from bgjobs.errors import BgJobsError
from bgjobs.expecting import as_span
from bgjobs.instants import as_instant
from bgjobs.texts import value_text

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


Backend: TypeAlias = tuple[str, dict[str, Any]]
"""The name and the options of an event loop, as `anyio.run` and its pytest plugin take them."""

REAL_PATIENCE = 30.0
"""Seconds after which waiting for something is an error; a safety net, not a measure."""
VIRTUAL_PATIENCE = timedelta(days=366).total_seconds()
"""The same in virtual time, where schedules and backoffs are waited for."""

_HELP = """\
expected an event loop in virtual time, found {found}; take one of
  - pytest-trio: give the test the fixture autojump_clock
  - AnyIO's pytest plugin: let the fixture anyio_backend give bgjobs.testing.virtual_backend()
  - trio: trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
  - asyncio: asyncio.Runner(loop_factory=bgjobs.testing.VirtualEventLoop)"""


class RealTimeError(BgJobsError, RuntimeError):
    """Something needs an event loop in virtual time and runs in one of real time."""

    def __init__(self, found: str) -> None:
        self.found = found
        super().__init__(found)

    def __str__(self) -> str:
        return _HELP.format(found=self.found)


def virtual_backend(name: Literal["trio", "asyncio"] = "trio") -> Backend:
    """Give an event loop in virtual time, for the fixture `anyio_backend` or `anyio.run`.

    A new one each time: its clock begins at 0.
    """
    if name == "trio":
        return name, {"clock": MockClock(autojump_threshold=0)}
    if name == "asyncio":
        return name, {"loop_factory": VirtualEventLoop}
    raise ValueError(f"event loop: expected 'trio' or 'asyncio', found {value_text(name)}")


def virtual_clock() -> MockClock | VirtualEventLoop | None:
    """Give what makes the time of the loop that runs; None when it is real."""
    found = _what_makes_the_time()
    return found if isinstance(found, MockClock | VirtualEventLoop) else None


def check_virtual() -> None:
    """Raise `RealTimeError` in an event loop of real time."""
    if virtual_clock() is None:
        raise RealTimeError(type(_what_makes_the_time()).__name__)


def patience(within: float | timedelta | None) -> float:
    """Give how many seconds to wait: those that were said, or else what suits the loop."""
    if within is not None:
        return as_span("within", within).total_seconds()
    return REAL_PATIENCE if virtual_clock() is None else VIRTUAL_PATIENCE


@contextmanager
def time_held() -> Generator[None]:
    """Let virtual time stand still in the block, whatever waits: a thread is at work."""
    clock = virtual_clock()
    if isinstance(clock, VirtualEventLoop):
        clock.held += 1
        try:
            yield
        finally:
            clock.held -= 1
    elif clock is not None:
        with _autojump_held(clock):
            yield
    else:
        yield


_holders: WeakKeyDictionary[MockClock, tuple[int, float]] = WeakKeyDictionary()
"""How many hold each clock, and its threshold before."""


@contextmanager
def _autojump_held(clock: MockClock) -> Generator[None]:
    count, threshold = _holders.get(clock, (0, clock.autojump_threshold))
    _holders[clock] = count + 1, threshold
    clock.autojump_threshold = inf
    try:
        yield
    finally:
        left = _holders[clock][0] - 1
        _holders[clock] = left, threshold
        if not left:
            del _holders[clock]
            clock.autojump_threshold = threshold


def _what_makes_the_time() -> object:
    try:
        return trio.lowlevel.current_clock()
    except RuntimeError:
        return asyncio.get_running_loop()


@final
@define
class VirtualClock:
    """A `Clock` that follows the event loop's time, for Trio's autojumping `MockClock`.

    Give it to `Config(clock=...)`. The store is then called on the event loop itself, over
    the same SQL as ever, so that no thread is at work while the clock jumps. Every poll and
    every heartbeat ends a jump: to pass days, make `poll_interval`, `lease` and the other
    intervals long.
    """

    start: datetime = datetime(2030, 1, 1, tzinfo=UTC)
    """What `now` is when the clock is first asked."""
    inline: bool = field(default=True, init=False)
    _zero: float | None = field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        as_instant("VirtualClock: start", self.start)

    def now(self) -> datetime:
        """Give the present instant."""
        if self._zero is None:
            self._zero = current_time()
        return self.start + timedelta(seconds=current_time() - self._zero)

    def store_now(self) -> datetime | None:
        """Give the same instant to the store."""
        return self.now()

    def monotonic(self) -> float:
        """Give the event loop's time."""
        return current_time()

"""Virtual time: an event loop whose clock jumps ahead when all tasks wait, and a clock on it.

Trio has such a clock, `trio.testing.MockClock` with ``autojump_threshold=0``; for asyncio it is
`VirtualEventLoop`.
"""

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

from bgjobs._core.arguments import as_span
from bgjobs._core.text import value_text
from bgjobs._core.timestamps import as_instant
from bgjobs.errors import BgJobsError

Ts = TypeVarTuple("Ts")

Backend: TypeAlias = tuple[str, dict[str, Any]]
"""The name and the options of an event loop, as `anyio.run` and its pytest plugin take them."""

REAL_TIMEOUT = 30.0
"""Seconds of real time that the tools wait by default."""
VIRTUAL_TIMEOUT = timedelta(days=366).total_seconds()
"""Seconds of virtual time that the tools wait by default, which is longer than a backoff."""
TIMER_RESOLUTION = 1e-9
"""Seconds; asyncio runs a timer that is due within its clock resolution."""

_HELP = """\
expected an event loop in virtual time, found {found}; use one of these
  - pytest-trio: add the fixture autojump_clock to the test
  - AnyIO's pytest plugin: return bgjobs.testing.virtual_backend() from anyio_backend
  - trio: trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
  - asyncio: asyncio.Runner(loop_factory=bgjobs.testing.VirtualEventLoop)"""


class RealTimeError(BgJobsError, RuntimeError):
    """The event loop runs in real time, but the called function needs virtual time.

    The message lists how to get an event loop in virtual time.
    """

    def __init__(self, found: str) -> None:
        self.found = found
        super().__init__(found)

    def __str__(self) -> str:
        return _HELP.format(found=self.found)


@final
@define
class VirtualClock:
    """A `Clock` that follows the time of the event loop.

    Pass it to `Config(clock=...)` and run under Trio's `MockClock` with
    ``autojump_threshold=0``, or under `VirtualEventLoop`. The store is then called on the event
    loop itself, with the same SQL, so no thread works while the clock jumps. Each poll, each
    heartbeat and each read of commands ends a jump: to let days pass quickly, set
    `poll_interval`, `lease` and the other intervals to long times. `run_virtual` does all this.

    Args:
        start: What `now` returns at its first call.
    """

    start: datetime = datetime(2030, 1, 1, tzinfo=UTC)
    inline: bool = field(default=True, init=False)
    _zero: float | None = field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        as_instant("VirtualClock: start", self.start)

    def now(self) -> datetime:
        """Return the current virtual time in UTC."""
        if self._zero is None:
            self._zero = current_time()
        return self.start + timedelta(seconds=current_time() - self._zero)

    def store_now(self) -> datetime | None:
        """Return the same time as `now`, for the store."""
        return self.now()

    def monotonic(self) -> float:
        """Return the time of the event loop in seconds."""
        return current_time()


@final
class VirtualEventLoop(asyncio.SelectorEventLoop):
    """An asyncio event loop whose clock jumps to the next timer when all tasks wait.

    Use it as ``asyncio.Runner(loop_factory=VirtualEventLoop)``. The clock starts at 0. It also
    jumps while tasks wait for sockets, so replace network calls by test doubles.
    """

    def __init__(self) -> None:
        self._now = 0.0
        self.pauses = 0
        """The number of threads for which the clock stands still."""
        super().__init__(_JumpingSelector(self))

    def time(self) -> float:
        """Return the virtual time in seconds."""
        return self._now

    def call_at(
        self,
        when: float,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Schedule a callback.

        A timer that asyncio would round to now moves the clock to its time. Otherwise the
        callback would run too early, schedule itself again, and so on forever.
        """
        if self._now <= when <= self._now + TIMER_RESOLUTION:
            self._set(when)
        return super().call_at(when, callback, *args, context=context)

    def jump(self, seconds: float) -> None:
        """Advance the clock."""
        self._set(self._now + seconds)

    def _set(self, when: float) -> None:
        # After half a year of virtual time, adding the resolution no longer changes the float,
        # so asyncio would find no timer due; the next float is later than the timer.
        self._now = when if when + TIMER_RESOLUTION > when else nextafter(when, inf)


@final
class _JumpingSelector(selectors.DefaultSelector):
    def __init__(self, loop: VirtualEventLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> Any:  # a list of a private type
        """Return what is ready; jump to the next timer instead of waiting for it."""
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        if self._loop.pauses:
            return super().select(None)  # a thread that ends wakes the loop
        ready = super().select(0)
        if not ready:
            self._loop.jump(timeout)
        return ready


def virtual_backend(name: Literal["trio", "asyncio"] = "trio") -> Backend:
    """Return an event loop in virtual time, for `anyio.run` or the fixture `anyio_backend`.

    Returns:
        The name and the options of the event loop. Each call returns a new clock, which starts
        at 0.

    Raises:
        ValueError: The name is neither ``"trio"`` nor ``"asyncio"``.
    """
    if name == "trio":
        return name, {"clock": MockClock(autojump_threshold=0)}
    if name == "asyncio":
        return name, {"loop_factory": VirtualEventLoop}
    raise ValueError(f"event loop: expected 'trio' or 'asyncio', found {value_text(name)}")


def current_virtual_clock() -> MockClock | VirtualEventLoop | None:
    """Return the clock of the running event loop; None if the loop runs in real time."""
    found = _time_source()
    return found if isinstance(found, MockClock | VirtualEventLoop) else None


def check_virtual() -> None:
    """Raise `RealTimeError` if the running event loop is not in virtual time."""
    if current_virtual_clock() is None:
        raise RealTimeError(type(_time_source()).__name__)


def wait_limit(within: float | timedelta | None) -> float:
    """Return the given limit in seconds, or the default for the running event loop."""
    if within is not None:
        return as_span("within", within).total_seconds()
    return REAL_TIMEOUT if current_virtual_clock() is None else VIRTUAL_TIMEOUT


@contextmanager
def clock_paused() -> Generator[None]:
    """Keep virtual time from passing inside the block, for example while a thread works."""
    clock = current_virtual_clock()
    if isinstance(clock, VirtualEventLoop):
        clock.pauses += 1
        try:
            yield
        finally:
            clock.pauses -= 1
    elif clock is not None:
        with _autojump_paused(clock):
            yield
    else:
        yield


_pauses: WeakKeyDictionary[MockClock, tuple[int, float]] = WeakKeyDictionary()
"""The number of pauses of each clock, and its autojump threshold before the first one."""


@contextmanager
def _autojump_paused(clock: MockClock) -> Generator[None]:
    count, threshold = _pauses.get(clock, (0, clock.autojump_threshold))
    _pauses[clock] = count + 1, threshold
    clock.autojump_threshold = inf
    try:
        yield
    finally:
        left = _pauses[clock][0] - 1
        _pauses[clock] = left, threshold
        if not left:
            del _pauses[clock]
            clock.autojump_threshold = threshold


def _time_source() -> object:
    try:
        return trio.lowlevel.current_clock()
    except RuntimeError:
        return asyncio.get_running_loop()

"""Keeps children running, one for one; gives up on one that crashes too often.

A child that gave up takes the whole tree down: its error leaves `run` as an `ExceptionGroup`
that names the child.
"""

from collections import deque
from collections.abc import Awaitable, Callable
from datetime import timedelta
from random import Random
from typing import cast, final

from anyio import CancelScope, Event, get_cancelled_exc_class, move_on_after
from anyio.lowlevel import checkpoint_if_cancelled
from attrs import field, frozen

from bgjobs._core.clock import Clock
from bgjobs._core.config import RestartTolerance
from bgjobs._runtime.bus import Bus, failure_of
from bgjobs._runtime.cancellation import took_back_native_cancellation
from bgjobs.backoff import delay_of
from bgjobs.errors import BgJobsError, LeaseLostError, unwrapped
from bgjobs.events import ChildCrashed, ChildRestarted, QueueError, RestartLimitExceeded


class NativelyCancelledError(BgJobsError):
    """A child was cancelled by `Task.cancel`, past the tree that it belongs to."""


NO_CRASH = (LeaseLostError, NativelyCancelledError)
"""What is no fault of the child's: a store that was away, and a loop that is torn down."""


@final
@frozen(eq=False)
class Child:
    """Something that is kept running: `run` is called anew for every start."""

    name: str
    run: Callable[[], Awaitable[None]]
    bus: Bus
    stopped: Event = field(factory=Event)
    """Set when it shall not be started again."""


@final
class Supervisor:
    """Restarts what crashes, within a tolerance of its own for each child."""

    def __init__(self, tolerance: RestartTolerance, clock: Clock) -> None:
        self._tolerance = tolerance
        self._clock = clock
        self._random = Random()
        self._failures: list[ExceptionGroup[Exception]] = []

    async def keep(self, child: Child, children: CancelScope) -> None:
        """Run `child` until it ends by itself; cancel `tree` when it is past tolerance."""
        crashes: deque[float] = deque()
        while (error := await _crash_of(child)) is not None:
            if not isinstance(error, NO_CRASH) and not self._tolerates(crashes):
                self._give_up(child, error, children)
                return
            delay = self._delay(child, max(1, len(crashes)))
            if await _is_stopped_within(child, delay.total_seconds()):
                return
            child.bus.emit(ChildRestarted, child.name, len(crashes))

    def raise_failures(self) -> None:
        """Raise what children gave up on, if any did."""
        if len(self._failures) == 1:
            raise self._failures[0]
        if self._failures:
            raise ExceptionGroup("several children gave up", self._failures)

    def _delay(self, child: Child, crashes: int) -> timedelta:
        try:
            return delay_of(self._tolerance.backoff, crashes, self._random)
        except BaseException as error:  # noqa: BLE001 - a backoff of the user's may raise anything
            child.bus.emit(QueueError, child.name, failure_of("backoff", error))
            return delay_of(RestartTolerance().backoff, crashes, self._random)

    def _tolerates(self, crashes: deque[float]) -> bool:
        now = self._clock.monotonic()
        crashes.append(now)
        while crashes[0] < now - self._tolerance.within:
            crashes.popleft()
        return len(crashes) <= self._tolerance.restarts

    def _give_up(self, child: Child, error: Exception, children: CancelScope) -> None:
        child.bus.emit(RestartLimitExceeded, child.name, error)
        message = (
            f"{child.name} crashed more than {self._tolerance.restarts} times "
            f"within {self._tolerance.within:g} seconds"
        )
        self._failures.append(ExceptionGroup(message, [error]))
        children.cancel()


async def _is_stopped_within(child: Child, seconds: float) -> bool:
    """Wait before the next start; a native cancellation ends the wait."""
    try:
        with move_on_after(seconds):
            await child.stopped.wait()
            return True
    except get_cancelled_exc_class():
        if not took_back_native_cancellation():
            raise
    return False


async def _crash_of(child: Child) -> Exception | None:
    """Run a child; give what it crashed with, and tell it, or None when it ended by itself."""
    try:
        await child.run()
    except Exception as crash:  # noqa: BLE001 - about any error it is the supervisor that decides
        error = _unwrapped(crash)
        child.bus.emit(ChildCrashed, child.name, error)
        return error
    except BaseExceptionGroup as group:
        rest = group.split(get_cancelled_exc_class())[1]
        if isinstance(rest, Exception):
            child.bus.emit(ChildCrashed, child.name, _unwrapped(rest))
            await checkpoint_if_cancelled()  # the cancellation alone goes on
        raise
    except get_cancelled_exc_class():
        if not took_back_native_cancellation():
            raise
        return NativelyCancelledError()
    return None


def _unwrapped(crash: Exception) -> Exception:
    error = unwrapped(crash)
    # The guard of a queue and its slots may tell of the same lease.
    while isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        if group.split(LeaseLostError)[1] is not None:
            break
        error = group.exceptions[0]
    return cast("Exception", error)

"""Restarts children that crash, each by itself, until one crashes too often.

That one ends the whole application: `run` raises an `ExceptionGroup` that names the child.
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
from bgjobs._core.exceptions import unwrapped
from bgjobs._runtime.bus import Bus, callback_error
from bgjobs._runtime.cancellation import clear_native_cancellation
from bgjobs.backoff import delay_of
from bgjobs.errors import BgJobsError, LeaseLostError
from bgjobs.events import ChildCrashed, ChildRestarted, QueueError, RestartLimitExceeded


class NativelyCancelledError(BgJobsError):
    """A child was cancelled by `asyncio.Task.cancel`, not by its task group."""


NO_CRASH = (LeaseLostError, NativelyCancelledError)
"""Errors that do not count towards the limit: an unavailable store and a closing event loop."""


@final
@frozen(eq=False)
class Child:
    """A task that is kept running; every start calls `run`."""

    name: str
    run: Callable[[], Awaitable[None]]
    bus: Bus
    stopped: Event = field(factory=Event)
    """Set when it must not be restarted."""


@final
class Supervisor:
    """Restarts children; the crashes of each child are counted by themselves."""

    def __init__(self, tolerance: RestartTolerance, clock: Clock) -> None:
        self._tolerance = tolerance
        self._clock = clock
        self._random = Random()
        self._failures: list[ExceptionGroup[Exception]] = []

    async def supervise(self, child: Child, application: CancelScope) -> None:
        """Run `child` until it returns; cancel `application` if it crashes too often."""
        crashes: deque[float] = deque()
        while (error := await _crash_of(child)) is not None:
            if not isinstance(error, NO_CRASH) and not self._count_crash(crashes):
                self._give_up(child, error, application)
                return
            delay = self._delay(child, max(1, len(crashes)))
            if await _is_stopped_within(child, delay.total_seconds()):
                return
            child.bus.emit(ChildRestarted, child.name, len(crashes))

    def raise_failures(self) -> None:
        """Raise the last error of each child that crashed too often, if there is one."""
        if len(self._failures) == 1:
            raise self._failures[0]
        if self._failures:
            raise ExceptionGroup("several children crashed too often", self._failures)

    def _delay(self, child: Child, crashes: int) -> timedelta:
        try:
            return delay_of(self._tolerance.backoff, crashes, self._random)
        except BaseException as error:  # noqa: BLE001 - a user's backoff may raise anything
            child.bus.emit(QueueError, child.name, callback_error("backoff", error))
            return delay_of(RestartTolerance().backoff, crashes, self._random)

    def _count_crash(self, crashes: deque[float]) -> bool:
        """Count a crash; whether the child may be restarted."""
        now = self._clock.monotonic()
        crashes.append(now)
        while crashes[0] < now - self._tolerance.within:
            crashes.popleft()
        return len(crashes) <= self._tolerance.restarts

    def _give_up(self, child: Child, error: Exception, application: CancelScope) -> None:
        child.bus.emit(RestartLimitExceeded, child.name, error)
        message = (
            f"{child.name} crashed more than {self._tolerance.restarts} times "
            f"within {self._tolerance.within:g} seconds"
        )
        self._failures.append(ExceptionGroup(message, [error]))
        application.cancel()


async def _is_stopped_within(child: Child, seconds: float) -> bool:
    """Wait before a restart, or until a native cancellation; whether the child was stopped."""
    try:
        with move_on_after(seconds):
            await child.stopped.wait()
            return True
    except get_cancelled_exc_class():
        if not clear_native_cancellation():
            raise
    return False


async def _crash_of(child: Child) -> Exception | None:
    """Run a child and report its crash. Return the error, or None if the child returned."""
    try:
        await child.run()
    except Exception as crash:  # noqa: BLE001 - the supervisor handles every error
        error = _unwrapped(crash)
        child.bus.emit(ChildCrashed, child.name, error)
        return error
    except BaseExceptionGroup as group:
        rest = group.split(get_cancelled_exc_class())[1]
        if isinstance(rest, Exception):
            child.bus.emit(ChildCrashed, child.name, _unwrapped(rest))
            await checkpoint_if_cancelled()  # raises the cancellation without the crash
        raise
    except get_cancelled_exc_class():
        if not clear_native_cancellation():
            raise
        return NativelyCancelledError()
    return None


def _unwrapped(crash: Exception) -> Exception:
    error = unwrapped(crash)
    # The guard of a queue and its slots may all raise the loss of the same lease.
    while isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        if group.split(LeaseLostError)[1] is not None:
            break
        error = group.exceptions[0]
    return cast("Exception", error)

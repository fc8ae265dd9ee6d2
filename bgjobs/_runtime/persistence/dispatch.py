"""Blocking calls of the store, made from the event loop without blocking it.

This is the only place where the library leaves the event loop to call a verb of the store. A
call runs in one of `StoreThreads`, and the task that asked waits for it; under a virtual clock
it runs on the loop. A task that is cancelled before its call has begun makes no call. One that
is cancelled later waits for the call to end first, so that no thread outlives its task. While
the store is unavailable, `Dispatch.call` retries with backoff up to `store_timeout`.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from random import Random
from typing import ParamSpec, TypeVar, final

from anyio import CancelScope, Event, create_task_group, current_time, move_on_after
from anyio.lowlevel import checkpoint

from bgjobs._core.clock import Clock
from bgjobs._runtime.bus import Bus
from bgjobs._runtime.persistence.threads import StoreThreads
from bgjobs._runtime.persistence.waiter import Waiter
from bgjobs.errors import StoreError, StoreUnavailableError
from bgjobs.events import StoreCalled, StoreFailed, StoreResponded
from bgjobs.stores.port import Store

P = ParamSpec("P")
T = TypeVar("T")

FIRST_RETRY, LONGEST_RETRY = 0.05, 1.5
"""Seconds before the first retry of a call to an unavailable store, and the longest wait.

Each wait is at most twice as long as the one before.
"""
PROBE = 1.5
"""Seconds between two heartbeats while a task waits for the store to recover."""
PROMPT = 0.05
"""Seconds between two checks, meanwhile, whether a heartbeat is due or has succeeded."""


@final
class Recovery:
    """Connects the tasks that wait for an unavailable store with the heartbeat.

    The heartbeat probes the store more often while a task waits, and ends all waits as soon as
    a heartbeat has succeeded.
    """

    def __init__(self) -> None:
        self._waiting = 0
        self._awaited = Event()
        self._recovered = Event()

    @property
    def is_awaited(self) -> bool:
        """Whether a task waits now. Safe to read from any thread."""
        return self._waiting > 0

    async def wait(self, seconds: float, *, or_until: Event | None = None) -> None:
        """Wait until the store accepts writes again, for at most `seconds`.

        The wait also ends when `or_until` is set.
        """
        events = [self._recovered] if or_until is None else [self._recovered, or_until]
        self._waiting += 1
        self._awaited.set()
        try:
            with move_on_after(seconds):
                async with create_task_group() as group:
                    for event in events:
                        group.start_soon(_cancel_when_set, group.cancel_scope, event)
        finally:
            self._waiting -= 1

    async def awaited(self) -> None:
        """Return as soon as a task waits."""
        if not self._waiting:
            self._awaited = Event()
            await self._awaited.wait()

    def notify(self) -> None:
        """End all waits: a write has succeeded since they began."""
        recovered, self._recovered = self._recovered, Event()
        recovered.set()


async def _cancel_when_set(scope: CancelScope, event: Event) -> None:
    await event.wait()
    scope.cancel()


@final
class Dispatch:
    """Calls blocking verbs of the store in its own threads, or inline if the clock says so."""

    def __init__(self, store: Store, clock: Clock, bus: Bus, timeout: float) -> None:
        self.store = store
        self._clock = clock
        self._bus = bus
        self._timeout = timeout
        self.threads: StoreThreads = StoreThreads(store.connections)
        self.recovery: Recovery = Recovery()
        self._random = Random()

    async def once(self, verb: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a verb of the store, without a retry, and emit the events of the call."""
        work = partial(verb, *args, **kwargs)
        return await self.observed(verb.__name__, partial(self.leave_the_loop, work))

    async def observed(self, name: str, call: Callable[[], Awaitable[T]]) -> T:
        """Await a call of the verb of this name, and emit the events of the call."""
        self._bus.emit(StoreCalled, name)
        started = self._clock.monotonic()
        try:
            answer = await call()
        except StoreError as error:
            self._bus.emit(StoreFailed, name, error)
            raise
        self._bus.emit(StoreResponded, name, self._clock.monotonic() - started)
        return answer

    def begin(
        self,
        name: str,
        work: Callable[[], T],
        then: Callable[[T | BaseException], None],
        *,
        afterwards: Callable[[], object] | None = None,
        waiter: Waiter | None = None,
    ) -> None:
        """Begin a call that no task waits for; `then` gets its result or its error.

        See `StoreThreads.begin`; `waiter` is that of the task that waits for `then`.
        """
        started = self._clock.monotonic()

        def ended(answer: T, error: BaseException | None) -> None:
            try:
                if error is None:
                    self._bus.emit(StoreResponded, name, self._clock.monotonic() - started)
                elif isinstance(error, StoreError):
                    self._bus.emit(StoreFailed, name, error)
            finally:  # a Ctrl-C in a listener propagates, but a caller depends on `then`
                then(answer if error is None else error)

        try:
            self._bus.emit(StoreCalled, name)
        finally:
            self.threads.begin(work, ended, afterwards, waiter)

    async def call(self, verb: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a verb, and retry it while the store is unavailable, up to `store_timeout`."""
        give_up_at = current_time() + self._timeout
        tries = 0
        while True:
            try:
                return await self.once(verb, *args, **kwargs)
            except StoreUnavailableError:
                delay = self.retry_delay(tries)
                if current_time() + delay > give_up_at:
                    raise
                await self.recovery.wait(delay)
                tries += 1

    async def pause(self, tries: int) -> None:
        """Wait before the next retry, after `tries` failed ones."""
        await self.recovery.wait(self.retry_delay(tries))

    def retry_delay(
        self, tries: int, *, factor: int = 2, longest: float = LONGEST_RETRY
    ) -> float:
        """Return how many seconds to wait after `tries` failed retries, with jitter."""
        ceiling = min(FIRST_RETRY * pow(float(factor), min(tries, 20)), longest)
        return ceiling * self._random.uniform(0.5, 1.0)

    async def leave_the_loop(self, work: Callable[[], T]) -> T:
        """Do blocking work in a store thread, or inline if the clock says so."""
        if self._clock.inline:
            await checkpoint()
            return work()
        return await self.threads.call(work)

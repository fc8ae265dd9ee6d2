"""The only place where a call of the store leaves the event loop."""

from collections.abc import Callable
from functools import partial
from random import Random
from typing import ParamSpec, TypeVar, final

from anyio import CancelScope, Event, create_task_group, current_time, move_on_after
from anyio.lowlevel import checkpoint

from bgjobs._core.clock import Clock
from bgjobs._runtime.bus import Bus
from bgjobs._runtime.persistence.threads import StoreThreads
from bgjobs.errors import StoreError, StoreUnavailableError
from bgjobs.events import StoreCalled, StoreFailed, StoreResponded
from bgjobs.stores.port import Store

PROBE = 1.5
"""Seconds between two heartbeats while anything waits for the store."""
PROMPT = 0.05
"""Seconds within which it is noticed that a heartbeat is due, or has succeeded, meanwhile."""


@final
class Recovery:
    """Who waits for the store, and what ends the wait."""

    def __init__(self) -> None:
        self._waiting = 0
        self._awaited = Event()
        self._recovered = Event()

    @property
    def is_awaited(self) -> bool:
        """Whether anything waits now. Safe from any thread."""
        return self._waiting > 0

    async def wait(self, seconds: float, *, or_until: Event | None = None) -> None:
        """Wait so long at most, until the store takes writes again, or until this event."""
        events = [self._recovered] if or_until is None else [self._recovered, or_until]
        self._waiting += 1
        self._awaited.set()
        try:
            with move_on_after(seconds):
                async with create_task_group() as group:
                    for event in events:
                        group.start_soon(_end, group.cancel_scope, event)
        finally:
            self._waiting -= 1

    async def awaited(self) -> None:
        """Return when anything waits."""
        if not self._waiting:
            self._awaited = Event()
            await self._awaited.wait()

    def tell(self) -> None:
        """End all waits: a write has succeeded since they began."""
        recovered, self._recovered = self._recovered, Event()
        recovered.set()


async def _end(scope: CancelScope, event: Event) -> None:
    await event.wait()
    scope.cancel()


P = ParamSpec("P")
T = TypeVar("T")

FIRST_RETRY, LONGEST_RETRY = 0.05, 1.5
"""Seconds before a store that was away is asked again; each wait is at most twice the last."""


@final
class Dispatch:
    """Calls blocking verbs in threads of its own, or on the loop where the clock asks for it.

    A call that has begun is not abandoned: cancelled meanwhile, it is waited for, so that no
    thread is left behind.
    """

    def __init__(self, store: Store, clock: Clock, bus: Bus, timeout: float) -> None:
        self.store = store
        self._clock = clock
        self._bus = bus
        self._timeout = timeout
        self.threads: StoreThreads = StoreThreads(store.connections)
        self.recovery: Recovery = Recovery()
        self._random = Random()

    async def once(self, verb: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a verb of the store and tell the events of it."""
        name = verb.__name__
        self._bus.emit(StoreCalled, name)
        started = self._clock.monotonic()
        try:
            answer = await self._leave_the_loop(partial(verb, *args, **kwargs))
        except StoreError as error:
            self._bus.emit(StoreFailed, name, error)
            raise
        self._bus.emit(StoreResponded, name, self._clock.monotonic() - started)
        return answer

    def begin(
        self, name: str, work: Callable[[], T], then: Callable[[T | BaseException], None]
    ) -> None:
        """Begin a call without a task that waits for it; `then` hears how it ended."""
        started = self._clock.monotonic()

        def ended(answer: T, error: BaseException | None) -> None:
            try:
                if error is None:
                    self._bus.emit(StoreResponded, name, self._clock.monotonic() - started)
                elif isinstance(error, StoreError):
                    self._bus.emit(StoreFailed, name, error)
            finally:  # a Ctrl-C in a listener goes on, but `then` is waited for
                then(answer if error is None else error)

        try:
            self._bus.emit(StoreCalled, name)
        finally:
            self.threads.begin(work, ended)

    async def call(self, verb: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a verb, and again while the store is away, up to the configured time."""
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
        """Wait before a store that was away is asked again after so many tries."""
        await self.recovery.wait(self.retry_delay(tries))

    def retry_delay(
        self, tries: int, *, factor: int = 2, longest: float = LONGEST_RETRY
    ) -> float:
        """Say how many seconds to wait after so many tries."""
        ceiling = min(FIRST_RETRY * pow(float(factor), min(tries, 20)), longest)
        return ceiling * self._random.uniform(0.5, 1.0)

    async def _leave_the_loop(self, work: Callable[[], T]) -> T:
        if self._clock.inline:
            await checkpoint()
            return work()
        return await self.threads.call(work)

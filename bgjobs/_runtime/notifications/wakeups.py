"""Wakeups: they make waiting tasks of this process, or of others, look for jobs now.

A `Wakeup` is an event inside this process; `Wakeups` distributes them by the names of workers.
`Notifier.run` is a task that notifies other processes through the store; it runs until it is
cancelled, and `flush` then sends what is left. If the store is unavailable a notification is
lost. Queues poll at all times, so that delays jobs, but never loses one.
"""

from collections.abc import Collection, Generator, Iterable, Sequence
from contextlib import contextmanager, suppress
from math import inf
from typing import final

from anyio import Event, sleep

from bgjobs._core.clock import Clock
from bgjobs._runtime.persistence.dispatch import Dispatch
from bgjobs.errors import StoreError

NOTIFY_PAUSE = 0.005
"""Seconds between two notifications; on PostgreSQL each takes a lock that all commits share."""
SLACK = 0.002
"""Seconds by which a notification is delayed further, because a write may take it along."""


@final
class Wakeup:
    """An event that many tasks set and one task waits for; repeated sets count once."""

    def __init__(self) -> None:
        self._event = Event()
        self._is_set = False

    def set(self) -> None:
        """Wake the task that waits, or make its next wait return at once."""
        if not self._is_set:  # setting an event again costs as much as waking a task
            self._is_set = True
            self._event.set()

    def clear(self) -> None:
        """Undo `set`."""
        if self._is_set:
            self._is_set = False
            self._event = Event()

    async def wait(self) -> None:
        """Wait until it is set; return at once if it was set since this last returned."""
        await self._event.wait()
        self.clear()


@final
class Wakeups:
    """The wakeups of this process, by the workers whose jobs they are for."""

    def __init__(self) -> None:
        self._subscribed: list[tuple[frozenset[str], Wakeup]] = []
        self._idle: list[Wakeup] = []
        self._endings: list[Wakeup] = []

    def subscribe(self, names: Iterable[str]) -> Wakeup:
        """Return a wakeup that is set whenever there may be jobs for one of these workers."""
        wakeup = Wakeup()
        self._subscribed.append((frozenset(names), wakeup))
        return wakeup

    def unsubscribe(self, wakeup: Wakeup) -> None:
        """End a subscription."""
        self._subscribed = [entry for entry in self._subscribed if entry[1] is not wakeup]

    @contextmanager
    def subscribed(self, names: Iterable[str]) -> Generator[Wakeup]:
        """Subscribe for the length of a block."""
        wakeup = self.subscribe(names)
        try:
            yield wakeup
        finally:
            self.unsubscribe(wakeup)

    def wake(self, names: Collection[str] | None) -> None:
        """Set the wakeups that are subscribed to one of these workers; None sets all."""
        for wanted, wakeup in self._subscribed:
            if names is None or not wanted.isdisjoint(names):
                wakeup.set()

    @contextmanager
    def idleness(self) -> Generator[Wakeup]:
        """Yield a wakeup that is set whenever there may be no job left to run."""
        wakeup = Wakeup()
        self._idle.append(wakeup)
        try:
            yield wakeup
        finally:
            self._idle.remove(wakeup)

    @contextmanager
    def endings(self) -> Generator[Wakeup]:
        """Yield a wakeup, set when a run ends here or another process sends a notification."""
        with self.subscribed(()) as wakeup:
            self._endings.append(wakeup)
            try:
                yield wakeup
            finally:
                self._endings.remove(wakeup)

    def notify_ended(self) -> None:
        """Wake the tasks that wait for the end of a job: one is stored."""
        for wakeup in self._endings:
            wakeup.set()

    def notify_idle(self) -> None:
        """Wake the tasks that wait until no job is left: this may be so now."""
        for wakeup in self._idle:
            wakeup.set()


@final
class Notifier:
    """Notifies other processes of jobs that this one has stored, every few ms at most.

    A notification is sent outside the transaction that stored the jobs. Inside, it would
    serialise all commits of the database.
    """

    def __init__(self, dispatch: Dispatch, clock: Clock) -> None:
        self._dispatch = dispatch
        self._clock = clock
        self._names: set[str] = set()
        self._wakeup = Wakeup()
        self._ping_due = False
        self._sent_at = -inf

    def add(self, names: Iterable[str]) -> None:
        """Add workers that have new jobs to the next notification."""
        if self._dispatch.store.needs_notify:
            self._names.update(names)
            self._wakeup.set()

    def piggyback(self, names: Iterable[str]) -> Sequence[str]:
        """Return the workers that a write of new jobs notifies of by itself, right after it.

        A notification by a call of its own costs as much as a small write. Returns nothing if
        another one was sent just before; `add` the names in that case.
        """
        now = self._clock.monotonic()
        if not self._dispatch.store.needs_notify or now < self._sent_at + NOTIFY_PAUSE:
            return ()
        self._names.update(names)
        return self._take()

    def ping(self) -> None:
        """Send a notification even without new jobs, so that all listeners get one."""
        self._ping_due = True
        self._wakeup.set()

    def _take(self) -> Sequence[str]:
        names, self._names = sorted(self._names), set()
        self._ping_due = False
        self._sent_at = self._clock.monotonic()
        return names

    async def run(self) -> None:
        """Send notifications until cancelled. After a failure, receivers rely on polling."""
        while True:
            await self._wakeup.wait()
            wait = self._sent_at + NOTIFY_PAUSE - self._clock.monotonic()
            if wait > 0:
                await sleep(wait + SLACK)
            if self._names or self._ping_due:
                await self._send()

    async def flush(self) -> None:
        """Send what is not sent yet, after `run` has ended."""
        if self._names:
            await self._send()

    async def _send(self) -> None:
        names = self._take()
        with suppress(StoreError):
            await self._dispatch.once(self._dispatch.store.notify, names)

"""Tells queues to look for jobs now: news from this process, and from others.

Polling always goes on beside it; a wake-up that is lost costs time, never a job.
"""

from collections.abc import Collection, Generator, Iterable
from contextlib import contextmanager
from typing import final

from anyio import Event, sleep

from bgjobs.errors import StoreError
from bgjobs.runtime.dispatch import Dispatch

NOTIFY_PAUSE = 0.005
"""Seconds between two notifications; on PostgreSQL each takes a lock that all commits share."""


@final
class Signal:
    """One bit of news: set by many, waited for by one, coalesced."""

    def __init__(self) -> None:
        self._event = Event()
        self._is_set = False

    def set(self) -> None:
        """Wake the waiter, or let it not wait at all."""
        if not self._is_set:  # of an event that is set, setting it costs as much as waking
            self._is_set = True
            self._event.set()

    def clear(self) -> None:
        """Forget that it was set."""
        if self._is_set:
            self._is_set = False
            self._event = Event()

    async def wait(self) -> None:
        """Wait until it was set since the last time this returned."""
        await self._event.wait()
        self.clear()


@final
class Wakeups:
    """Who wants to know of which worker's jobs."""

    def __init__(self) -> None:
        self._signals: list[tuple[frozenset[str], Signal]] = []
        self._idle: list[Signal] = []

    def subscribe(self, names: Iterable[str]) -> Signal:
        """Give a signal that is set whenever there may be jobs for one of these workers."""
        signal = Signal()
        self._signals.append((frozenset(names), signal))
        return signal

    def unsubscribe(self, signal: Signal) -> None:
        """Set this signal no more."""
        self._signals = [entry for entry in self._signals if entry[1] is not signal]

    def wake(self, names: Collection[str] | None) -> None:
        """Wake those who want jobs of these workers; None wakes all."""
        for wanted, signal in self._signals:
            if names is None or not wanted.isdisjoint(names):
                signal.set()

    @contextmanager
    def idleness(self) -> Generator[Signal]:
        """Give a signal that is set whenever a queue has nothing left to run."""
        signal = Signal()
        self._idle.append(signal)
        try:
            yield signal
        finally:
            self._idle.remove(signal)

    def idle(self) -> None:
        """Tell that a queue has nothing left to run."""
        for signal in self._idle:
            signal.set()


@final
class Notifier:
    """Tells other processes of jobs that this one has stored, at most every few milliseconds.

    The notification stands outside the transaction that stored the jobs: inside, it would
    serialise all commits of the database.
    """

    def __init__(self, dispatch: Dispatch) -> None:
        self._dispatch = dispatch
        self._names: set[str] = set()
        self._news = Signal()

    def tell(self, names: Iterable[str]) -> None:
        """Note workers that have new jobs."""
        if self._dispatch.store.needs_notify:
            self._names.update(names)
            self._news.set()

    def sound(self) -> None:
        """Let all watchers hear something, if there are no news."""
        self._news.set()

    async def run(self) -> None:
        """Send what was noted until cancelled; a failure costs the receivers one poll."""
        while True:
            await self._news.wait()
            names, self._names = self._names, set()
            try:
                await self._dispatch.once(self._dispatch.store.notify, sorted(names))
            except StoreError:
                continue
            await sleep(NOTIFY_PAUSE)

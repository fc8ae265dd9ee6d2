"""Tells queues to look for jobs now: news from this process, and from others.

Polling always goes on beside it; a wake-up that is lost costs time, never a job.
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
"""Seconds more that one waits for a write which it may go along with."""


@final
class Wakeup:
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
        self._signals: list[tuple[frozenset[str], Wakeup]] = []
        self._idle: list[Wakeup] = []
        self._endings: list[Wakeup] = []

    def subscribe(self, names: Iterable[str]) -> Wakeup:
        """Give a signal that is set whenever there may be jobs for one of these workers."""
        signal = Wakeup()
        self._signals.append((frozenset(names), signal))
        return signal

    def unsubscribe(self, signal: Wakeup) -> None:
        """Set this signal no more."""
        self._signals = [entry for entry in self._signals if entry[1] is not signal]

    @contextmanager
    def subscribed(self, names: Iterable[str]) -> Generator[Wakeup]:
        """Give the same for the length of a block."""
        signal = self.subscribe(names)
        try:
            yield signal
        finally:
            self.unsubscribe(signal)

    def wake(self, names: Collection[str] | None) -> None:
        """Wake those who want jobs of these workers; None wakes all."""
        for wanted, signal in self._signals:
            if names is None or not wanted.isdisjoint(names):
                signal.set()

    @contextmanager
    def idleness(self) -> Generator[Wakeup]:
        """Give a signal that is set whenever there may be nothing left to run."""
        signal = Wakeup()
        self._idle.append(signal)
        try:
            yield signal
        finally:
            self._idle.remove(signal)

    @contextmanager
    def endings(self) -> Generator[Wakeup]:
        """Give a signal that is set when a run ends here, or something happens elsewhere."""
        with self.subscribed(()) as signal:
            self._endings.append(signal)
            try:
                yield signal
            finally:
                self._endings.remove(signal)

    def ended(self) -> None:
        """Tell that the end of a run is stored."""
        for signal in self._endings:
            signal.set()

    def idle(self) -> None:
        """Tell that there may be nothing left to run."""
        for signal in self._idle:
            signal.set()


@final
class Notifier:
    """Tells other processes of jobs that this one has stored, at most every few milliseconds.

    The notification stands outside the transaction that stored the jobs: inside, it would
    serialise all commits of the database.
    """

    def __init__(self, dispatch: Dispatch, clock: Clock) -> None:
        self._dispatch = dispatch
        self._clock = clock
        self._names: set[str] = set()
        self._news = Wakeup()
        self._sounds = False
        self._told_at = -inf

    def tell(self, names: Iterable[str]) -> None:
        """Note workers that have new jobs."""
        if self._dispatch.store.needs_notify:
            self._names.update(names)
            self._news.set()

    def along(self, names: Iterable[str]) -> Sequence[str]:
        """Give what a write may tell right behind it; nothing if something was told just now.

        A call of its own costs as much as a small write.
        """
        now = self._clock.monotonic()
        if not self._dispatch.store.needs_notify or now < self._told_at + NOTIFY_PAUSE:
            return ()
        self._names.update(names)
        return self._taken()

    def sound(self) -> None:
        """Let all watchers hear something, if there are no news."""
        self._sounds = True
        self._news.set()

    def _taken(self) -> Sequence[str]:
        told, self._names = sorted(self._names), set()
        self._sounds = False
        self._told_at = self._clock.monotonic()
        return told

    async def run(self) -> None:
        """Send what was noted until cancelled; a failure costs the receivers one poll."""
        while True:
            await self._news.wait()
            wait = self._told_at + NOTIFY_PAUSE - self._clock.monotonic()
            if wait > 0:
                await sleep(wait + SLACK)
            if self._names or self._sounds:
                await self._send()

    async def flush(self) -> None:
        """Send what is noted and not sent yet; called when `run` has ended."""
        if self._names:
            await self._send()

    async def _send(self) -> None:
        told = self._taken()
        with suppress(StoreError):
            await self._dispatch.once(self._dispatch.store.notify, told)

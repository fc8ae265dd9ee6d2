"""Tells queues to look for jobs now: news from this process, and from others.

Polling always goes on beside it; a wake-up that is lost costs time, never a job.
"""

import threading
from collections.abc import Collection, Generator, Iterable
from contextlib import contextmanager, suppress
from typing import final

from anyio import CancelScope, Event, from_thread, sleep, sleep_forever, wait_readable

from bgjobs.clock import Clock
from bgjobs.errors import StoreError, StoreUnavailableError
from bgjobs.runtime.dispatch import Dispatch
from bgjobs.runtime.threads import thread_beside
from bgjobs.stores.abc import Watcher

NOTIFY_PAUSE = 0.005
"""Seconds between two notifications; on PostgreSQL each takes a lock that all commits share."""


@final
class Signal:
    """One bit of news: set by many, waited for by one, coalesced."""

    def __init__(self) -> None:
        self._event = Event()

    def set(self) -> None:
        """Wake the waiter, or let it not wait at all."""
        self._event.set()

    def clear(self) -> None:
        """Forget that it was set."""
        if self._event.is_set():
            self._event = Event()

    async def wait(self) -> None:
        """Wait until it was set since the last time this returned."""
        await self._event.wait()
        self._event = Event()


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
class Watch:
    """Hears of jobs that other processes have stored."""

    def __init__(self, dispatch: Dispatch, wakeups: Wakeups, clock: Clock) -> None:
        self._dispatch = dispatch
        self._wakeups = wakeups
        self._clock = clock

    async def run(self) -> None:
        """Watch until cancelled, with a new watcher when one breaks."""
        if self._clock.inline:
            await sleep_forever()
        tries = 0
        while True:
            try:
                watcher = await self._dispatch.once(self._dispatch.store.watch)
            except StoreUnavailableError:
                tries += 1
            else:
                tries = 0
                self._wakeups.wake(None)  # for what came while nobody watched
                await self._follow(watcher)
            await sleep(self._dispatch.retry_delay(tries))

    async def _follow(self, watcher: Watcher | None) -> None:
        """Pass on what a watcher tells, until it breaks."""
        if watcher is None:
            await sleep_forever()
            return
        try:
            if watcher.interval is None:
                await self._listen(watcher)
            else:
                await self._look_every(watcher.interval, watcher)
        finally:
            with CancelScope(shield=True):
                await self._dispatch.once(watcher.close)

    async def _listen(self, watcher: Watcher) -> None:
        with suppress(StoreUnavailableError):
            while True:
                await wait_readable(watcher.fileno())
                self._wakeups.wake(watcher.poll())

    async def _look_every(self, interval: float, watcher: Watcher) -> None:
        """Look from a thread: a timer of the event loop costs several times as much."""
        broken = Event()

        def look(stop: threading.Event) -> None:
            while not stop.wait(interval):
                try:
                    names = watcher.poll()
                except StoreUnavailableError:
                    from_thread.run_sync(broken.set)
                    return
                if names is None or names:
                    from_thread.run_sync(self._wakeups.wake, names)

        async with thread_beside(look):
            await broken.wait()


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

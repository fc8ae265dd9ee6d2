"""Follows what the store's watcher tells, and finds out when it tells nothing any more."""

import threading
from collections.abc import Sequence
from contextlib import suppress
from functools import wraps
from typing import final

from anyio import (
    CancelScope,
    Event,
    from_thread,
    move_on_after,
    sleep,
    sleep_forever,
    wait_readable,
)

from bgjobs._runtime.persistence.threads import thread_beside
from bgjobs._runtime.services import Services
from bgjobs.errors import StoreError, StoreUnavailableError
from bgjobs.events import StoreFailed
from bgjobs.stores.port import ChangeSource

LISTENER_TIMEOUT = 14.0
"""Seconds without news after which a watcher is put to the test, and those that the test takes.

A connection can die without a word: its peer vanishes, or something between forgets it.
"""


@final
class ChangeListener:
    """Hears of jobs that other processes have stored."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._dispatch = services.dispatch
        self._wakeups = services.wakeups

    async def run(self) -> None:
        """Watch until cancelled, with a new watcher when one breaks."""
        if self._services.clock.inline:
            await sleep_forever()
        tries = 0
        while True:
            began = self._services.clock.monotonic()
            with suppress(StoreError):  # told as StoreFailed; polling goes on without it
                await self._watch()
            lasted = self._services.clock.monotonic() - began
            tries = 0 if lasted > LISTENER_TIMEOUT else tries + 1
            await sleep(self._dispatch.retry_delay(tries))

    async def _watch(self) -> None:
        """Open a watcher and follow it until it breaks."""
        store, opened = self._dispatch.store, list[ChangeSource]()

        @wraps(store.watch)
        def watch() -> None:
            watcher = store.watch()
            if watcher is not None:
                opened.append(watcher)

        try:
            await self._dispatch.once(watch)
            self._wakeups.wake(None)  # for what came before it listened
            await self._follow(opened)
        finally:  # also what was opened while this was being cancelled
            with CancelScope(shield=True):
                for watcher in opened:
                    await self._dispatch.once(watcher.close)

    async def _follow(self, opened: Sequence[ChangeSource]) -> None:
        """Pass on what a watcher tells, until it breaks; there may be none."""
        if not opened:
            await sleep_forever()
        for watcher in opened:
            if watcher.interval is None:
                await self._listen(watcher)
            else:
                await self._look_every(watcher.interval, watcher)

    async def _listen(self, watcher: ChangeSource) -> None:
        try:
            while await self._hears_something(watcher) or await self._stands_the_test(watcher):
                self._wakeups.wake(watcher.poll())
        except StoreUnavailableError as error:
            fault = error
        else:
            fault = StoreUnavailableError(f"{self._services.store.label}: the watcher is deaf")
        self._services.bus.emit(StoreFailed, "watch", fault)

    async def _stands_the_test(self, watcher: ChangeSource) -> bool:
        """Make all watchers hear something; the first that asks spares the others."""
        if not self._dispatch.store.needs_notify:
            return True  # the look that follows is the test, as the watcher sees by itself
        self._services.notifier.sound()
        return await self._hears_something(watcher)

    async def _hears_something(self, watcher: ChangeSource) -> bool:
        with move_on_after(LISTENER_TIMEOUT):
            await wait_readable(watcher.fileno())
            return True
        return False

    async def _look_every(self, interval: float, watcher: ChangeSource) -> None:
        """Look from a thread: a timer of the event loop costs several times as much."""
        broken, faults = Event(), list[StoreUnavailableError]()

        def look(stop: threading.Event) -> None:
            while not stop.wait(interval):
                try:
                    names = watcher.poll()
                except StoreUnavailableError as error:
                    faults.append(error)
                    from_thread.run_sync(broken.set)
                    return
                if names is None or names:
                    from_thread.run_sync(self._wakeups.wake, names)

        async with thread_beside(look):
            await broken.wait()
        for fault in faults:
            self._services.bus.emit(StoreFailed, "watch", fault)

"""Follows the notices of the store, and wakes the tasks that they concern.

The task `ChangeListener.run` is a child of the supervisor. It waits for the `ChangeSource` of
the store, tests it after a time of silence, and opens a new one when it fails, with backoff
while the store is unavailable. A cancellation closes the source and ends the task. Queues poll
at all times, so a missing notice delays a job but never loses it.
"""

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

from bgjobs._runtime.persistence.threads import background_thread
from bgjobs._runtime.services import ClientServices
from bgjobs.errors import StoreError, StoreUnavailableError
from bgjobs.events import StoreFailed
from bgjobs.stores.change_source import ChangeSource
from bgjobs.stores.types import ANY_CHANGE

LISTENER_TIMEOUT = 14.0
"""Seconds of silence until the source is tested, and seconds until the test has failed.

A connection can fail without an error: its peer disappears, or a router drops its state.
"""


@final
class ChangeListener:
    """Wakes queues when other processes have stored jobs, and the listener for commands."""

    def __init__(self, services: ClientServices) -> None:
        self._services = services
        self._dispatch = services.dispatch
        self._wakeups = services.wakeups

    async def run(self) -> None:
        """Listen until cancelled; a source that fails is replaced."""
        if self._services.clock.inline:
            await sleep_forever()
        tries = 0
        while True:
            began = self._services.clock.monotonic()
            with suppress(StoreError):  # emitted as StoreFailed; queues poll meanwhile
                await self._listen()
            lasted = self._services.clock.monotonic() - began
            tries = 0 if lasted > LISTENER_TIMEOUT else tries + 1
            await sleep(self._dispatch.retry_delay(tries))

    async def _listen(self) -> None:
        """Open a source and follow it until it fails."""
        store, opened = self._dispatch.store, list[ChangeSource]()

        @wraps(store.watch)
        def watch() -> None:
            source = store.watch()
            if source is not None:
                opened.append(source)

        try:
            await self._dispatch.once(watch)
            self._wakeups.notify(ANY_CHANGE)  # for what was stored before it listened
            await self._follow(opened)
        finally:  # also a source that was opened during a cancellation
            with CancelScope(shield=True):
                for source in opened:
                    await self._dispatch.once(source.close)

    async def _follow(self, opened: Sequence[ChangeSource]) -> None:
        """Wake queues by what a source reports until it fails; never return without one."""
        if not opened:
            await sleep_forever()
        for source in opened:
            if source.interval is None:
                await self._wait_for_changes(source)
            else:
                await self._poll_every(source.interval, source)

    async def _wait_for_changes(self, source: ChangeSource) -> None:
        try:
            while await self._is_readable(source) or await self._passes_the_test(source):
                self._wakeups.notify(source.poll())
        except StoreUnavailableError as caught:
            error = caught
        else:
            label = self._services.store.label
            error = StoreUnavailableError(
                f"{label}: change notifications stopped; reconnecting"
            )
        self._services.bus.emit(StoreFailed, "watch", error)

    async def _passes_the_test(self, source: ChangeSource) -> bool:
        """Notify all processes, and wait for it; one test serves the sources of all of them."""
        if not self._dispatch.store.needs_notify:
            return True  # the poll that follows is the test: the source reads changes itself
        self._services.notifier.ping()
        return await self._is_readable(source)

    async def _is_readable(self, source: ChangeSource) -> bool:
        with move_on_after(LISTENER_TIMEOUT):
            await wait_readable(source.fileno())
            return True
        return False

    async def _poll_every(self, interval: float, source: ChangeSource) -> None:
        """Poll in a thread: a timer of the event loop costs several times as much."""
        failed, errors = Event(), list[StoreUnavailableError]()

        def poll(stop: threading.Event) -> None:
            while not stop.wait(interval):
                try:
                    notice = source.poll()
                except StoreUnavailableError as error:
                    errors.append(error)
                    from_thread.run_sync(failed.set)
                    return
                if notice:
                    from_thread.run_sync(self._wakeups.notify, notice)

        async with background_thread(poll):
            await failed.wait()
        for error in errors:
            self._services.bus.emit(StoreFailed, "watch", error)

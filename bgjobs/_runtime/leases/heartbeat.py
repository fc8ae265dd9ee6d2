"""Renews the leases in a thread of its own, and measures how late the event loop is.

A handler may block the loop for longer than the lease, and its queue must not lose the lease by
that; so a thread renews it. The task `Heartbeat.run`, a child of the supervisor, emits what the
thread has found, and ends the thread when it is cancelled. While the store is unavailable the
thread tries again sooner, and ends the waits of `Recovery` when a heartbeat succeeds.
"""

import sys
import threading
from collections.abc import Mapping
from types import CodeType, FrameType
from typing import final

from anyio import current_time, move_on_after, sleep

from bgjobs._core.clock import Clock
from bgjobs._core.timestamps import as_duration
from bgjobs._runtime.persistence.dispatch import PROBE, PROMPT
from bgjobs._runtime.persistence.threads import background_thread
from bgjobs._runtime.worker_services import WorkerServices
from bgjobs.errors import StoreError
from bgjobs.events import ClockSkew, LoopLag, StoreFailed

LOOP_CHECK = 0.25
"""Seconds between two checks whether the event loop is late."""
LAG_LIMIT = 1.0
"""Seconds by which the loop may be late before `LoopLag` is emitted."""
SKEW_LIMIT = 1.0
"""Seconds by which the machine's clock may differ from the store's before `ClockSkew`."""


@final
class Heartbeat:
    """Renews the leases of all owners that are alive in the registry."""

    def __init__(self, services: WorkerServices) -> None:
        config = services.config
        self._clock: Clock = config.clock
        self._lease = config.lease
        self._interval = config.heartbeat_interval
        self._time = services.time
        self._bus = services.bus
        self._registry = services.registry
        self._workers = services.workers.all
        self._loop_seen = self._clock.monotonic()
        self._loop_thread = 0
        self._blocker: str | None = None
        self._skew = 0.0
        self._failure: StoreError | None = None
        self._recovery = services.dispatch.recovery
        self._recovered = False
        self._services = services
        self._lag = self._last_lag = 0.0

    async def run(self) -> None:
        """Renew leases until cancelled."""
        if self._clock.inline:
            while True:
                pause = self._beat()
                self._emit_findings()
                await self._sleep(pause)
        self._loop_seen = self._clock.monotonic()
        self._loop_thread = threading.get_ident()
        async with background_thread(self._beat_until):
            await self._watch_loop()

    @property
    def lag(self) -> float:
        """By how many seconds the loop was late at the last check, or is late with the next."""
        if self._clock.inline:
            return 0.0
        missing = self._clock.monotonic() - self._loop_seen - self._look_every
        return max(self._last_lag, missing)

    def take_lag(self) -> float:
        """Return by how many seconds the loop was late at most since the last call."""
        lag, self._lag = self._lag, 0.0
        return lag

    def _beat_until(self, stop: threading.Event) -> None:
        began, pause = self._clock.monotonic(), 0.0
        while not stop.wait(min(self._look_every, self._interval)):
            if self._clock.monotonic() - self._loop_seen > LAG_LIMIT:
                self._blocker = self._handler_on_the_loop() or self._blocker
            if self._recovery.is_awaited:
                pause = min(pause, PROBE)
            if self._clock.monotonic() >= began + pause:
                began = self._clock.monotonic()
                pause = self._beat()

    def _beat(self) -> float:
        """Renew all leases once. Return how many seconds to wait before the next time."""
        leases = self._registry.alive()
        if not leases:
            return min(self._interval, LOOP_CHECK)
        started = self._clock.monotonic()
        try:
            owners = [lease.owner.id for lease in leases]
            renewal = self._time.heartbeat(owners, as_duration(self._lease))
        except StoreError as error:
            self._failure = error
            for lease in leases:
                lease.failure = error
            return min(self._interval / 2, PROBE)
        for lease in leases:
            if lease.owner.id in renewal.alive:
                lease.renew(started)
            else:
                lease.refused = True
        self._skew = self._time.ahead
        self._recovered = self._recovery.is_awaited
        return self._interval

    @property
    def _look_every(self) -> float:
        return PROMPT if self._recovery.is_awaited else LOOP_CHECK

    async def _sleep(self, pause: float) -> None:
        """Wait until the next heartbeat is due; earlier if a task waits for the store."""
        began = current_time()
        with move_on_after(pause):
            await self._recovery.awaited()
            await sleep(max(0.0, began + PROBE - current_time()))

    async def _watch_loop(self) -> None:
        while True:
            pause = self._look_every
            due = current_time() + pause
            await sleep(pause)
            self._loop_seen = self._clock.monotonic()
            self._last_lag = lag = current_time() - due
            self._lag = max(self._lag, lag)
            if lag > LAG_LIMIT:
                self._bus.emit(LoopLag, lag, self._blocker)
            self._blocker = None
            self._emit_findings()

    def _emit_findings(self) -> None:
        for lease in self._registry.alive():
            if lease.refused:
                lease.over.set()
        failure, self._failure = self._failure, None
        if failure is not None:
            self._bus.emit(StoreFailed, "heartbeat", failure)
        recovered, self._recovered = self._recovered, False
        if recovered:
            self._recovery.notify()
        if self._time.was_set_back():
            self._services.planner.clock_was_set()
        skew, self._skew = self._skew, 0.0
        if abs(skew) > SKEW_LIMIT:
            self._bus.emit(ClockSkew, skew)

    def _handler_on_the_loop(self) -> str | None:
        """Return the name of the worker whose handler the event loop's thread executes now."""
        handlers: Mapping[CodeType, str] = {
            worker.handler.__code__: worker.name
            for worker in self._workers()
            if hasattr(worker.handler, "__code__")
        }
        # The documented way of CPython to inspect another thread, in spite of its underscore.
        frames = sys._current_frames()  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        frame: FrameType | None = frames.get(self._loop_thread)
        while frame is not None:
            if frame.f_code in handlers:
                return handlers[frame.f_code]
            frame = frame.f_back
        return None

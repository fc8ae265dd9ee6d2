"""Records which handlers wait for children, so that a crash is not counted for them.

A process that dies while a hundred handlers wait was hardly killed by one of these. The task
`WaitRecorder.run` is a service: once a second at most it records the handlers that have waited
for a second, and those that have gone on. It runs until it is cancelled; while the store is
unavailable it tries again.
"""

from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import final

from anyio import current_time, sleep

from bgjobs._core.jobs import Reservation
from bgjobs._runtime.notifications.wakeups import Wakeup
from bgjobs._runtime.services import ClientServices
from bgjobs.errors import StoreError
from bgjobs.stores.nurseries import Nurseries, nurseries_of

INTERVAL = 1.0
"""Seconds after which a wait is recorded, and between two writes."""


@final
class WaitRecorder:
    """Keeps the waits of the handlers of this process, and writes them."""

    def __init__(self, services: ClientServices) -> None:
        self._services = services
        self._waits: dict[Reservation, tuple[int, float]] = {}
        """In how many tasks each handler waits, and since when."""
        self._recorded = set[Reservation]()
        self._wakeup = Wakeup()

    @contextmanager
    def recorded(self, reservation: Reservation) -> Generator[None]:
        """Record during the block that the handler of this reservation waits."""
        tasks, since = self._waits.get(reservation, (0, current_time()))
        self._waits[reservation] = (tasks + 1, since)
        self._wakeup.set()
        try:
            yield
        finally:
            tasks, since = self._waits.pop(reservation)
            if tasks > 1:
                self._waits[reservation] = (tasks - 1, since)
            elif reservation in self._recorded:
                self._wakeup.set()

    async def run(self) -> None:
        """Write the waits until cancelled."""
        nurseries = nurseries_of(self._services.store)
        while nurseries is not None:
            while self._recorded != self._waits.keys():  # also after a crash of this task
                await sleep(INTERVAL)
                with suppress(StoreError):  # emitted as StoreFailed
                    await self._write(nurseries)
            await self._wakeup.wait()

    async def _write(self, nurseries: Nurseries) -> None:
        before = current_time() - INTERVAL
        begun = {one for one, (_, since) in self._waits.items() if since <= before}
        begun -= self._recorded
        ended = self._recorded.difference(self._waits)
        if begun or ended:
            now = self._services.clock.store_now()
            await self._services.dispatch.once(nurseries.record_waits, begun, ended, now=now)
            self._recorded = (self._recorded | begun) - ended

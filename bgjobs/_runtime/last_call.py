"""Bounds how long the end of an application waits for its store."""

from typing import final

from anyio import CancelScope, CapacityLimiter, Event, sleep, to_thread

from bgjobs._core.clock import Clock
from bgjobs._runtime.cancellation import outliving
from bgjobs.stores.abc import Store

LAST_RELEASE = 10.0
"""Seconds, after the queues have ended, to give back what is left; then the leases do it."""


@final
class LastCall:
    """Closes the store under those who still wait for it, when that is over.

    A call in a thread cannot be cancelled, and a server that is silent ends none.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._scope = CancelScope(shield=True)
        self.begun: Event = Event()
        """Set when the queues have ended."""

    async def run(self) -> None:
        """Wait for the end of the queues, then for the time that is left; until cancelled."""
        await outliving(self._wait_and_close)

    async def _wait_and_close(self) -> None:
        with self._scope:
            await self.begun.wait()
            await sleep(LAST_RELEASE)
            if self._clock.inline:
                self._store.close()
            else:
                await to_thread.run_sync(self._store.close, limiter=CapacityLimiter(1))

    def cancel(self) -> None:
        """All is done that had to be done."""
        self._scope.cancel()

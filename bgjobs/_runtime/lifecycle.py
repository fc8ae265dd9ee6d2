"""How far a running application has come: it runs, it stops, it has ended."""

from typing import Any, final

from anyio import CancelScope, CapacityLimiter, Event, sleep, to_thread

from bgjobs._core.clock import Clock
from bgjobs._runtime.cancellation import is_natively_cancelled, native_task, run_shielded
from bgjobs.errors import NotRunningError
from bgjobs.stores.port import Store


@final
class Lifecycle:
    """Shared by all that users hold in their hands."""

    def __init__(self) -> None:
        self.stopping: Event = Event()
        """Set by `BgJobs.stop`."""
        self.left: bool = False
        """Set when the block of `run` has been left; handlers may go on."""
        self.ended: bool = False
        """Set when the last handler has ended."""
        self.host: Any = None
        """The `asyncio.Task` of the block, if there is one."""

    @property
    def is_ending(self) -> bool:
        """Whether waiting for other jobs is in vain: no more are started here."""
        return self.left or self.stopping.is_set()

    def is_torn_down(self, since: int) -> bool:
        """Whether asyncio has cancelled both the block and the task that asks natively.

        `since` is what `Task.cancelling` of the block was before: a block that has swallowed a
        cancellation counts it for ever.
        """
        if self.host is None or self.host.cancelling() <= since:
            return False
        return is_natively_cancelled(native_task())

    def check(self) -> None:
        """Raise `NotRunningError` once it has ended."""
        if self.ended:
            raise NotRunningError


RELEASE_TIMEOUT = 10.0
"""Seconds, after the queues have ended, to give back what is left; then the leases do it."""


@final
class ShutdownTimeout:
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
        await run_shielded(self._wait_and_close)

    async def _wait_and_close(self) -> None:
        with self._scope:
            await self.begun.wait()
            await sleep(RELEASE_TIMEOUT)
            if self._clock.inline:
                self._store.close()
            else:
                await to_thread.run_sync(self._store.close, limiter=CapacityLimiter(1))

    def cancel(self) -> None:
        """All is done that had to be done."""
        self._scope.cancel()

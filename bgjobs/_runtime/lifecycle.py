"""The phases of a running application, and the time limit for its end."""

from typing import Any, final

from anyio import CancelScope, CapacityLimiter, Event, sleep, to_thread

from bgjobs._core.clock import Clock
from bgjobs._runtime.cancellation import is_natively_cancelled, native_task, run_shielded
from bgjobs.errors import NotRunningError
from bgjobs.stores.port import Store


@final
class Lifecycle:
    """Whether an application runs, stops or has ended; shared by all of its public objects."""

    def __init__(self) -> None:
        self.stopping: Event = Event()
        """Set by `BgJobs.stop`."""
        self.left: bool = False
        """Set when the block of `run` has been left; handlers may still run."""
        self.ended: bool = False
        """Set when the last handler has ended."""
        self.host: Any = None
        """The `asyncio.Task` that runs the block; None under Trio."""

    @property
    def is_ending(self) -> bool:
        """Whether the application stops: it starts no new jobs, so do not wait for one."""
        return self.left or self.stopping.is_set()

    def is_torn_down(self, since: int) -> bool:
        """Whether asyncio has natively cancelled both the host task and the current one.

        `since` is an earlier value of `Task.cancelling` of the host task. A block that has
        swallowed a cancellation leaves that number above 0 for good.
        """
        if self.host is None or self.host.cancelling() <= since:
            return False
        return is_natively_cancelled(native_task())

    def check(self) -> None:
        """Raise `NotRunningError` once the last handler has ended."""
        if self.ended:
            raise NotRunningError


RELEASE_TIMEOUT = 10.0
"""Seconds to release the remaining jobs after the queues have ended; then leases expire."""


@final
class ShutdownTimeout:
    """Closes the store some time after the queues have ended, although calls still wait for it.

    A call in a thread cannot be cancelled, and one of a server that does not answer never
    returns. Closing the connection ends it.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._scope = CancelScope(shield=True)
        self.begun: Event = Event()
        """Set when the queues have ended."""

    async def run(self) -> None:
        """Wait for `begun` and the timeout, then close the store; `cancel` ends the wait."""
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
        """End `run` without closing the store, as everything was released in time."""
        self._scope.cancel()

"""Ends a queue shortly before its lease ends, and protects its writes until then.

`LeaseGuard.run` is a task of `Consumer`, which cancels it when the queue has ended by itself.
When the lease is over it raises `LeaseLostError`, which cancels the handlers of the queue.
Renewals come from the heartbeat thread, so an unavailable store lets the lease run out.
"""

from collections.abc import Generator
from contextlib import contextmanager
from typing import final

from anyio import CancelScope, current_time, move_on_after

from bgjobs._core.clock import Clock
from bgjobs._runtime.leases.registry import Lease
from bgjobs.errors import LeaseLostError

SHORTEST_WAIT = 0.01
"""Seconds that a settlement gets in any case, and between two checks of an ending lease."""


@final
class LeaseGuard:
    """The lease of one start of a queue, as the deadline of its tasks."""

    def __init__(self, lease: Lease, clock: Clock) -> None:
        self._lease = lease
        self._clock = clock
        self._scopes: set[CancelScope] = set()

    async def run(self) -> None:
        """Raise `LeaseLostError` when the lease is over; until then, follow its renewals."""
        while left := self._left():
            for scope in self._scopes:
                scope.deadline = current_time() + left
            with move_on_after(max(left / 2, SHORTEST_WAIT)):
                await self._lease.over.wait()
        for scope in self._scopes:
            scope.cancel()
        raise self._lost() from self._lease.failure

    @contextmanager
    def settling(self) -> Generator[None]:
        """Shield the block from every cancellation but that at the end of the lease."""
        left = max(self._left(), SHORTEST_WAIT)
        with CancelScope(shield=True, deadline=current_time() + left) as scope:
            self._scopes.add(scope)
            try:
                yield
            finally:
                self._scopes.remove(scope)
        if scope.cancelled_caught:
            raise self._lost() from self._lease.failure

    def _lost(self) -> LeaseLostError:
        failure = self._lease.failure
        return LeaseLostError(self._lease.owner.name, "" if failure is None else f"{failure}")

    def _left(self) -> float:
        return self._lease.left(self._clock.monotonic())

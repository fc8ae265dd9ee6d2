"""The block of a handler in which its planned children run, and the check of its end."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, final
from uuid import UUID

import trio
from attrs import frozen

import bgjobs
from bgjobs._core.exceptions import leaves
from bgjobs._core.requests import JobRequest
from bgjobs.errors import ChildCancelledError, ChildFailedError, UnknownJobError
from tests.reliability.simulation.planned import PlannedJob
from tests.reliability.simulation.records import Journal, Run
from tests.reliability.simulation.trees import total_of

Child = bgjobs.ChildJob[Any]


@final
@frozen(kw_only=True)
class Block:
    """What the nursery of a run uses."""

    run: Run
    planned: PlannedJob
    children: Sequence[PlannedJob]
    """Those of this run."""
    request_for: Callable[[PlannedJob], JobRequest]
    act: Callable[[], None]
    """Called at the end of the block; it may raise."""
    go_on: Callable[[Run], None]
    """Checks that a run has a place in its queue."""
    live_among: Callable[[str, Sequence[UUID]], Sequence[UUID]]
    """Returns which jobs are live children of a job."""
    journal: Journal

    async def total(self, context: bgjobs.JobContext) -> int:
        """Start the children, wait for their end, and return the sum of what they return."""
        started: list[Child] = []
        nursery = context.open_nursery(cancel_on_failure=not self.planned.goes_on)
        self.run.is_nursing = self.run.has_nursed = True
        try:
            await self._play(nursery, started)
        except Exception as error:
            await self._go_on()
            if not is_from_children(error):
                raise
            self._check_end(started)
            if not self.planned.catches:
                raise
            return 0
        await self._go_on()
        self._check_end(started)
        return self._sum(started)

    async def _play(
        self, opening: AbstractAsyncContextManager[bgjobs.JobNursery], started: list[Child]
    ) -> None:
        async with opening as nursery:
            try:
                await self._run_body(nursery, started)
            finally:  # however the body is left, the block waits for the children
                self.run.waits = True

    async def _run_body(self, nursery: bgjobs.JobNursery, started: list[Child]) -> None:
        for planned in self.children:
            key = f"child {planned.number}" if self.planned.is_keyed else None
            started.append(await nursery.enqueue(self.request_for(planned), key=key))
            await trio.sleep(self.planned.pause)
        if self.planned.waits_inside and started:
            self.run.waits = True
            await started[0].wait()
            await trio.lowlevel.checkpoint()
            self.run.waits = False
            self.go_on(self.run)
        self.act()

    async def _go_on(self) -> None:
        await trio.lowlevel.checkpoint()  # raises if the run is cancelled, so needs no place
        self.run.waits = self.run.is_nursing = False
        self.go_on(self.run)

    def _check_end(self, started: Sequence[Child]) -> None:
        """Check that no child is live after the block, unless another run has begun it anew."""
        live = self.live_among(self.run.job, [child.id for child in started])
        self.journal.expect(
            not live, f"job {self.run.job}: its block has ended before {live} did"
        )

    def _sum(self, started: Sequence[Child]) -> int:
        total = 0
        for planned, child in zip(self.children, started, strict=True):
            if planned.worker != "plain":
                continue
            found, wanted = child.result[0], total_of(planned)
            right = wanted is None or found == wanted
            self.journal.expect(right, f"child {child.id}: returned {found}, not {wanted}")
            total += found
        return total


def is_from_children(error: BaseException) -> bool:
    """Whether an error says only that children have ended without success, or were pruned."""
    kinds = ChildFailedError, ChildCancelledError, UnknownJobError
    return all(isinstance(one, kinds) for one in leaves(error))

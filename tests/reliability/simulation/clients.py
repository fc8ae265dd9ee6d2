"""What the application and its operators do in each process: they enqueue, and give orders."""

from collections.abc import Sequence
from contextlib import suppress
from random import Random
from typing import final

import trio

import bgjobs
from bgjobs._core.exceptions import leaves
from bgjobs._core.jobs import AnyJob
from bgjobs.errors import ParentLostError, StoreUnavailableError
from tests.reliability.simulation.blocks import is_from_children
from tests.reliability.simulation.checker import Checker
from tests.reliability.simulation.network import NetworkFaults
from tests.reliability.simulation.plan import Plan
from tests.reliability.simulation.planned import PlannedJob, PlannedOrder
from tests.reliability.simulation.process import Process
from tests.reliability.simulation.records import Journal
from tests.reliability.simulation.workload import EnqueueLog, request_for

QUEUES = "a", "b"
RESTART_DELAY = 3.0
"""Seconds after which a process that has ended is started again."""


@final
class Clients:
    """What uses the processes of one seed, other than their handlers."""

    def __init__(
        self,
        plan: Plan,
        network_faults: NetworkFaults,
        log: EnqueueLog,
        checker: Checker,
        journal: Journal,
    ) -> None:
        self._plan = plan
        self._network_faults = network_faults
        self._log = log
        self._checker = checker
        self._journal = journal
        self._open_orders = 0
        """How many orders are being given."""
        self._random = Random(f"clients {plan.seed}")

    @property
    def are_done(self) -> bool:
        """Whether nothing is asked of the store that adds a job."""
        return self._open_orders == 0 and self._log.is_done

    async def enqueue(self, process: Process, bg: bgjobs.BgJobs) -> None:
        """Enqueue one group of jobs after another, until none is left in any process."""
        while not self._log.is_done:
            if not (group := self._log.next_group()):
                await trio.sleep(RESTART_DELAY)
                continue
            began = False
            try:
                await trio.sleep(self._pause())
                began = True
                await self._store(process, bg, group)
            except Exception as error:
                if not _may_be_raised(error):  # else the jobs may be stored or not
                    raise
            finally:
                self._log.finished() if began else self._log.return_group(group)

    async def _store(
        self, process: Process, bg: bgjobs.BgJobs, group: Sequence[PlannedJob]
    ) -> None:
        requests = [request_for(one) for one in group]
        if not group[0].belongs_to_block:
            self._answered(process, group, await bg.enqueue_many(requests))
            return
        jobs: list[AnyJob] = []
        try:
            async with bg.open_nursery(cancel_on_failure=group[0].goes_on) as nursery:
                children = await nursery.enqueue_many(requests)
                jobs += [child.job for child in children]  # one may have ended already
                self._answered(process, group, jobs)
        except Exception as error:
            if not is_from_children(error):
                raise
        live = self._checker.children.live_among(None, [job.id for job in jobs])
        self._journal.expect(not live, f"{process.name}: a block has ended before {live} did")

    def _answered(
        self, process: Process, group: Sequence[PlannedJob], jobs: Sequence[AnyJob]
    ) -> None:
        if not process.was_killed:
            self._log.answered(group, jobs)

    async def give(self, process: Process, bg: bgjobs.BgJobs, order: PlannedOrder) -> None:
        """Carry out an order when it is time to, whatever its jobs do by then."""
        await trio.sleep(order.at - trio.current_time())
        self._open_orders += 1
        try:
            with suppress(StoreUnavailableError):  # the order may be carried out or not
                if order.kind in ("cancel", "retry"):
                    await self._change_jobs(process, bg, order)
                else:
                    await self._change_queue(process, bg, order)
        finally:
            self._open_orders -= 1

    async def _change_queue(
        self, process: Process, bg: bgjobs.BgJobs, order: PlannedOrder
    ) -> None:
        name = QUEUES[order.numbers[0] % self._plan.queues]
        self._journal.record(process.name, "orders", order.kind, name)
        if order.kind == "pause":
            await bg.admin.pause_queue(name)
        else:
            await bg.admin.resume_queue(name)

    async def _change_jobs(
        self, process: Process, bg: bgjobs.BgJobs, order: PlannedOrder
    ) -> None:
        ids = self._log.ids(order.numbers)
        if order.runs:
            ids += self._checker.runs_of_schedules
        self._journal.record(process.name, "orders", order.kind, *map(str, ids))
        if order.kind == "cancel":
            await bg.admin.cancel(*ids, reason="as planned", by="ada")
        else:
            await bg.admin.retry(*ids, by="grace")

    def _pause(self) -> float:
        """Return a pause in seconds, which spreads the groups over the time of the faults."""
        if self._network_faults.is_over:
            return 0.0
        spread = self._plan.duration * self._plan.nodes / (len(self._plan.planned_jobs) + 1)
        return 2 * spread * self._random.random()


def _may_be_raised(error: BaseException) -> bool:
    """Whether the store was unavailable, or a nursery has lost its lease."""
    kinds = StoreUnavailableError, ParentLostError
    return any(isinstance(one, kinds) for one in leaves(error))

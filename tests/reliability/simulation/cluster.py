"""The cluster: processes with the real runtime over one store, and the scenario of faults."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, cast, final

import trio

import bgjobs
from bgjobs._core.outcomes import Limits
from bgjobs.backoff import Constant, Exponential
from bgjobs.errors import StoreUnavailableError
from tests.reliability.simulation.checker import Checker
from tests.reliability.simulation.clients import QUEUES, RESTART_DELAY, Clients
from tests.reliability.simulation.database import Database
from tests.reliability.simulation.events import EventChecker
from tests.reliability.simulation.network import NetworkFaults, StoreConnection
from tests.reliability.simulation.plan import LEASE, Plan
from tests.reliability.simulation.planned import PlannedFault
from tests.reliability.simulation.process import PROCESS, Process, ProcessClock, SharedClock
from tests.reliability.simulation.records import Journal
from tests.reliability.simulation.workload import (
    WORKLOAD,
    EnqueueLog,
    Workload,
    around,
    beat,
    plain,
    timed,
)

TOLERANCE = bgjobs.RestartTolerance(restarts=1000)
"""Enough restarts for any seed: their limit is not tested here."""
_KEPT = timedelta(seconds=4 * LEASE)
PRUNED = bgjobs.Retention(succeeded=_KEPT, failed=_KEPT, cancelled=_KEPT, interval=LEASE / 4)
"""Ended jobs are kept for longer than any fault: a job that was pruned while the write that had
stored it is repeated would be stored again."""
BEAT = LEASE / 3
SWEEP = LEASE / 2


@final
class Cluster:
    """The cluster of one seed."""

    def __init__(self, plan: Plan, database: Database, shared_clock: SharedClock) -> None:
        self.plan = plan
        self.shared_clock = shared_clock
        self.database = database
        self.journal = Journal()
        self.network_faults = NetworkFaults(plan.seed, plan.faults)
        self.enqueue_log = EnqueueLog(plan.planned_jobs, self.journal)
        self.checker = Checker(plan, self.journal, shared_clock, self.enqueue_log)
        self.nodes: dict[int, Process] = {}
        """The process that each node runs now."""
        self.running: dict[Process, bgjobs.BgJobs] = {}
        self.is_closing = False
        """Whether the cluster starts no new processes."""
        self._starts = 0
        self.clients = Clients(
            plan, self.network_faults, self.enqueue_log, self.checker, self.journal
        )
        log, runs = self.enqueue_log, self.checker.runs
        live_among = self.checker.children.live_among
        WORKLOAD.set(
            Workload(
                runs, log.planned_jobs, log.ids, plan.concurrency, live_among, self.journal
            )
        )

    @property
    def staying(self) -> set[str]:
        """The names of the processes that were not told to stop."""
        return {one.name for one in self.nodes.values() if not one.stopping.is_set()}

    def start(self, nursery: trio.Nursery, node: int) -> None:
        """Start a process on a node that has none."""
        if node not in self.nodes and not self.is_closing:
            self._starts += 1
            process = Process(f"{node}.{self._starts}", node, self.plan.skews[node])
            self.nodes[node] = process
            self.journal.record(process.name, "starts")
            nursery.start_soon(self._run_process, nursery, process)

    def kill(self, process: Process) -> None:
        """Kill a process."""
        self.journal.record(process.name, "is killed")
        self.nodes.pop(process.node)
        process.kill()
        self.checker.runs.killed(process)

    def stop(self, process: Process, grace: float) -> None:
        """Stop a process gracefully."""
        self.journal.record(process.name, "is stopped")
        process.grace = grace
        process.stopping.set()

    async def _run_process(self, nursery: trio.Nursery, process: Process) -> None:
        PROCESS.set(process)
        try:
            with process.scope:
                await self._run(process)
        except Exception as error:  # noqa: BLE001 - every error is checked
            self._check_error(process, error)
        self.running.pop(process, None)
        self.journal.record(process.name, "has ended")
        process.ended.set()
        if self.nodes.get(process.node) is process:
            del self.nodes[process.node]
            if not process.stopping.is_set():
                await trio.sleep(RESTART_DELAY)
                self.start(nursery, process.node)

    async def _run(self, process: Process) -> None:
        async with bgjobs.run(self._config(process)) as bg:
            self.running[process] = bg
            async with trio.open_nursery() as clients:
                clients.start_soon(self.clients.enqueue, process, bg)
                for order in self.plan.orders:
                    if order.node == process.node and order.at >= trio.current_time():
                        clients.start_soon(self.clients.give, process, bg, order)
                await process.stopping.wait()
                clients.cancel_scope.cancel()
            bg.stop(grace=process.grace)

    @property
    def is_at_rest(self) -> bool:
        """Whether all jobs have ended, and nothing is asked of the store that adds one."""
        return self.clients.are_done and not self.checker.waiting

    def _check_error(self, process: Process, error: Exception) -> None:
        """Check that `run` raised only because the store was unavailable at its start."""
        setup = isinstance(error, StoreUnavailableError) and process not in self.running
        if not (setup or process.was_killed):
            self.journal.fail(f"{process.name}: run raised {error!r}")

    async def keep_resumed(self) -> None:
        """Resume the queues that an operator has paused: orders may be carried out late."""
        while not self.is_closing:
            for name in QUEUES:
                self.database.store.operations.resume_queue(name)
            await trio.sleep(LEASE)

    def _config(self, process: Process) -> bgjobs.Config:
        plan = self.plan
        connection = StoreConnection(
            process,
            plan.connections,
            self.database,
            self.network_faults,
            self.checker,
            self.journal,
        )
        return bgjobs.Config(
            # Cast: it has all methods of a store, as attributes.
            store=cast("bgjobs.Store", connection),
            queues=[self._queue(name) for name in QUEUES[: plan.queues]],
            scheduled_jobs=[self._scheduled(number) for number in range(plan.schedules)],
            listeners=[EventChecker(process, plan, self.checker, self.journal)],
            lease=LEASE,
            heartbeat_interval=BEAT,
            sweep_interval=SWEEP,
            store_timeout=plan.store_timeout,
            limits=Limits(max_crashes=plan.max_crashes),
            restart_tolerance=TOLERANCE,
            retention=bgjobs.Retention() if plan.keeps_ended else PRUNED,
            clock=ProcessClock(self.shared_clock, timedelta(seconds=process.skew)),
        )

    def _queue(self, name: str) -> bgjobs.Queue:
        workers: Sequence[Any] = [plain, timed] if name == "a" else [plain]
        return bgjobs.Queue(
            name,
            workers=workers,
            concurrency=self.plan.concurrency,
            max_waiting=self.plan.max_waiting,
            max_retries=self.plan.max_retries,
            backoff=Exponential(base=1.0, maximum=4.0),
            poll_interval=self.plan.poll,
            middleware=[around] if name == "a" else [],
        )

    def _scheduled(self, number: int) -> bgjobs.ScheduledJob:
        seconds = self.plan.poll * (1 + number) * 1.5
        return bgjobs.ScheduledJob(
            beat,
            bgjobs.every(seconds=seconds),
            name=f"beat {number}",
            max_retries=self.plan.max_retries,
            backoff=Constant(
                1.0
            ),  # a backoff without random numbers, which the seed does not determine
            catch_up=self.plan.catch_up,
            poll_interval=2 * self.plan.poll,
        )


REST_TIMEOUT = 50 * LEASE
"""Seconds after the end of faults within which all jobs must have ended."""


async def run_scenario(cluster: Cluster, nursery: trio.Nursery) -> None:
    """Start the processes, inject faults, end them, and wait until all jobs have ended."""
    plan = cluster.plan
    for node in range(plan.nodes):
        cluster.start(nursery, node)
    async with trio.open_nursery() as faults:
        for fault in plan.planned_faults:
            faults.start_soon(_inject, cluster, nursery, fault)
        await trio.sleep(plan.duration)
        faults.cancel_scope.cancel()
    _end_faults(cluster, nursery)
    nursery.start_soon(cluster.keep_resumed)
    with trio.move_on_after(REST_TIMEOUT) as timeout:
        await _wait_for_rest(cluster)
        await _stop_all(cluster)
    checker = cluster.checker
    text = f"left: {list(checker.live.values())}, owners of {checker.owners.open}"
    cluster.journal.expect(not timeout.cancelled_caught, text)


async def _inject(cluster: Cluster, nursery: trio.Nursery, fault: PlannedFault) -> None:
    await trio.sleep(fault.at)
    cluster.journal.record(fault.kind, fault.node, fault.size)
    if fault.kind == "jump":
        cluster.shared_clock.jump(fault.size)
    elif fault.kind == "outage":
        cluster.network_faults.outage(fault.node, fault.size)
    else:
        async with trio.open_nursery() as tasks:
            for process in tuple(cluster.nodes.values()):
                if fault.node in (None, process.node):
                    tasks.start_soon(_inject_into, cluster, nursery, fault, process)


async def _inject_into(
    cluster: Cluster, nursery: trio.Nursery, fault: PlannedFault, process: Process
) -> None:
    match fault.kind:
        case "pause":
            await process.pause(fault.size)
        case "kill":
            cluster.kill(process)
            await trio.sleep(fault.size)
            cluster.start(nursery, process.node)
        case _:
            cluster.stop(process, grace=fault.size)
            await process.ended.wait()
            await trio.sleep(fault.size)
            cluster.start(nursery, process.node)


def _end_faults(cluster: Cluster, nursery: trio.Nursery) -> None:
    """End all faults; stop or kill some nodes, while at least one stays."""
    cluster.journal.record("faults end")
    cluster.network_faults.end_faults()
    for process in tuple(cluster.nodes.values()):
        process.resume()
        ending = cluster.plan.endings[process.node]
        if ending == "kill":
            cluster.kill(process)
        elif ending == "stop":
            cluster.stop(process, grace=1.0)
    for node, ending in enumerate(cluster.plan.endings):
        if ending == "stay":
            nursery.start_soon(_keep_running, cluster, nursery, node)


async def _keep_running(cluster: Cluster, nursery: trio.Nursery, node: int) -> None:
    """Start a process on a node without one, or after the end of one that stops."""
    process = cluster.nodes.get(node)
    if process is not None and process.stopping.is_set():
        await process.ended.wait()
    cluster.start(nursery, node)


async def _wait_for_rest(cluster: Cluster) -> None:
    """Wait until all jobs have ended, and no dead process has an owner or a job."""
    while not cluster.is_at_rest:
        await trio.sleep(1.0)
        for process, bg in tuple(cluster.running.items()):
            if cluster.enqueue_log.is_done and not (
                process.stopping.is_set() or process.was_killed
            ):
                await _drain(cluster, process, bg)
    while not cluster.staying.issuperset(
        [*cluster.checker.owners.open, *cluster.checker.holders]
    ):
        await trio.sleep(1.0)


async def _drain(cluster: Cluster, process: Process, bg: bgjobs.BgJobs) -> None:
    """Call `drain`, and check that no job waits when it returns."""
    drained = await bg.drain(with_delayed=True)
    left = [row.id for row in cluster.checker.waiting]
    cluster.journal.expect(drained and not left, f"{process.name} is drained, but {left} wait")


async def _stop_all(cluster: Cluster) -> None:
    """Stop all processes, and wait for their end."""
    cluster.is_closing = True
    for process in tuple(cluster.nodes.values()):
        cluster.stop(process, grace=LEASE)
    for process in tuple(cluster.nodes.values()):
        await process.ended.wait()

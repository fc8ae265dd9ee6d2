"""Several processes of the real runtime over one store, and those who enqueue in them."""

from collections.abc import Sequence
from datetime import timedelta
from random import Random
from typing import Any, cast, final

import trio

import bgjobs
from bgjobs._core.outcomes import Limits
from bgjobs.backoff import Constant, Exponential
from bgjobs.errors import StoreUnavailableError
from tests.reliability.simulation.disk import Disk
from tests.reliability.simulation.handlers import STAGE, Stage, beat, plain, request_for, timed
from tests.reliability.simulation.journal import Journal
from tests.reliability.simulation.ledger import Ledger
from tests.reliability.simulation.line import Line
from tests.reliability.simulation.listening import Ear
from tests.reliability.simulation.machine import Machine, ProcessClock
from tests.reliability.simulation.plan import LEASE, Plan
from tests.reliability.simulation.process import PROCESS, Process
from tests.reliability.simulation.weather import Weather
from tests.reliability.simulation.witness import Witness

TOLERANCE = bgjobs.RestartTolerance(restarts=1000)
"""No child gives up: how often it may crash is not what is looked at here."""
BEAT = LEASE / 3
SWEEP = LEASE / 2
LATER = 3.0
"""Seconds after which a process that could not start is started again."""


@final
class World:
    """What one seed has made."""

    def __init__(self, plan: Plan, disk: Disk, machine: Machine) -> None:
        self.plan = plan
        self.machine = machine
        self.disk = disk
        self.journal = Journal()
        self.weather = Weather(plan.seed, plan.faults)
        self.ledger = Ledger(plan.orders, self.journal)
        self.witness = Witness(plan, self.journal, machine, self.ledger)
        self.nodes: dict[int, Process] = {}
        """The process that each node runs now."""
        self.running: dict[Process, bgjobs.BgJobs] = {}
        self.is_closing = False
        """Whether no process is started any more."""
        self._starts = 0
        self._random = Random(f"clients {plan.seed}")
        STAGE.set(Stage(self.witness.runs, self.ledger.orders))

    @property
    def staying(self) -> set[str]:
        """Name the processes that go on for now."""
        return {one.name for one in self.nodes.values() if not one.stopping.is_set()}

    def start(self, nursery: trio.Nursery, node: int) -> None:
        """Start a process on a node that has none."""
        if node not in self.nodes and not self.is_closing:
            self._starts += 1
            process = Process(f"{node}.{self._starts}", node, self.plan.skews[node])
            self.nodes[node] = process
            self.journal.note(process.name, "starts")
            nursery.start_soon(self._live, nursery, process)

    def kill(self, process: Process) -> None:
        """End a process at once."""
        self.journal.note(process.name, "is killed")
        self.nodes.pop(process.node)
        process.kill()
        self.witness.runs.killed(process)

    def stop(self, process: Process, grace: float) -> None:
        """Tell a process to stop."""
        self.journal.note(process.name, "is stopped")
        process.grace = grace
        process.stopping.set()

    async def _live(self, nursery: trio.Nursery, process: Process) -> None:
        PROCESS.set(process)
        try:
            with process.scope:
                await self._run(process)
        except Exception as error:  # noqa: BLE001 - whatever leaves is judged
            self._judge(process, error)
        self.running.pop(process, None)
        self.journal.note(process.name, "has ended")
        process.over.set()
        if self.nodes.get(process.node) is process:
            del self.nodes[process.node]
            if not process.stopping.is_set():
                await trio.sleep(LATER)
                self.start(nursery, process.node)

    async def _run(self, process: Process) -> None:
        async with bgjobs.run(self._config(process)) as bg:
            self.running[process] = bg
            async with trio.open_nursery() as clients:
                clients.start_soon(self._enqueue, process, bg)
                await process.stopping.wait()
                clients.cancel_scope.cancel()
            bg.stop(grace=process.grace)

    def _judge(self, process: Process, error: Exception) -> None:
        """Say whether that may leave `run`: only where the store was away at its start."""
        setup = isinstance(error, StoreUnavailableError) and process not in self.running
        if not (setup or process.dead):
            self.journal.wrong(f"{process.name}: run raised {error!r}")

    async def _enqueue(self, process: Process, bg: bgjobs.BgJobs) -> None:
        """Place orders, one group after the other, until none is left anywhere."""
        while not self.ledger.is_done:
            if not (group := self.ledger.take()):
                await trio.sleep(LATER)
                continue
            began = False
            try:
                await trio.sleep(self._pause())
                began = True
                jobs = await bg.enqueue_many([request_for(one) for one in group])
            except StoreUnavailableError:
                jobs = ()  # they may be stored or not
            finally:
                self.ledger.placed() if began else self.ledger.give_back(group)
            if jobs and not process.dead:
                self.ledger.answered(group, jobs)

    def _pause(self) -> float:
        """Say how many seconds a client has nothing to do, so that the storm is filled."""
        if self.weather.is_calm:
            return 0.0
        spread = self.plan.storm * self.plan.nodes / (len(self.plan.orders) + 1)
        return 2 * spread * self._random.random()

    def _config(self, process: Process) -> bgjobs.Config:
        plan = self.plan
        line = Line(
            process, plan.connections, self.disk, self.weather, self.witness, self.journal
        )
        return bgjobs.Config(
            # Cast: it has the verbs, as attributes.
            store=cast("bgjobs.Store", line),
            queues=[self._queue(name) for name in ("a", "b")[: plan.queues]],
            scheduled_jobs=[self._scheduled(number) for number in range(plan.schedules)],
            listeners=[Ear(process, plan, self.witness, self.journal)],
            lease=LEASE,
            heartbeat_interval=BEAT,
            sweep_interval=SWEEP,
            store_timeout=plan.store_timeout,
            limits=Limits(max_crashes=plan.max_crashes),
            restart_tolerance=TOLERANCE,
            clock=ProcessClock(self.machine, timedelta(seconds=process.skew)),
        )

    def _queue(self, name: str) -> bgjobs.Queue:
        workers: Sequence[Any] = [plain, timed] if name == "a" else [plain]
        return bgjobs.Queue(
            name,
            workers=workers,
            concurrency=self.plan.concurrency,
            max_retries=self.plan.max_retries,
            backoff=Exponential(base=1.0, maximum=4.0),
            poll_interval=self.plan.poll,
        )

    def _scheduled(self, number: int) -> bgjobs.ScheduledJob:
        seconds = self.plan.poll * (1 + number) * 1.5
        return bgjobs.ScheduledJob(
            beat,
            bgjobs.every(seconds=seconds),
            name=f"beat {number}",
            max_retries=self.plan.max_retries,
            backoff=Constant(1.0),  # its chance is not ours to seed
            catch_up=self.plan.late,
            poll_interval=2 * self.plan.poll,
        )

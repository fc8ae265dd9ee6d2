"""The workload: handlers that do what the plan says, and the log of enqueued jobs."""

import json
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from functools import partial
from typing import Any, final
from uuid import UUID

import trio
from attrs import field, frozen

import bgjobs
from bgjobs._core.exceptions import leaves, unwrapped
from bgjobs._core.jobs import AnyJob, Job
from bgjobs._core.outcomes import Discard, Snooze
from bgjobs._core.requests import JobRequest
from bgjobs.errors import BgJobsError
from tests.reliability.simulation.blocks import Block
from tests.reliability.simulation.plan import TIMEOUT
from tests.reliability.simulation.planned import Action, PlannedJob, Step
from tests.reliability.simulation.process import PROCESS
from tests.reliability.simulation.records import End, Journal, Run, Runs
from tests.reliability.simulation.trees import all_of

SNOOZE = 2.0
"""Seconds."""
BEATS = PlannedJob(number=-1, worker="beat", steps=(Step("return", 0.5),) * 100, writes=True)
"""What the runs of a scheduled job do."""


class Bug(BaseException):
    """An error that crashes the queue."""


class TransactionError(Exception):
    """An error inside the transaction that completes a job."""


class GivenUpError(Exception):
    """An error after which no job is retried."""


RETRIED = (ValueError, TransactionError, TimeoutError, BgJobsError)
"""The errors after which a job is retried."""


@final
@frozen
class Workload:
    """Everything that the handlers use."""

    runs: Runs
    planned_jobs: Mapping[int, PlannedJob]
    ids: Callable[[Sequence[int]], Sequence[UUID]]
    """Returns the ids of planned jobs that are stored."""
    concurrency: int
    """Of the queues."""
    live_among: Callable[[str, Sequence[UUID]], Sequence[UUID]]
    """Returns which jobs are live children of a job."""
    journal: Journal
    turns: Counter[int] = field(factory=Counter[int])
    """How many runs of each planned job have begun: a child that is stored anew goes on."""


WORKLOAD: ContextVar[Workload] = ContextVar("WORKLOAD")
IS_INSIDE: ContextVar[bool] = ContextVar("IS_INSIDE", default=False)
"""Whether a handler runs inside middleware."""


@bgjobs.worker(name="plain", keep_result=True, retry_on=RETRIED)
async def plain(context: bgjobs.JobContext, number: int) -> tuple[int, int]:
    """Do what the plan says; return its number with those of its children, and the run's."""
    run = await _perform(context, WORKLOAD.get().planned_jobs[number], timed=False)
    result = number + (0 if run is None else run.total), context.job.reservations
    if run is not None:
        run.result = json.dumps(result, separators=(",", ":"))
    return result


@bgjobs.worker(name="timed", timeout=TIMEOUT, retry_on=RETRIED)
async def timed(context: bgjobs.JobContext, number: int) -> None:
    """Do the same, with a timeout."""
    await _perform(context, WORKLOAD.get().planned_jobs[number], timed=True)


@bgjobs.worker(name="beat")
async def beat(context: bgjobs.JobContext) -> None:
    """Run for a scheduled job."""
    await _perform(context, BEATS, timed=False)


def raises_at_its_end(job: UUID) -> bool:
    """Whether the function that is called when a job has ended raises."""
    return job.int % 5 == 0


@timed.on_failure(cancelled=True)
@beat.on_failure
def write_at_the_end(raw: Any, job: bgjobs.FailedJob | bgjobs.CancelledJob) -> None:
    """Store the end of a job. Any: the connection of the driver."""
    raw.execute("insert into ends values (?, ?)", (str(job.id), job.reservations))
    if raises_at_its_end(job.id):
        raise HookError


class HookError(Exception):
    """An error of the function that is called when a job has ended."""


REPORTS = (0, 0, 1, 2, 7)
"""How often a run reports its progress; which of them, depends on the id of its job."""
WORKERS = {worker.name: worker for worker in (plain, timed)}


def request_for(planned_job: PlannedJob) -> JobRequest:
    """Return the request of a planned job."""
    request = (
        WORKERS[planned_job.worker].request(planned_job.number).priority(planned_job.priority)
    )
    if planned_job.delay:
        request = request.available_in(seconds=planned_job.delay)
    return request if planned_job.key is None else request.unique(planned_job.key)


@asynccontextmanager
async def around(job: Job, _context: bgjobs.JobContext) -> AsyncGenerator[None]:
    """Note that the middleware of a run is open, until its handler has ended."""
    token = IS_INSIDE.set(True)
    try:
        yield
    finally:
        IS_INSIDE.reset(token)
        run = WORKLOAD.get().runs.of(str(job.id), job.reservations)
        if run is not None:
            run.is_open = False


async def _perform(
    context: bgjobs.JobContext, planned_job: PlannedJob, *, timed: bool
) -> Run | None:
    process, job = PROCESS.get(), context.job
    if process.was_killed:
        await trio.lowlevel.checkpoint()  # its cancellation
        return None
    workload = WORKLOAD.get()
    runs = workload.runs
    turn = runs.count(job.id) if planned_job is BEATS else workload.turns[planned_job.number]
    workload.turns[planned_job.number] += 1
    step = planned_job.steps[turn] if turn < len(planned_job.steps) else Step()
    run = runs.began(process, job, timed=timed)
    run.is_open = IS_INSIDE.get()
    _check_concurrency(run)
    try:
        count = REPORTS[(job.id.int + turn) % len(REPORTS)]
        await _pass_time(context, run, step.seconds, planned_job.awaits, count)
        if planned_job.children:
            run.total = await _block(run, planned_job, step, turn).total(context)
    except trio.Cancelled:
        runs.ended(run, "cancelled")
        raise
    except Exception as error:
        runs.ended(run, _end_of(error))
        raise
    if planned_job.writes:
        run.writes = True
        context.complete_with(_effect(run))
    _finish(runs, run, step, context)
    return run


def _block(run: Run, planned_job: PlannedJob, step: Step, turn: int) -> Block:
    workload, children = WORKLOAD.get(), planned_job.children
    acts = planned_job.acts_inside and step.action in RAISED
    return Block(
        run=run,
        planned=planned_job,
        children=children[:-1] if planned_job.forgets and turn else children,
        request_for=request_for,
        act=partial(_raise, step.action) if acts else lambda: None,
        go_on=_check_concurrency,
        live_among=workload.live_among,
        journal=workload.journal,
    )


async def _pass_time(
    context: bgjobs.JobContext, run: Run, seconds: float, awaits: int | None, reports: int
) -> None:
    """Wait for a job that is stored, at most for some seconds; else report progress."""
    awaited = [] if awaits is None else WORKLOAD.get().ids([awaits])
    if not awaited:
        await _report(context, run, seconds, reports)
        return
    run.waits = True
    with trio.move_on_after(seconds), suppress(BgJobsError):
        await context.client.wait_for(awaited[0])
    await trio.lowlevel.checkpoint()  # raises if the run is cancelled, so needs no place
    run.waits = False
    _check_concurrency(run)


def _check_concurrency(run: Run) -> None:
    workload = WORKLOAD.get()
    most = 1 if run.is_scheduled else workload.concurrency
    workload.runs.check_concurrency(run, most)


async def _report(context: bgjobs.JobContext, run: Run, seconds: float, count: int) -> None:
    """Sleep, and report progress `count` times meanwhile, the last time at the end."""
    for _ in range(count):
        await trio.sleep(seconds / count)
        run.reports.append(run.number * 1_000 + len(run.reports))
        context.report_progress_sync(run.reports[-1])
    await trio.sleep(0 if count else seconds)


def _effect(run: Run) -> Callable[[Any], None]:
    # Any: the connection of the driver.
    return lambda raw: raw.execute("insert into effects values (?, ?)", (run.job, run.number))


def _finish(runs: Runs, run: Run, step: Step, context: bgjobs.JobContext) -> None:
    match step.action:
        case "crash":
            runs.ended(run, "crashed")
            raise Bug
        case "raise in transaction":
            runs.ended(run, "raised in transaction")
            context.complete_with(_raise_in_transaction)
        case "return":
            runs.ended(run, "returned")
        case action:
            runs.ended(run, RAISED[action][1])
            _raise(action)


RAISED: Mapping[Action, tuple[Callable[[], Exception], End]] = {
    "raise": (partial(ValueError, "as planned"), "raised"),
    "give up": (partial(GivenUpError, "as planned"), "gave up"),
    "discard": (partial(Discard, "as planned"), "discarded"),
    "snooze": (partial(Snooze, for_=SNOOZE), "snoozed"),
}
"""What these actions raise, and how a run ends by it."""


def _raise(action: Action) -> None:
    make, _ = RAISED[action]
    raise make()


def _end_of(error: BaseException) -> End:
    """Return how a run ends that the block of its children has left with this error."""
    alone = unwrapped(error)
    if isinstance(alone, Discard):
        return "discarded"
    if isinstance(alone, Snooze):
        return "snoozed"
    return "raised" if all(isinstance(one, RETRIED) for one in leaves(error)) else "gave up"


def _raise_in_transaction(raw: object) -> None:
    raise TransactionError


@final
class EnqueueLog:
    """The planned jobs: each group is enqueued once, by any process."""

    def __init__(self, groups: Sequence[Sequence[PlannedJob]], journal: Journal) -> None:
        self.planned_jobs = {one.number: one for one in all_of(groups)}
        self._groups = [tuple(one.number for one in group) for group in groups]
        self._left = list(reversed(self._groups))
        self._journal = journal
        self._stored: dict[int, UUID] = {}
        self._children: dict[int, UUID] = {}
        """The job that each planned child was stored as lately."""
        self._answered: dict[int, UUID] = {}
        self._open = len(self._groups)

    @property
    def is_done(self) -> bool:
        """Whether every group was enqueued, with or without success."""
        return self._open == 0

    def next_group(self) -> tuple[PlannedJob, ...]:
        """Return the next group to enqueue; an empty one if none is left."""
        if not self._left:
            return ()
        return tuple(self.planned_jobs[number] for number in self._left.pop())

    def return_group(self, group: Sequence[PlannedJob]) -> None:
        """Leave a group to another process, as this one has not begun to enqueue it."""
        self._left.append(tuple(one.number for one in group))

    def ids(self, numbers: Sequence[int]) -> list[UUID]:
        """Return the ids of the planned jobs that are stored by now."""
        known = self._stored | self._children
        return [known[number] for number in numbers if number in known]

    def finished(self) -> None:
        """Record that a group was enqueued, with or without success."""
        self._open -= 1

    def stored(self, number: int, job: UUID) -> None:
        """Record that a planned job was stored, and check that it was not before."""
        found = self._stored.setdefault(number, job)
        self._journal.expect(
            found == job, f"planned job {number}: stored as {found} and as {job}"
        )

    def stored_child(self, number: int, job: UUID) -> None:
        """Record that a planned child was stored, perhaps not for the first time."""
        self._children[number] = job

    def answered(self, group: Sequence[PlannedJob], jobs: Sequence[AnyJob]) -> None:
        """Record that a group was acknowledged, and check the returned jobs."""
        for planned_job, job in zip(group, jobs, strict=True):
            self._journal.record("answered", planned_job.number, str(job.id))
            self._answered[planned_job.number] = job.id
            theirs = job.unique_key == planned_job.key and planned_job.key is not None
            mine = self._stored.get(planned_job.number) == job.id
            self._journal.expect(
                mine or theirs, f"planned job {planned_job.number}: acknowledged as {job.id}"
            )

    def check(self, ended: Sequence[UUID]) -> None:
        """Check that all acknowledged jobs have ended, and that groups are complete."""
        known = set(ended)
        for number, job in self._answered.items():
            self._journal.expect(job in known, f"planned job {number}: {job} did not end")
        for group in self._groups:
            stored = [number for number in group if number in self._stored]
            whole = len(stored) in (0, len(group))
            keyed = any(self.planned_jobs[number].key for number in group)
            self._journal.expect(whole or keyed, f"group {group}: only {stored} were stored")

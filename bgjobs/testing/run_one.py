"""`run_one`: run one job once, the way a queue does."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Literal, TypeAlias, final
from uuid import UUID

from anyio import CancelScope
from attrs import evolve, field, frozen

from bgjobs._core.arguments import check_flag, check_type
from bgjobs._core.arguments import check_request as check_is_request
from bgjobs._core.clock import Clock, SystemClock
from bgjobs._core.config import AnyWorker
from bgjobs._core.exceptions import is_failure
from bgjobs._core.ids import new_id
from bgjobs._core.jobs import AnyJob, Job, LiveState, Owner
from bgjobs._core.middleware import Middleware, as_middleware
from bgjobs._core.outcomes import (
    Crashed,
    Discarded,
    Limits,
    Outcome,
    Raised,
    RetryPolicy,
    Returned,
    Snoozed,
    settle,
    settle_unfinished,
)
from bgjobs._core.requests import JobRequest
from bgjobs._core.settlements import Requeue, Settlement, Succeed
from bgjobs._core.workers import Worker
from bgjobs._runtime.persistence.results import with_reader
from bgjobs._runtime.persistence.work_errors import raised_by_work
from bgjobs._runtime.queues.attempt import Attempt, Environment
from bgjobs._runtime.queues.handler_errors import HandlerCrashedError
from bgjobs.backoff import IMMEDIATE
from bgjobs.stores.filters import JobFilter
from bgjobs.stores.pages import Page
from bgjobs.stores.port import Store
from bgjobs.stores.sqlite import SQLiteStore
from bgjobs.stores.types import NewJob
from bgjobs.testing.clock import VirtualClock, current_virtual_clock
from bgjobs.testing.internals import opened
from bgjobs.testing.manual import check_given, manual_environment
from bgjobs.testing.run_virtual import PausingWorkers

LEASE = timedelta(days=36_500)
"""Longer than any test, as no heartbeat renews the lease."""
_WAITING: Sequence[LiveState] = ("waiting", "delayed")

How: TypeAlias = Literal["succeeded", "raised", "discarded", "snoozed"]


@final
@frozen
class Ended:
    """How the run of `run_one` ended."""

    how: How
    job: AnyJob
    """The job as it is stored now; a `Job` if it was snoozed or would be retried."""
    error: BaseException | None = field(default=None, repr=False)
    """What the handler raised: an `Exception`, or `SystemExit`."""
    delay: timedelta | None = None
    """How long the job is snoozed."""


async def run_one(
    worker: AnyWorker,
    request: JobRequest,
    *,
    store: Store | None = None,
    resources: object = None,
    raising: bool = True,
    middleware: Iterable[Middleware] = (),
) -> Ended:
    """Store one job, run it once now, and store its end, without queues or other tasks.

    `Discard` and `Snooze` are not raised here. It works in real and in virtual time. The job is
    retried or fails by the `max_retries` of its worker, by default 3, and by its `retry_on`. A
    retry is due at once, unless `retry_on` returns a delay.

    ``context.client`` works on the store: it enqueues jobs of any worker, and finds them. Its
    `wait_for` raises `RuntimeError` for a job that has not ended, as no queue runs it.

    Args:
        worker: The worker of the job.
        request: The job. A delay is ignored.
        store: The store to use, for example one with the tables of `complete_with`; by default
            a new SQLite store in memory. No other job of this worker may wait in it.
        resources: What ``context.resources`` is. It is not compared with the annotation of the
            handler, so it may be a fake.
        raising: False returns what the handler raised as `Ended.error` instead of raising it.
        middleware: What `Config` and `Queue` have as `middleware`, the outermost first.

    Returns:
        How the run ended, and the job as it is stored now.

    Raises:
        Exception: What the handler or a middleware raised, or `TimeoutError` for the timeout of
            the worker. The job is stored, and waits for a retry or has failed. Or what
            `retry_on` of the worker raised, or `TypeError` for its answer, also if `raising` is
            False; then no end is stored.
        TypeError: The handler expects resources, and there are none. Nothing was stored.
        ValueError: The request is for another worker, or jobs of this worker wait in the store.
            Nothing was stored.
    """
    check_request(worker, request)
    check_flag("raising", raising)
    entered = as_middleware("middleware", middleware)
    check_given(worker, resources)
    used = SQLiteStore(":memory:") if store is None else store
    clock, job_id = clock_of_loop(), new_id()
    with opened(used):
        put(used, request, job_id, clock.now())
        async with manual_environment(worker, used, clock, resources, entered) as environment:
            owner = ManualOwner(used, worker, clock, environment)
            run = await owner.run(owner.begin(owner.reserve(job_id)))
        run, settlement, _ = owner.settle(run)
        failure = run.failure()
        if raising and failure is not None:
            raise failure
        stored = used.find(job_id, now=owner.clock.now()) or run.job
        stored = with_reader(stored, worker)
    delay = settlement.delay if isinstance(settlement, Requeue) else None
    how: How = "succeeded" if isinstance(settlement, Succeed) else _how(run)
    return Ended(how, stored, run.error or failure, delay if how == "snoozed" else None)


@final
@frozen(eq=False)
class FinishedAttempt:
    """An attempt whose handler has ended and whose end is not stored yet."""

    attempt: Attempt
    outcome: Outcome
    error: BaseException | None = None
    """What the handler raised."""

    @property
    def job(self) -> Job:
        """The job as it was reserved."""
        return self.attempt.job

    def failure(self) -> BaseException | None:
        """Return the exception of the handler; None if it returned, discarded or snoozed."""
        if not isinstance(self.outcome, Raised):
            return None
        text = self.outcome.error.partition("\n")[0].removeprefix("TimeoutError: ")
        return self.error or TimeoutError(text)


@final
@frozen(eq=False)
class ManualOwner:
    """An owner that runs jobs of one worker on the event loop, one step per call."""

    store: Store
    worker: AnyWorker
    clock: Clock
    environment: Environment
    id: UUID = field(factory=new_id, init=False)

    @property
    def policy(self) -> RetryPolicy:
        """The policy of the worker in a queue with the default settings, without delays."""
        return RetryPolicy().overridden(self.worker.max_retries, IMMEDIATE)

    @property
    def owner(self) -> Owner:
        """The owner as the store knows it; its queue has the name of the worker."""
        return Owner(self.id, self.worker.name, "testing")

    def reserve(self, job_id: UUID) -> Job:
        """Reserve this job, even before it is due; no other job of the worker may wait."""
        waiting = self.store.find(job_id)
        due = self.clock.now() if waiting is None else waiting.available_at
        now = max(self.clock.now(), due)
        self.store.open_owner(self.owner, LEASE, now=now)
        [job] = self.store.reserve(self.id, [self.worker.name], 1, now=now)
        return job

    def begin(self, job: Job) -> Attempt:
        """Return an attempt at a reserved job, for `run`."""
        return Attempt(PausingWorkers().one(self.worker), job, self.environment)

    async def run(self, attempt: Attempt) -> FinishedAttempt:
        """Call the handler."""
        outcome: Outcome | None = None
        try:
            with CancelScope() as scope:
                await attempt.call(scope, self.clock)
                outcome = Returned(attempt.result)
        except BaseException as error:  # noqa: BLE001 - outcome_of raises what is not of the handler
            outcome = await attempt.outcome_of(error)
            raised = error if is_failure(error) else None
            return FinishedAttempt(attempt, outcome, raised)
        return FinishedAttempt(attempt, outcome or attempt.outcome_of_cancellation())

    def settle(self, run: FinishedAttempt) -> tuple[FinishedAttempt, Settlement, bool]:
        """Store how the attempt ended.

        Returns:
            The attempt, which has failed if `complete_with` raised; the settlement; and whether
            it was stored, which is False if another owner holds the job.
        """
        now = self.clock.now()
        settlement = settle(run.job, run.outcome, self.policy, Limits(), now, self.owner)
        progress = run.attempt.progress
        reports = [] if progress is None or progress.last is None else [progress.newest()]
        if not isinstance(settlement, Succeed) or not run.attempt.completions:
            lost = self.store.write(settle=[settlement], progress=reports, now=now).lost
            return run, settlement, not lost
        if reports:
            self.store.write(progress=reports, now=now)
        try:
            work = run.attempt.completing()
            reservation, result = run.job.reservation, settlement.result
            kept = self.store.complete(reservation, work, result=result, now=now)
        except HandlerCrashedError:
            raise
        except Exception as error:  # noqa: BLE001 - the functions of complete_with are user code
            raised = raised_by_work(error)
            failed = FinishedAttempt(run.attempt, run.attempt.raised(raised), raised)
            return self.settle(failed)
        return run, settlement, kept

    def lose(self, job: Job) -> None:
        """Put a job back as the monitor does after the lease of its owner has ended."""
        now = self.clock.now()
        lost = settle_unfinished(job, Crashed(), Limits(), now, self.owner)
        self.store.write(settle=[lost], now=now)


def put(store: Store, request: JobRequest, job_id: UUID, now: datetime) -> None:
    """Store a job that is due now; `ValueError` if other jobs of its worker wait."""
    if any(store.list(JobFilter(state, name=request.name), Page(1)) for state in _WAITING):
        raise ValueError(
            f"store: expected no waiting jobs of {request.name!r}, found some; "
            f"run them with run_virtual and drain"
        )
    due = evolve(request, options=evolve(request.options, available_at=None, available_in=None))
    store.write([NewJob(job_id, due)], now=now)


def check_request(worker: AnyWorker, request: JobRequest) -> None:
    """Raise unless the arguments are a worker and a request for it."""
    check_type("worker", worker, Worker, "a worker made by @bgjobs.worker")
    check_is_request(request, "request: ")
    if request.name != worker.name:
        raise ValueError(f"request: expected one of {worker.name!r}, found {request.name!r}")


def clock_of_loop() -> Clock:
    """Return a clock with the time of the running event loop, real or virtual."""
    return SystemClock(inline=True) if current_virtual_clock() is None else VirtualClock()


def _how(run: FinishedAttempt) -> How:
    if isinstance(run.outcome, Discarded):
        return "discarded"
    return "snoozed" if isinstance(run.outcome, Snoozed) else "raised"

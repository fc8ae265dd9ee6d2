"""`run_one`: run one job once, through the real path."""

from datetime import datetime, timedelta
from typing import Literal, TypeAlias, final
from uuid import UUID

from anyio import CancelScope, CapacityLimiter
from attrs import evolve, field, frozen

from bgjobs.backoff import IMMEDIATE
from bgjobs.clock import Clock, SystemClock
from bgjobs.config import AnyWorker
from bgjobs.expecting import check_flag, check_type
from bgjobs.expecting import check_request as check_is_request
from bgjobs.ids import new_id
from bgjobs.jobs import FailedJob, Job, JobRequest, SucceededJob
from bgjobs.outcomes import (
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
from bgjobs.runtime.attempt import Attempt, HandlerCrashedError, is_failure, raised_by_work
from bgjobs.settlements import Requeue, Settlement, Succeed
from bgjobs.stores.abc import NewJob, Owner, Store
from bgjobs.stores.sqlite import SQLiteStore
from bgjobs.testing.clock import VirtualClock, virtual_clock
from bgjobs.testing.internals import opened
from bgjobs.testing.run_virtual import HeldWorkers
from bgjobs.texts import error_text
from bgjobs.workers import Worker

LEASE = timedelta(days=36_500)
"""Nothing renews it, and no test waits for its end."""
POLICY = RetryPolicy(max_retries=3, backoff=IMMEDIATE)
"""What a queue has, but that nobody waits."""


@final
@frozen(eq=False)
class Run:
    """One attempt that is over, and not settled yet."""

    attempt: Attempt
    outcome: Outcome
    error: BaseException | None = None
    """What came out of the handler."""

    @property
    def job(self) -> Job:
        """The job, as it was reserved."""
        return self.attempt.job

    def failure(self) -> BaseException | None:
        """Give what to raise when the handler has failed; an order to the queue is none."""
        if not isinstance(self.outcome, Raised):
            return None
        text = self.outcome.error.partition("\n")[0].removeprefix("TimeoutError: ")
        return self.error or TimeoutError(text)


@final
@frozen(eq=False)
class Hand:
    """An owner that runs jobs of one worker, one at a time, on the event loop."""

    store: Store
    worker: AnyWorker
    clock: Clock
    owner: UUID = field(factory=new_id, init=False)

    def reserve(self, job_id: UUID) -> Job:
        """Reserve this job, also before its time; it must be the only one that waits."""
        waiting = self.store.find(job_id)
        due = self.clock.now() if waiting is None else waiting.available_at
        now = max(self.clock.now(), due)
        name = self.worker.name
        self.store.open_owner(Owner(self.owner, name, "testing"), LEASE, now=now)
        [job] = self.store.reserve(self.owner, [name], 1, now=now)
        return job

    def begin(self, job: Job) -> Attempt:
        """Make an attempt at a reserved job, to `run`."""
        return Attempt(HeldWorkers().one(self.worker), job, CapacityLimiter(1))

    async def run(self, attempt: Attempt) -> Run:
        """Call the handler."""
        outcome: Outcome | None = None
        try:
            with CancelScope() as scope:
                await attempt.call(scope, self.clock)
                outcome = Returned()
        except BaseException as error:  # noqa: BLE001 - what is no failure of the handler's is raised there
            outcome = await attempt.outcome_of(error)
            raised = error if is_failure(error) else None
            return Run(attempt, outcome, raised)
        return Run(attempt, outcome or attempt.cancelled())

    def settle(self, run: Run) -> tuple[Run, Settlement, bool]:
        """Store how it ended, which `complete_with` may change; False: it was not ours."""
        now = self.clock.now()
        settlement = settle(run.job, run.outcome, POLICY, Limits(), now)
        if not isinstance(settlement, Succeed) or not run.attempt.completions:
            lost = self.store.write(settle=[settlement], now=now).lost
            return run, settlement, not lost
        try:
            work = run.attempt.completing()
            kept = self.store.complete(run.job.reservation, work, now=now)
        except HandlerCrashedError:
            raise
        except Exception as error:  # noqa: BLE001 - the work given to complete_with is the handler's
            raised = raised_by_work(error)
            return self.settle(Run(run.attempt, Raised(error_text(raised)), raised))
        return run, settlement, kept

    def die(self, job: Job) -> None:
        """Lose a job as when the lease has ended: it waits again."""
        lost = settle_unfinished(job, Crashed(), Limits())
        self.store.write(settle=[lost], now=self.clock.now())


How: TypeAlias = Literal["succeeded", "raised", "discarded", "snoozed"]


@final
@frozen
class Ended:
    """How one run ended."""

    how: How
    job: Job | SucceededJob | FailedJob
    """As it is stored now: after a first run that raised, it waits for the next one."""
    error: BaseException | None = field(default=None, repr=False)
    """What the handler raised: an `Exception`, or `SystemExit`."""
    delay: timedelta | None = None
    """For how long it is snoozed."""


async def run_one(
    worker: AnyWorker,
    request: JobRequest,
    *,
    store: Store | None = None,
    raising: bool = True,
) -> Ended:
    """Store one job, run it once at once and store its end, with nothing else around it.

    What the handler raises, its timeout included, comes out of this; without `raising` it is
    in `Ended.error`. `Discard` and `Snooze` never come out. The store is a new one in memory
    unless you give one, with the tables that `complete_with` needs; no other job of this
    worker may wait in it. Works in real and in virtual time.
    """
    check_request(worker, request)
    check_flag("raising", raising)
    used = SQLiteStore(":memory:") if store is None else store
    with opened(used):
        hand, job_id = Hand(used, worker, clock_of_loop()), new_id()
        put(used, request, job_id, hand.clock.now())
        run = await hand.run(hand.begin(hand.reserve(job_id)))
        run, settlement, _ = hand.settle(run)
        failure = run.failure()
        if raising and failure is not None:
            raise failure
        stored = used.find(job_id) or run.job
    delay = settlement.delay if isinstance(settlement, Requeue) else None
    how: How = "succeeded" if isinstance(settlement, Succeed) else _how(run)
    return Ended(how, stored, run.error or failure, delay if how == "snoozed" else None)


def _how(run: Run) -> How:
    if isinstance(run.outcome, Discarded):
        return "discarded"
    return "snoozed" if isinstance(run.outcome, Snoozed) else "raised"


def put(store: Store, request: JobRequest, job_id: UUID, now: datetime) -> None:
    """Store a job that is due; `ValueError` while others of its worker wait."""
    if store.get_enqueued(request.name):
        raise ValueError(
            f"store: expected no waiting jobs of {request.name!r}, found some; "
            f"run those with run_virtual and drain"
        )
    due = evolve(request, options=evolve(request.options, available_at=None, available_in=None))
    store.write([NewJob(job_id, due)], now=now)


def check_request(worker: AnyWorker, request: JobRequest) -> None:
    """Expect a worker, and a request for it."""
    check_type("worker", worker, Worker, "a worker made by @bgjobs.worker")
    check_is_request(request, "request: ")
    if request.name != worker.name:
        raise ValueError(f"request: expected one of {worker.name!r}, found {request.name!r}")


def clock_of_loop() -> Clock:
    """Give the time of the event loop that runs, real or virtual."""
    return SystemClock() if virtual_clock() is None else VirtualClock()

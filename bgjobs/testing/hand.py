"""One run by hand: a job is reserved, decoded, called and settled, as a queue would do it."""

from datetime import datetime, timedelta
from typing import final
from uuid import UUID

from anyio import CancelScope, CapacityLimiter
from attrs import evolve, field, frozen

from bgjobs._core.arguments import check_request as check_is_request
from bgjobs._core.arguments import check_type
from bgjobs._core.clock import Clock, SystemClock
from bgjobs._core.config import AnyWorker
from bgjobs._core.ids import new_id
from bgjobs._core.jobs import Job
from bgjobs._core.outcomes import (
    Crashed,
    Limits,
    Outcome,
    Raised,
    RetryPolicy,
    Returned,
    settle,
    settle_unfinished,
)
from bgjobs._core.requests import JobRequest
from bgjobs._core.settlements import Settlement, Succeed
from bgjobs._core.text import error_text
from bgjobs._core.workers import Worker
from bgjobs._runtime.queues.attempt import (
    Attempt,
    HandlerCrashedError,
    is_failure,
    raised_by_work,
)
from bgjobs.backoff import IMMEDIATE
from bgjobs.stores.port import Store
from bgjobs.stores.types import NewJob, Owner
from bgjobs.testing.clock import VirtualClock
from bgjobs.testing.held import HeldWorkers
from bgjobs.testing.virtual_time import virtual_clock

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

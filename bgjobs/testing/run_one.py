"""`run_one`: one job, once, the way that it goes in earnest."""

from datetime import timedelta
from typing import Literal, TypeAlias, final

from attrs import field, frozen

from bgjobs._core.arguments import check_flag
from bgjobs._core.config import AnyWorker
from bgjobs._core.ids import new_id
from bgjobs._core.jobs import FailedJob, Job, SucceededJob
from bgjobs._core.outcomes import Discarded, Snoozed
from bgjobs._core.requests import JobRequest
from bgjobs._core.settlements import Requeue, Succeed
from bgjobs.stores.port import Store
from bgjobs.stores.sqlite import SQLiteStore
from bgjobs.testing.hand import Hand, Run, check_request, clock_of_loop, put
from bgjobs.testing.inside import opened

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

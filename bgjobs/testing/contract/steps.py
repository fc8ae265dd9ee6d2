"""Constants and short functions that the checks share."""

from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any, TypeVar
from uuid import UUID

from attrs import evolve

from bgjobs._core.ids import new_id, new_ids
from bgjobs._core.jobs import AttemptError, EndState, Job, State
from bgjobs._core.occurrences import Occurrence, Recurrence
from bgjobs._core.outcomes import Cancelled
from bgjobs._core.progress import Progress
from bgjobs._core.requests import JobOptions, JobRequest
from bgjobs._core.settlements import (
    Cancel,
    Drop,
    Fail,
    Report,
    Requeue,
    Settlement,
    Succeed,
)
from bgjobs.errors import StoreError
from bgjobs.stores.filters import JobFilter
from bgjobs.stores.pages import FIRST_PAGE, Listing, Page
from bgjobs.stores.port import Store
from bgjobs.stores.types import NewJob, Owner

T = TypeVar("T")

NOW = datetime(2031, 5, 17, 12, 30, 15, 123456, tzinfo=UTC)
TICK = timedelta(microseconds=1)
SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)
LEASE = timedelta(seconds=60)
PLAN = Recurrence(name="nightly", schedule="cron 0 3 * * *")
OCCURRENCE = Occurrence(recurrence=PLAN, at=NOW)
ERROR = AttemptError(0, NOW, 'ValueError: no such user\n  ünïcödé 🦉 "quoted" \\ \'')

PROGRESS = Progress(done=3, total=10, note='ünïcödé 🦉 "quoted" \\ \'', reported_at=NOW)

NO = Cancelled("no", "ada")
"""What operators ask for."""

THREADS = 8


def at_once(work: Callable[[int], T]) -> list[T]:
    """Call `work` with its number in all threads at once; return the results in order."""
    barrier = Barrier(THREADS)

    def begin(number: int) -> T:
        barrier.wait(30)
        return work(number)

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(begin, range(THREADS)))


def ask(name: str = "mail", payload: str = "{}", **options: Any) -> JobRequest:
    """Return a request; `options` are those of `JobOptions`."""
    if not options:  # as a worker makes it, which stores may write by another statement
        return JobRequest(name, payload)
    return JobRequest(name, payload, JobOptions(**options))


def put(store: Store, *requests: JobRequest, now: datetime = NOW) -> Sequence[Job]:
    """Enqueue these requests in one write; return the jobs in the same order."""
    new = [
        NewJob(one, asked) for one, asked in zip(new_ids(len(requests)), requests, strict=True)
    ]
    return store.write(new, now=now).jobs


def put_one(store: Store, name: str = "mail", now: datetime = NOW, **options: Any) -> Job:
    """Enqueue one job."""
    return put(store, ask(name, **options), now=now)[0]


def start(
    store: Store, lease: timedelta = LEASE, now: datetime = NOW, *, queue: str = "default"
) -> UUID:
    """Open a new owner; return its id."""
    owner = Owner(new_id(), queue, "node-1")
    store.open_owner(owner, lease, now=now)
    return owner.id


def take(
    store: Store,
    owner: UUID,
    names: Collection[str] = ("mail",),
    limit: int = 100,
    now: datetime = NOW,
) -> Sequence[Job]:
    """Reserve jobs for this owner."""
    return store.reserve(owner, names, limit, now=now)


def hold(store: Store, now: datetime = NOW, **options: Any) -> Job:
    """Enqueue one job and reserve it for a new owner."""
    put_one(store, now=now, **options)
    [job] = take(store, start(store, now=now), now=now)
    return job


def succeed(job: Job, result: str | None = None) -> Succeed:
    """Return the settlement of a success."""
    return Succeed(job.reservation, result)


def fail(job: Job, error: str = "gone", **changes: Any) -> Fail:
    """Return the settlement of a failure, with the counters of the job and these changes."""
    return Fail(reservation=job.reservation, error=error, **{**_counters(job), **changes})


def cancel(job: Job, reason: str = "no", by: str | None = "ada", **changes: Any) -> Cancel:
    """Return the settlement of a cancellation, with these changes of the counters."""
    values = {**_counters(job), **changes}
    return Cancel(reservation=job.reservation, reason=reason, by=by, **values)


ENDS: dict[EndState, Callable[[Job], Settlement]] = {
    "succeeded": succeed,
    "failed": fail,
    "cancelled": cancel,
}
"""How a job gets to each end."""


def requeue(job: Job, **changes: Any) -> Requeue:
    """Return the settlement that puts a job back, with its counters and these changes."""
    return Requeue(reservation=job.reservation, **{**_counters(job), **changes})


def report(job: Job, **changes: Any) -> Report:
    """Return a report of progress, that of `PROGRESS` with these changes."""
    return Report(job.reservation, evolve(PROGRESS, **changes))


def drop(job: Job) -> Drop:
    """Return the settlement that deletes a job which never ran."""
    return Drop(job.reservation)


def follow(job: Job, **options: Any) -> NewJob:
    """Return a new job that is stored only with the settlement of this one."""
    return NewJob(new_id(), ask(**options), after=job.reservation)


def _counters(job: Job) -> dict[str, Any]:
    return {
        "attempts": job.attempts,
        "crashes": job.crashes,
        "interruptions": job.interruptions,
        "errors": job.errors,
        "history": job.history,
    }


def ids(jobs: Collection[Any]) -> list[UUID]:
    """Return the ids of jobs in their order."""
    return [job.id for job in jobs]


def refuses(store: Store, verb: str, *arguments: Any) -> bool:
    """Whether this method raises `StoreError`."""
    try:
        getattr(store, verb)(*arguments)
    except StoreError:
        return True
    return False


def end(
    store: Store,
    settle: Callable[[Job], Settlement] = succeed,
    now: datetime = NOW,
    **options: Any,
) -> Job:
    """Enqueue one job, reserve it for a new owner and settle it; return it as reserved."""
    put_one(store, now=now, **options)
    [job] = take(store, start(store, now=now), [options.get("name", "mail")], now=now)
    store.write(settle=[settle(job)], now=now)
    return job


def lose(store: Store, error: str = "gone", now: datetime = NOW, **options: Any) -> Job:
    """Enqueue one job and settle it as failed; return it as it was reserved."""
    return end(store, lambda job: fail(job, error), now, **options)


def listed(
    store: Store,
    state: State,
    page: Page = FIRST_PAGE,
    *,
    now: datetime = NOW,
    **properties: Any,
) -> Listing[Any]:
    """Return a page of the jobs in this state; `properties` are those of `JobFilter`."""
    return store.list(JobFilter(state, **properties), page, now=now)


def walk(store: Store, state: State, limit: int, **properties: Any) -> list[Any]:
    """Return the jobs of all pages, each of which begins where the page before has ended.

    After a full page, an empty one may follow.
    """
    everything: list[Any] = []
    page = Page(limit)
    while (part := listed(store, state, page, **properties)).after is not None:
        assert len(part) <= limit
        assert part.after != page.after
        everything += part
        page = evolve(page, after=part.after)
    return everything + part


def enqueued(store: Store, name: str | None = None) -> Listing[Job]:
    """Return the jobs that are not reserved, waiting and delayed ones, by id."""
    waiting, delayed = listed(store, "waiting", name=name), listed(store, "delayed", name=name)
    found = sorted([*waiting, *delayed], key=lambda job: job.id)
    return Listing(found, [*waiting.unreadable, *delayed.unreadable])


def search(store: Store, words: str, page: Page = FIRST_PAGE, **properties: Any) -> list[UUID]:
    """Return the ids of the failed jobs that a search finds."""
    return ids(listed(store, "failed", page, search=words, **properties))

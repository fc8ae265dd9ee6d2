"""`assert_enqueued` and `refute_enqueued`: which jobs somebody has asked for."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from difflib import SequenceMatcher
from typing import Any, ParamSpec, overload
from uuid import UUID

from bgjobs._core.arguments import as_span, check_whole
from bgjobs._core.jobs import FailedJob, StoredJob, SucceededJob
from bgjobs._core.requests import JobRequest
from bgjobs._core.workers import Worker
from bgjobs._runtime.client import BgJobs
from bgjobs.stores.pages import Page
from bgjobs.stores.port import Store
from bgjobs.testing.arguments import call_text
from bgjobs.testing.inside import opened, store_of, workers_of
from bgjobs.testing.wanted import Wanted

P = ParamSpec("P")

_PAGE = 500
_SHOWN = 10  # jobs in one message


@overload
def assert_enqueued(
    where: BgJobs | Store,
    wanted: JobRequest,
    *,
    count: int | None = None,
    at: datetime | None = None,
    within: float | timedelta = 1.0,
) -> Sequence[StoredJob]: ...
@overload
def assert_enqueued(
    where: BgJobs | Store,
    wanted: Worker[P, Any],
    *,
    matching: Callable[P, bool] | None = None,
    count: int | None = None,
    at: datetime | None = None,
    within: float | timedelta = 1.0,
) -> Sequence[StoredJob]: ...
def assert_enqueued(
    where: BgJobs | Store,
    wanted: JobRequest | Worker[P, Any],
    *,
    matching: Callable[..., bool] | None = None,
    count: int | None = None,
    at: datetime | None = None,
    within: float | timedelta = 1.0,
) -> Sequence[StoredJob]:
    """Expect that a job like this was enqueued, whatever has become of it; give all like it.

    `wanted` is a worker, for any arguments or for those for which `matching(...)` is true, or
    a request: then the arguments are compared, and of its time, priority and unique key what
    it says. Times may differ by `within` seconds; a job that was tried before, or snoozed, has
    the time of its next run. With `count`, exactly so many are expected.

    Jobs of schedules are left out, and what a transaction has not committed is not seen. A
    plain function, so that no `await` can be forgotten; `where` is a running `BgJobs` or a
    store, open or not.

    Raises:
        AssertionError: There is none; it shows the nearest one, and which there are.
    """
    __tracebackhide__ = True  # pytest shows the line of the test
    expected = Wanted.of(
        wanted, workers_of(where), matching=matching, at=at, within=as_span("within", within)
    )
    if count is not None:
        check_whole("count", count, least=0)
    jobs = _all_jobs(where)
    found = [job for job in jobs if not expected.differences(job)]
    if len(found) == count or (count is None and found):
        return found
    number = "a job" if count is None else f"{count}"
    lines = [f"expected {number} like {expected}, found {len(found) or 'none'}"]
    if not found:
        lines += _nearest(expected, jobs)
    raise AssertionError("\n".join([*lines, *_listed(expected, jobs)]))


@overload
def refute_enqueued(where: BgJobs | Store, wanted: JobRequest) -> None: ...
@overload
def refute_enqueued(
    where: BgJobs | Store,
    wanted: Worker[P, Any],
    *,
    matching: Callable[P, bool] | None = None,
) -> None: ...
def refute_enqueued(
    where: BgJobs | Store,
    wanted: JobRequest | Worker[P, Any],
    *,
    matching: Callable[..., bool] | None = None,
) -> None:
    """Expect that no job like this was enqueued; see `assert_enqueued`."""
    __tracebackhide__ = True  # pytest shows the line of the test
    expected = Wanted.of(wanted, workers_of(where), matching=matching)
    found = [job for job in _all_jobs(where) if not expected.differences(job)]
    if found:
        problem = f"expected no job like {expected}, found {len(found)}"
        raise AssertionError("\n".join([problem, *_listed(expected, found)]))


def _all_jobs(where: BgJobs | Store) -> Sequence[StoredJob]:
    """Give all jobs that were asked for, live and ended, in their order."""
    store = store_of(where)
    with opened(store):
        jobs: dict[UUID, StoredJob] = {}  # one may move on between two listings
        for listing in (
            store.get_enqueued,
            store.get_running,
            store.get_succeeded,
            store.get_failed,
        ):
            jobs |= {job.id: job for job in _listing(listing)}
    asked = [job for job in jobs.values() if job.occurrence is None]
    return sorted(asked, key=lambda job: (job.created_at, job.id))


def _listing(listing: Callable[[None, Page], Sequence[StoredJob]]) -> Iterator[StoredJob]:
    page = Page(_PAGE)
    while jobs := listing(None, page):
        yield from jobs
        page = page.behind(jobs)


def _nearest(wanted: Wanted, jobs: Iterable[StoredJob]) -> Iterator[str]:
    """Show the job of the worker that differs least, and in what."""
    same = [job for job in jobs if job.name == wanted.name]
    if same:
        text = "" if wanted.request is None else call_text(wanted.request, wanted.workers)

        def distance(job: StoredJob) -> tuple[int, float]:
            alike = SequenceMatcher(None, text, call_text(job, wanted.workers)).ratio()
            return len(wanted.differences(job)), -alike

        nearest = min(same, key=distance)
        yield f"the nearest is {call_text(nearest, wanted.workers)}"
        yield from (f"  {difference}" for difference in wanted.differences(nearest))


def _listed(wanted: Wanted, jobs: Sequence[StoredJob]) -> Iterator[str]:
    """Show what there is."""
    yield f"enqueued: {len(jobs) or 'nothing'}"
    for job in jobs[:_SHOWN]:
        yield f"  {call_text(job, wanted.workers)}, {_state(job)}"
    if len(jobs) > _SHOWN:
        yield f"  and {len(jobs) - _SHOWN} more"


def _state(job: StoredJob) -> str:
    if isinstance(job, SucceededJob):
        return "succeeded"
    if isinstance(job, FailedJob):
        return "failed"
    if job.reserved_by is not None:
        return "running"
    return f"due {job.available_at.isoformat()}"

"""`assert_children`: an assertion about the jobs that the nurseries of a job have started."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from uuid import UUID

from attrs import evolve

from bgjobs._core.arguments import id_of
from bgjobs._core.config import AnyWorker
from bgjobs._core.jobs import AnyJob
from bgjobs._core.requests import JobRequest
from bgjobs._runtime.client import Client
from bgjobs.errors import StoreError
from bgjobs.stores.nurseries import nurseries_of
from bgjobs.stores.pages import Page
from bgjobs.stores.port import Store
from bgjobs.testing.enqueued import ExpectedJob, call_text
from bgjobs.testing.internals import now_of, opened, store_of, workers_of

_PAGE = 500


def assert_children(
    where: Client | Store, parent: AnyJob | UUID, wanted: Iterable[JobRequest | AnyWorker]
) -> Sequence[AnyJob]:
    """Assert that the nurseries of a job have started exactly these jobs, in any order.

    Children count in every state. Children of children do not count. This is a plain function,
    so that a missing `await` cannot disable the assertion.

    Args:
        where: A `Client`, a running `BgJobs`, or a store, which may be open or closed.
        parent: The job, or its id.
        wanted: For each child, a worker, for a job with any arguments; or a request, for a job
            with the same arguments, and with the same time and priority if the request has
            them.

    Returns:
        The children, in the order of `wanted`.

    Raises:
        AssertionError: A child is missing, or there is another one. The message lists both.
        TypeError: An argument is not of its type.
        StoreError: The store has no nurseries.
    """
    __tracebackhide__ = True  # pytest shows the line of the test
    if isinstance(wanted, str | bytes) or not isinstance(wanted, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance] - untyped callers
        found_type = type(wanted).__name__
        raise TypeError(f"wanted: expected several workers and requests, found {found_type}")
    workers, second = workers_of(where), timedelta(seconds=1)
    expected = [ExpectedJob.of(one, workers, within=second) for one in wanted]
    left = _children(where, id_of("parent", parent))
    found: list[AnyJob] = []
    missing: list[ExpectedJob] = []
    for one in expected:
        job = next((child for child in left if not one.differences(child)), None)
        if job is None:
            missing.append(one)
        else:
            found.append(job)
            left.remove(job)
    if missing or left:
        lines = [f"expected {len(expected)} children, found {len(found) + len(left)}"]
        lines += [f"  missing: {one}" for one in missing]
        lines += [f"  not expected: {call_text(job, workers)}, {job.state}" for job in left]
        raise AssertionError("\n".join(lines))
    return found


def _children(where: Client | Store, parent: UUID) -> list[AnyJob]:
    """Return the children of a job, the first that was started first."""
    store, now = store_of(where), now_of(where)
    nurseries = nurseries_of(store)
    if nurseries is None:
        raise StoreError(f"{store.label}: expected a store with nurseries, found none")
    jobs: list[AnyJob] = []
    with opened(store):
        page = Page(_PAGE)
        while True:
            children = nurseries.children([parent], page, now=now)
            jobs += [child.job for child in children if child.job is not None]
            if children.after is None:
                return jobs
            page = evolve(page, after=children.after)

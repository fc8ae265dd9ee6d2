"""`assert_enqueued` and `refute_enqueued`: assertions about the jobs in a store."""

import inspect
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from difflib import SequenceMatcher
from inspect import BoundArguments
from typing import Any, ParamSpec, final, overload
from uuid import UUID

from attrs import evolve, frozen

from bgjobs._core.arguments import as_span, check_callable, check_whole
from bgjobs._core.config import AnyWorker
from bgjobs._core.jobs import AnyJob, State
from bgjobs._core.lazy import refuse_lazy
from bgjobs._core.payloads.equality import difference
from bgjobs._core.requests import JobOptions, JobRequest
from bgjobs._core.timestamps import as_instant
from bgjobs._core.workers import Worker
from bgjobs._runtime.client import Client
from bgjobs.errors import PayloadError
from bgjobs.stores.filters import JobFilter
from bgjobs.stores.pages import Page
from bgjobs.stores.port import Store
from bgjobs.testing.internals import now_of, opened, store_of, workers_of

P = ParamSpec("P")

_STATES: Sequence[State] = ("delayed", "waiting", "running", "succeeded", "failed", "cancelled")
"""In the order in which a job reaches them, so that one that changes meanwhile is found."""
_PAGE = 500
_SHOWN = 10  # jobs in one message
_LONGEST = 300  # characters of one call, and of one argument, in a message


@overload
def assert_enqueued(
    where: Client | Store,
    wanted: JobRequest,
    *,
    count: int | None = None,
    at: datetime | None = None,
    within: float | timedelta = 1.0,
) -> Sequence[AnyJob]: ...
@overload
def assert_enqueued(
    where: Client | Store,
    wanted: Worker[P, Any],
    *,
    matching: Callable[P, bool] | None = None,
    count: int | None = None,
    at: datetime | None = None,
    within: float | timedelta = 1.0,
) -> Sequence[AnyJob]: ...
def assert_enqueued(
    where: Client | Store,
    wanted: JobRequest | Worker[P, Any],
    *,
    matching: Callable[..., bool] | None = None,
    count: int | None = None,
    at: datetime | None = None,
    within: float | timedelta = 1.0,
) -> Sequence[AnyJob]:
    """Assert that a job like this was enqueued.

    Jobs count in every state, also after they have ended. Jobs of schedules and jobs of
    transactions that are not committed do not count. This is a plain function, so that a
    missing `await` cannot disable the assertion.

    Args:
        where: A `Client`, a running `BgJobs`, or a store, which may be open or closed.
        wanted: A worker, for jobs with any arguments; or a request, for jobs with the same
            arguments, and with the same time, priority and unique key if the request has them.
        matching: Count only jobs for which this function of their arguments is true.
        count: The exact number of jobs; by default at least one.
        at: When the jobs are due; by default the time of the request, or any time. A job that
            was retried or snoozed is due at its next run.
        within: The tolerance of that time, in seconds or as a `timedelta`.

    Returns:
        The matching jobs, the first that was enqueued first.

    Raises:
        AssertionError: No job, or another number of jobs, was found. The message shows the most
            similar job, how it differs, and what was enqueued.
    """
    __tracebackhide__ = True  # pytest shows the line of the test
    expected = ExpectedJob.of(
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
        lines += _most_similar(expected, jobs)
    raise AssertionError("\n".join([*lines, *_listed(expected, jobs)]))


@overload
def refute_enqueued(where: Client | Store, wanted: JobRequest) -> None: ...
@overload
def refute_enqueued(
    where: Client | Store,
    wanted: Worker[P, Any],
    *,
    matching: Callable[P, bool] | None = None,
) -> None: ...
def refute_enqueued(
    where: Client | Store,
    wanted: JobRequest | Worker[P, Any],
    *,
    matching: Callable[..., bool] | None = None,
) -> None:
    """Assert that no job like this was enqueued; the arguments are those of `assert_enqueued`.

    Raises:
        AssertionError: Such a job was found; the message lists all of them.
    """
    __tracebackhide__ = True  # pytest shows the line of the test
    expected = ExpectedJob.of(wanted, workers_of(where), matching=matching)
    found = [job for job in _all_jobs(where) if not expected.differences(job)]
    if found:
        problem = f"expected no job like {expected}, found {len(found)}"
        raise AssertionError("\n".join([problem, *_listed(expected, found)]))


@final
@frozen(kw_only=True)
class ExpectedJob:
    """What a test expects of a job."""

    name: str
    request: JobRequest | None
    """None accepts any arguments."""
    workers: Mapping[str, AnyWorker]
    matching: Callable[..., bool] | None
    at: datetime | None
    within: timedelta

    @classmethod
    def of(
        cls,
        wanted: JobRequest | AnyWorker,
        workers: Mapping[str, AnyWorker],
        *,
        matching: Callable[..., bool] | None = None,
        at: datetime | None = None,
        within: timedelta = timedelta(seconds=1),
    ) -> "ExpectedJob":
        """Check and combine the arguments of an assertion; `workers` are the known ones."""
        if isinstance(wanted, JobRequest):
            request, known = wanted, workers
        elif isinstance(wanted, Worker):  # pyright: ignore[reportUnnecessaryIsInstance] - untyped callers
            request, known = None, {**workers, wanted.name: wanted}
        else:
            found = type(wanted).__name__
            raise TypeError(f"wanted: expected a worker or worker.request(...), found {found}")
        if matching is not None:
            check_callable("matching", matching, "a function of the arguments")
        due = request.options.available_at if at is None and request is not None else at
        return cls(
            name=wanted.name,
            request=request,
            workers=known,
            matching=matching,
            at=None if due is None else as_instant("at", due),
            within=within,
        )

    def __str__(self) -> str:
        if self.request is not None:
            shown = call_text(self.request, self.workers)
        else:
            shown = f"{self.name}(...)"
        return f"{shown}{' for which `matching` is true' if self.matching else ''}"

    def differences(self, job: AnyJob) -> list[str]:
        """Return how a job differs from this; empty if it matches."""
        if job.name != self.name:
            return [f"worker: expected {self.name!r}, found {job.name!r}"]
        return [*self._of_arguments(job), *self._of_time(job), *self._of_options(job)]

    def _of_arguments(self, job: AnyJob) -> Iterator[str]:
        worker = self.workers.get(self.name)
        if self.request is not None:
            yield from argument_differences(self.request, job, worker)
        if self.matching is not None:
            bound = bound_arguments(job, worker)
            if bound is None:
                yield "arguments: the worker cannot read them"
            elif not _matches(self.matching, bound):
                yield "arguments: `matching` is false"

    def _of_time(self, job: AnyJob) -> Iterator[str]:
        delay = self._options.available_in
        if self.at is not None:
            due = self.at
        elif delay is not None:
            due = job.created_at + delay
        else:
            return
        if abs(job.available_at - due) > self.within:
            yield f"due: expected {due.isoformat()}, found {job.available_at.isoformat()}"

    def _of_options(self, job: AnyJob) -> Iterator[str]:
        wanted = self._options
        if wanted.priority not in (0, job.priority):
            yield f"priority: expected {wanted.priority}, found {job.priority}"
        if wanted.unique_key not in (None, job.unique_key):
            yield f"unique key: expected {wanted.unique_key!r}, found {job.unique_key!r}"

    @property
    def _options(self) -> JobOptions:
        return JobOptions() if self.request is None else self.request.options


def _matches(matching: Callable[..., bool], bound: BoundArguments) -> bool:
    answer = matching(*bound.args, **bound.kwargs)
    refuse_lazy("matching", answer)  # a coroutine would count as true
    return answer


def _all_jobs(where: Client | Store) -> Sequence[AnyJob]:
    """Return all live and ended jobs except occurrences, ordered by creation."""
    store, now = store_of(where), now_of(where)
    with opened(store):
        jobs: dict[UUID, AnyJob] = {}  # a job may change its state between two listings
        for state in _STATES:
            jobs |= {job.id: job for job in _listing(store, state, now)}
    enqueued = [job for job in jobs.values() if job.occurrence is None]
    return sorted(enqueued, key=lambda job: (job.created_at, job.id))


def _listing(store: Store, state: State, now: datetime | None) -> Iterator[AnyJob]:
    page = Page(_PAGE)
    while True:
        jobs = store.list(JobFilter(state), page, now=now)
        yield from jobs
        if jobs.after is None:
            return
        page = evolve(page, after=jobs.after)


def _most_similar(wanted: ExpectedJob, jobs: Iterable[AnyJob]) -> Iterator[str]:
    """Return lines about the job of the worker with the fewest differences."""
    same = [job for job in jobs if job.name == wanted.name]
    if same:
        text = "" if wanted.request is None else call_text(wanted.request, wanted.workers)

        def distance(job: AnyJob) -> tuple[int, float]:
            alike = SequenceMatcher(None, text, call_text(job, wanted.workers)).ratio()
            return len(wanted.differences(job)), -alike

        nearest = min(same, key=distance)
        yield f"the most similar job is {call_text(nearest, wanted.workers)}"
        yield from (f"  {difference}" for difference in wanted.differences(nearest))


def _listed(wanted: ExpectedJob, jobs: Sequence[AnyJob]) -> Iterator[str]:
    yield f"enqueued jobs: {len(jobs) or 'none'}"
    for job in jobs[:_SHOWN]:
        yield f"  {call_text(job, wanted.workers)}, {_state_text(job)}"
    if len(jobs) > _SHOWN:
        yield f"  and {len(jobs) - _SHOWN} more"


def _state_text(job: AnyJob) -> str:
    if job.state in ("waiting", "delayed"):
        return f"due {job.available_at.isoformat()}"
    return job.state


def call_text(job: JobRequest | AnyJob, workers: Mapping[str, AnyWorker]) -> str:
    """Return the job as a Python call, or with its JSON if its worker is not known."""
    bound = bound_arguments(job, workers.get(job.name))
    if bound is None:
        return _cut(f"{job.name} {job.payload}")
    shown = ", ".join(f"{name}={value!r}" for name, value in bound.arguments.items())
    return _cut(f"{job.name}({shown})")


def bound_arguments(
    job: JobRequest | AnyJob, worker: AnyWorker | None
) -> BoundArguments | None:
    """Return the arguments by name, with defaults; None if they cannot be read."""
    if worker is None:
        return None
    try:
        args, kwargs = worker.decode(job.payload)
    except PayloadError:
        return None
    signature = inspect.signature(worker.handler)
    if worker.takes_context:
        signature = signature.replace(parameters=list(signature.parameters.values())[1:])
    bound = signature.bind(*args, **kwargs)
    bound.apply_defaults()
    return bound


def argument_differences(
    wanted: JobRequest, job: AnyJob, worker: AnyWorker | None
) -> Iterator[str]:
    """Return the arguments in which a job differs from a request."""
    if _canonical(wanted.payload) == _canonical(job.payload):
        return
    expected, found = bound_arguments(wanted, worker), bound_arguments(job, worker)
    if worker is None or expected is None or found is None:
        yield f"arguments: expected {_cut(wanted.payload)}, found {_cut(job.payload)}"
        return
    written, stored = _as_json(worker, expected), _as_json(worker, found)
    for name, value in expected.arguments.items():
        is_same = difference(value, found.arguments[name]) is None
        if not is_same and written.get(name) != stored.get(name):
            yield _argument_difference(name, value, found.arguments[name])


def _canonical(payload: str) -> str:
    try:
        # Compared as text, because in Python True equals 1 and 1 equals 1.0.
        return json.dumps(json.loads(payload), sort_keys=True)
    except (ValueError, RecursionError):  # a row that another program wrote
        return payload


def _as_json(worker: AnyWorker, bound: BoundArguments) -> dict[str, str]:
    """Return each argument as it is stored, for classes that do not define equality."""
    try:
        payload = worker.request(*bound.args, **bound.kwargs).payload
    except PayloadError:  # a default value that no job can carry
        return {name: repr(value) for name, value in bound.arguments.items()}
    written: dict[str, Any] = json.loads(payload)
    return {name: json.dumps(value, sort_keys=True) for name, value in written.items()}


def _argument_difference(name: str, expected: object, found: object) -> str:
    if repr(expected) == repr(found):
        return f"{name}: the values differ, although their reprs are the same"
    return f"{name}: expected {_cut(repr(expected))}, found {_cut(repr(found))}"


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."

"""What a test expects of a job, and where one differs from it."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from inspect import BoundArguments
from typing import final

from attrs import frozen

from bgjobs._core.arguments import check_callable
from bgjobs._core.config import AnyWorker
from bgjobs._core.deferred import refuse_deferred
from bgjobs._core.jobs import StoredJob
from bgjobs._core.requests import JobOptions, JobRequest
from bgjobs._core.timestamps import as_instant
from bgjobs._core.workers import Worker
from bgjobs.testing.arguments import bound_arguments, call_text, differences


@final
@frozen(kw_only=True)
class Wanted:
    """A worker, or a request, and when it is due."""

    name: str
    request: JobRequest | None
    """None: whatever the arguments are."""
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
    ) -> "Wanted":
        """Understand what a test gives; `workers` are those that are known."""
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
        return f"{shown}{' with what matches' if self.matching else ''}"

    def differences(self, job: StoredJob) -> list[str]:
        """Say in what a job differs from this; nothing when it is one."""
        if job.name != self.name:
            return [f"worker: expected {self.name!r}, found {job.name!r}"]
        return [*self._of_arguments(job), *self._of_time(job), *self._of_options(job)]

    def _of_arguments(self, job: StoredJob) -> Iterator[str]:
        worker = self.workers.get(self.name)
        if self.request is not None:
            yield from differences(self.request, job, worker)
        if self.matching is not None:
            bound = bound_arguments(job, worker)
            if bound is None:
                yield "arguments: they do not fit the worker"
            elif not _matches(self.matching, bound):
                yield "arguments: they do not match"

    def _of_time(self, job: StoredJob) -> Iterator[str]:
        delay = self._options.available_in
        if self.at is not None:
            due = self.at
        elif delay is not None:
            due = job.created_at + delay
        else:
            return
        if abs(job.available_at - due) > self.within:
            yield f"due: expected {due.isoformat()}, found {job.available_at.isoformat()}"

    def _of_options(self, job: StoredJob) -> Iterator[str]:
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
    refuse_deferred("matching", answer)  # a coroutine would count as true
    return answer

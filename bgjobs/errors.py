"""The errors of bgjobs, as one tree.

The facts are attributes, and the message is built from them::

    BgJobsError
    |- ConfigError                 a configuration has problems; all of them are listed
    |- WorkerDefinitionError       a function cannot be a worker
    |- ScheduleValidationError     a schedule has problems; all of them are listed
    |- NoOccurrenceError           a schedule has no further occurrence before the year 10000
    |- PayloadError                arguments cannot be written as JSON, or cannot be read back
    |- NaiveDatetimeError          a datetime has no time zone
    |- NoWorkerForJobError         a request names a worker that this configuration lacks
    |- DuplicateJobError           another job has the unique key, and the request refuses that
    |- UnknownJobError             no job has this id
    |- UnreadableJobError          the stored row of a job cannot be read
    |- ExportedLineError           a line of an export cannot be read
    |- SearchError                 a search text has no word, or is too long
    |- UnknownNameError            the configuration has no queue or scheduled job of this name
    |- AmbiguousScheduleError      scheduled jobs of several workers have this name
    |- NotRunningError             a client has ended, or a scheduled job was removed
    |- LeaseLostError              a queue could not renew its lease; see `ChildCrashed`
    '- StoreError                  the database refused a statement
       |- StoreUnavailableError    the database cannot be reached now; a retry may succeed
       |- RowRefusedError          the database refused a value or a row
       |- SchemaMismatchError      the stored schema has another version than this code needs
       '- ForkedStoreError         an open store was used in a forked child process

`Discard` and `Snooze` are exceptions, too, but not errors: a handler raises them to tell its
queue what to do with the job.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Literal, final
from uuid import UUID

from attrs import frozen

from bgjobs._core.text import known_text

if TYPE_CHECKING:  # the modules of the core import this one
    from bgjobs._core.jobs import UnreadableJob


class BgJobsError(Exception):
    """Base class of all errors that bgjobs raises for a reason of its own."""


class ConfigError(BgJobsError, ValueError):
    """A configuration has problems.

    Raised by the constructors of `Config`, `Queue`, `ScheduledJob` and the other settings, and
    by `bgjobs.run`. Nothing was started or stored. `problems` lists every problem, one sentence
    each.
    """

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems: tuple[str, ...] = tuple(problems)
        super().__init__(self.problems)

    def __str__(self) -> str:
        if len(self.problems) == 1:
            return f"invalid configuration: {self.problems[0]}"
        lines = "".join(f"\n  - {problem}" for problem in self.problems)
        return f"invalid configuration, {len(self.problems)} problems:{lines}"


ProblemKind = Literal[
    "out_of_bounds",
    "reversed_range",
    "unknown_name",
    "unknown_zone",
    "conflict",
    "no_time",
    "impossible",
    "too_long",
    "syntax",
]


@final
@frozen
class ScheduleProblem:
    """One problem of a schedule."""

    unit: str
    """The part with the problem: a unit such as ``hour``, or ``interval``, ``timezone``,
    ``cron`` or ``text``."""
    kind: ProblemKind
    value: object
    """The value that was found; a pair for a range."""
    message: str
    bounds: tuple[int, int] | None = None
    """The smallest and the largest number of the unit, if the value is outside of them."""


class ScheduleValidationError(BgJobsError, ValueError):
    """A schedule is invalid or has no occurrence at all.

    Raised by the functions of `bgjobs.schedules` and by ``.build()``. `problems` lists every
    problem.
    """

    def __init__(self, problems: Iterable[ScheduleProblem]) -> None:
        self.problems: tuple[ScheduleProblem, ...] = tuple(problems)
        super().__init__(self.problems)

    def __str__(self) -> str:
        if len(self.problems) == 1:
            return f"invalid schedule: {self.problems[0].message}"
        lines = "".join(f"\n  - {problem.message}" for problem in self.problems)
        return f"invalid schedule, {len(self.problems)} problems:{lines}"


class NoOccurrenceError(BgJobsError, LookupError):
    """A schedule has no further occurrence: Python's calendar ends with the year 9999.

    `after` is the instant from which the search began.
    """

    def __init__(self, schedule: str, after: datetime) -> None:
        self.schedule = schedule
        self.after = after
        super().__init__(schedule, after)

    def __str__(self) -> str:
        return f"schedule '{self.schedule}' has no occurrence after {self.after.isoformat()}"


class WorkerDefinitionError(BgJobsError, TypeError):
    """A function cannot be a worker.

    Raised by `worker` when the function is decorated, for its name, its kind, its settings or
    its parameters.
    """

    def __init__(self, worker: str, problem: str) -> None:
        self.worker = worker
        self.problem = problem
        super().__init__(worker, problem)

    def __str__(self) -> str:
        return f"worker {self.worker!r}: {self.problem}"


class PayloadError(BgJobsError, ValueError):
    """Arguments do not match the annotations of the worker, or cannot be stored as JSON.

    Each entry of `problems` starts with the path of the value, such as ``mail.to[2]``. When
    `Worker.request` raises it, nothing is stored. When a queue cannot read the arguments of a
    stored job, the attempt fails with this error, and the job is retried as after any other
    error.
    """

    def __init__(self, worker: str, problems: Iterable[str]) -> None:
        self.worker = worker
        self.problems: tuple[str, ...] = tuple(problems)
        super().__init__(worker, self.problems)

    def __str__(self) -> str:
        return f"payload of worker {self.worker!r}: {'; '.join(self.problems)}"


class NaiveDatetimeError(BgJobsError, ValueError):
    """A datetime has no time zone, so it does not name an instant; use an aware datetime."""

    def __init__(self, what: str, found: datetime) -> None:
        self.what = what
        self.found = found
        super().__init__(what, found)

    def __str__(self) -> str:
        return f"{self.what}: expected a datetime with a time zone, found {self.found!r}"


class NoWorkerForJobError(BgJobsError, LookupError):
    """A request names a worker that this configuration does not have.

    Nothing of the call was stored. Add the worker to a queue of the configuration, or to
    ``Config(enqueue_only=...)`` if another process runs its jobs. `known` has the names of the
    workers of the configuration, sorted.
    """

    def __init__(self, name: str, known: Iterable[str]) -> None:
        self.name = name
        self.known: tuple[str, ...] = tuple(sorted(known))
        super().__init__(name, self.known)

    def __str__(self) -> str:
        known = known_text("workers", self.name, self.known)
        return f"no worker for job {self.name!r}; {known}"


class DuplicateJobError(BgJobsError):
    """Another job has the unique key of a request made with ``unique(on_conflict="raise")``.

    Nothing of the call was stored, not even the other jobs of an `enqueue_many`.
    """

    def __init__(self, name: str, unique_key: str, holder: UUID | None) -> None:
        self.name = name
        self.unique_key = unique_key
        self.holder = holder
        """The id of the job that has the key; None for another request of the same call."""
        super().__init__(name, unique_key, holder)

    def __str__(self) -> str:
        if self.holder is None:
            return (
                f"two requests of one call for worker {self.name!r} have the unique key "
                f"{self.unique_key!r}; nothing of this call was stored"
            )
        return (
            f"job {self.holder} of worker {self.name!r} has the unique key {self.unique_key!r}"
        )


class UnknownJobError(BgJobsError, LookupError):
    """No waiting, running or ended job has this id; it may have been pruned."""

    def __init__(self, job_id: UUID) -> None:
        self.job_id = job_id
        super().__init__(job_id)

    def __str__(self) -> str:
        return f"no job {self.job_id}: it was never stored, or it was pruned"


class ExportedLineError(BgJobsError, ValueError):
    """A line of an export cannot be imported; its job is not stored.

    Raised by `Admin.import_failed` for the first such line, when the batches before it are
    stored already. With ``skip_bad=True`` the errors are in `Imported.errors` instead.
    """

    def __init__(self, number: int, problem: str) -> None:
        self.number = number
        """The number of the line, counted from 1."""
        self.problem = problem
        super().__init__(number, problem)

    def __str__(self) -> str:
        return f"line {self.number}: {self.problem}"


class SearchError(BgJobsError, ValueError):
    """The text of a search contains no word, or too many characters."""

    def __init__(self, expected: str, found: str) -> None:
        self.expected = expected
        self.found = found
        super().__init__(expected, found)

    def __str__(self) -> str:
        return f"search: expected {self.expected}, found {self.found}"


class UnknownNameError(BgJobsError, LookupError):
    """The configuration has no queue, or no scheduled job, of this name.

    `kind` is what was looked up, such as ``queue``; `known` has the existing names, sorted.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        self.kind = kind
        self.name = name
        self.known: tuple[str, ...] = tuple(sorted(known))
        super().__init__(kind, name, self.known)

    def __str__(self) -> str:
        known = known_text(f"{self.kind}s", self.name, self.known)
        return f"no {self.kind} {self.name!r}; {known}"


class AmbiguousScheduleError(BgJobsError, LookupError):
    """Scheduled jobs of several workers have this name, and the configuration has none."""

    def __init__(self, name: str, workers: Iterable[str]) -> None:
        self.name = name
        self.workers: tuple[str, ...] = tuple(sorted(workers))
        super().__init__(name, self.workers)

    def __str__(self) -> str:
        found = f"scheduled job {self.name!r} exists for the workers {', '.join(self.workers)}"
        return f"{found}; use an application whose configuration has the one that you mean"


class NotRunningError(BgJobsError, RuntimeError):
    """A `BgJobs` or `Client` was used after its block, or a scheduled job after its removal.

    Nothing was stored. A handler that lets this error out while its application stops spends no
    attempt: its job is released, and runs again.
    """

    def __init__(self, removed: str | None = None) -> None:
        self.removed = removed
        """The name of the removed scheduled job; None if the whole `BgJobs` has stopped."""
        super().__init__(removed)

    def __str__(self) -> str:
        if self.removed is not None:
            return f"scheduled job {self.removed!r} was removed: look up or add another one"
        return "this BgJobs or Client has ended: use it inside its 'async with' block"


class LeaseLostError(BgJobsError):
    """A queue could not renew its lease in time, so it stops and is restarted.

    No call raises this error; it is the `error` of a `ChildCrashed` event. The monitor releases
    the jobs that the queue held, and they run again.
    """

    def __init__(self, queue: str, reason: str = "") -> None:
        self.queue = queue
        self.reason = reason
        """The error of the last renewal, as text; empty if there was none."""
        super().__init__(queue, reason)

    def __str__(self) -> str:
        text = f"queue {self.queue!r}: the lease could not be renewed in time"
        return f"{text}; the last try: {self.reason}" if self.reason else text


class StoreError(BgJobsError):
    """The database refused a statement; ``__cause__`` is the error of the driver."""


class StoreUnavailableError(StoreError):
    """The database cannot be reached, is busy, or closed the connection.

    A retry may succeed. It may be unknown whether the last statement took effect; bgjobs writes
    so that repeating a write does not store anything twice.
    """


class RowRefusedError(StoreError):
    """The database refused a value or a row.

    It does so because of a constraint, a type, a limit or a trigger. Nothing of the call was
    stored. The other rows of the call may be accepted without this one.
    """


class SchemaMismatchError(StoreError):
    """The schema in the database has another version than this version of bgjobs needs.

    Nothing was stored. Migrate an older schema; for a newer one, upgrade the program.
    """

    def __init__(self, store: str, found: int, expected: int) -> None:
        self.store = store
        self.found = found
        self.expected = expected
        super().__init__(store, found, expected)

    def __str__(self) -> str:
        if self.found > self.expected:
            advice = "it was made by a newer version of bgjobs: upgrade this program"
        else:
            advice = "run store.migrate(), or let Config(migrate=True) do it at start"
        return (
            f"{self.store}: expected schema version {self.expected}, "
            f"found {self.found}; {advice}"
        )


class ForkedStoreError(StoreError):
    """A store that was opened before a fork was used in the child process.

    Nothing was stored. Open another store in the child process.
    """

    def __init__(self, store: str, opened_in: int, used_in: int) -> None:
        self.store = store
        self.opened_in = opened_in
        self.used_in = used_in
        super().__init__(store, opened_in, used_in)

    def __str__(self) -> str:
        return (
            f"{self.store}: opened in process {self.opened_in}, used in its fork "
            f"{self.used_in}; open a store of its own in the child"
        )


class UnreadableJobError(BgJobsError):
    """The stored row of the requested job cannot be read.

    The row stays as it is. `job` has its columns and the reason, as ``bgjobs jobs show``.
    """

    def __init__(self, job: "UnreadableJob") -> None:
        self.job = job
        super().__init__(job)

    def __str__(self) -> str:
        return (
            f"job {self.job.id} cannot be read: {self.job.reason}; its row was written by "
            "another program or version: delete it, or repair it and retry the job"
        )

"""The errors of bgjobs, as one tree.

The facts are attributes, and the message is built from them::

    BgJobsError
    |- ConfigError                 everything that is wrong with a configuration, listed
    |- WorkerDefinitionError       a handler that cannot be a worker
    |- ScheduleValidationError     everything that is wrong with a schedule, listed
    |- NoOccurrenceError           a schedule has nothing left before the calendar ends
    |- PayloadError                arguments that cannot be written as JSON, or read back
    |- NaiveDatetimeError          a datetime without a time zone
    |- NoWorkerForJobError         a request for a worker that nobody here knows
    |- DuplicateJobError           a unique key is taken, and the request refuses that
    |- UnknownJobError             a look-up by an id that no job has
    |- UnreadableJobError          a look-up of a job whose stored row is no job
    |- ExportedLineError           a line of an export that cannot be read
    |- SearchError                 a search without a word, or a text that is too long for one
    |- UnknownNameError            a look-up by a name that does not exist
    |- NotRunningError             a call on something that has stopped or was removed
    |- LeaseLostError              a queue could not renew its lease; told by `ChildCrashed`
    '- StoreError                  the database said no
       |- StoreUnavailableError    not reachable now; trying again may help
       |- RowRefusedError          a value or a row is refused; others may be taken
       |- SchemaMismatchError      the stored schema is not the one this version knows
       '- ForkedStoreError         an open store was used in a forked child

`Discard` and `Snooze` are not errors but orders that a handler raises.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from difflib import get_close_matches
from typing import TYPE_CHECKING, Literal, cast, final
from uuid import UUID

from attrs import frozen

if TYPE_CHECKING:  # jobs stand on errors
    from bgjobs._core.jobs import UnreadableJob


class BgJobsError(Exception):
    """Base of every error that bgjobs raises on purpose."""


class ConfigError(BgJobsError, ValueError):
    """A configuration is wrong; `problems` lists all that was found, one sentence each."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems: tuple[str, ...] = tuple(problems)
        super().__init__(self.problems)

    def __str__(self) -> str:
        if len(self.problems) == 1:
            return f"invalid configuration: {self.problems[0]}"
        lines = "".join(f"\n  - {problem}" for problem in self.problems)
        return f"invalid configuration, {len(self.problems)} problems:{lines}"


FaultKind = Literal[
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
class ScheduleFault:
    """One thing that is wrong with a schedule."""

    unit: str
    """What it is about: a unit such as ``hour``, else ``interval``, ``timezone``, ``cron``."""
    kind: FaultKind
    value: object
    """What was found; a pair for a range."""
    message: str
    bounds: tuple[int, int] | None = None
    """The least and the greatest number of the unit, where that is the point."""


class ScheduleValidationError(BgJobsError, ValueError):
    """A schedule cannot be; `faults` lists all that was found."""

    def __init__(self, faults: Iterable[ScheduleFault]) -> None:
        self.faults: tuple[ScheduleFault, ...] = tuple(faults)
        super().__init__(self.faults)

    def __str__(self) -> str:
        if len(self.faults) == 1:
            return f"invalid schedule: {self.faults[0].message}"
        lines = "".join(f"\n  - {fault.message}" for fault in self.faults)
        return f"invalid schedule, {len(self.faults)} faults:{lines}"


class NoOccurrenceError(BgJobsError, LookupError):
    """A schedule has no further occurrence before the calendar ends, with the year 9999."""

    def __init__(self, schedule: str, after: datetime) -> None:
        self.schedule = schedule
        self.after = after
        super().__init__(schedule, after)

    def __str__(self) -> str:
        return f"schedule '{self.schedule}' has no occurrence after {self.after.isoformat()}"


class WorkerDefinitionError(BgJobsError, TypeError):
    """A function cannot be a worker; raised when it is declared."""

    def __init__(self, worker: str, problem: str) -> None:
        self.worker = worker
        self.problem = problem
        super().__init__(worker, problem)

    def __str__(self) -> str:
        return f"worker {self.worker!r}: {self.problem}"


class PayloadError(BgJobsError, ValueError):
    """Arguments do not fit the worker's annotations or the JSON that both databases take.

    Each entry of `problems` starts with the path of the value, such as ``mail.to[2]``.
    Raised by `Worker.request` before anything is written; at run time it fails the attempt.
    """

    def __init__(self, worker: str, problems: Iterable[str]) -> None:
        self.worker = worker
        self.problems: tuple[str, ...] = tuple(problems)
        super().__init__(worker, self.problems)

    def __str__(self) -> str:
        return f"payload of worker {self.worker!r}: {'; '.join(self.problems)}"


class NaiveDatetimeError(BgJobsError, ValueError):
    """A datetime without a time zone was given where an instant is wanted."""

    def __init__(self, what: str, found: datetime) -> None:
        self.what = what
        self.found = found
        super().__init__(what, found)

    def __str__(self) -> str:
        return f"{self.what}: expected a datetime with a time zone, found {self.found!r}"


class NoWorkerForJobError(BgJobsError, LookupError):
    """A request names a worker that no queue of this configuration handles or may enqueue."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        self.name = name
        self.known: tuple[str, ...] = tuple(sorted(known))
        super().__init__(name, self.known)

    def __str__(self) -> str:
        return f"no worker for job {self.name!r}; {_known('workers', self.name, self.known)}"


class DuplicateJobError(BgJobsError):
    """Another job has the unique key of a request that refuses it; nothing was stored."""

    def __init__(self, name: str, unique_key: str, holder: UUID | None) -> None:
        self.name = name
        self.unique_key = unique_key
        self.holder = holder
        """The job that has the key; None where another request of the same call has it."""
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
    """No job has this id, neither a live one nor an ended one."""

    def __init__(self, job_id: UUID) -> None:
        self.job_id = job_id
        super().__init__(job_id)

    def __str__(self) -> str:
        return f"no job {self.job_id}: it never was, or was pruned"


class ExportedLineError(BgJobsError, ValueError):
    """A line of an export cannot be read back."""

    def __init__(self, number: int, problem: str) -> None:
        self.number = number
        """Which line it is, from 1."""
        self.problem = problem
        super().__init__(number, problem)

    def __str__(self) -> str:
        return f"line {self.number}: {self.problem}"


class SearchError(BgJobsError, ValueError):
    """The text of a search has no word, or too many characters."""

    def __init__(self, expected: str, found: str) -> None:
        self.expected = expected
        self.found = found
        super().__init__(expected, found)

    def __str__(self) -> str:
        return f"search: expected {self.expected}, found {self.found}"


class UnknownNameError(BgJobsError, LookupError):
    """A queue was looked up by a name that the configuration does not have."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        self.kind = kind
        self.name = name
        self.known: tuple[str, ...] = tuple(sorted(known))
        super().__init__(kind, name, self.known)

    def __str__(self) -> str:
        return f"no {self.kind} {self.name!r}; {_known(self.kind + 's', self.name, self.known)}"


class NotRunningError(BgJobsError, RuntimeError):
    """A `BgJobs` was used after its block ended, or a scheduled job after its removal."""

    def __init__(self, removed: str | None = None) -> None:
        self.removed = removed
        """The name of the scheduled job; None when the whole `BgJobs` has stopped."""
        super().__init__(removed)

    def __str__(self) -> str:
        if self.removed is not None:
            return f"scheduled job {self.removed!r} was removed: look up or add another one"
        return "this BgJobs has stopped: use it inside its 'async with bgjobs.run(...)' block"


class LeaseLostError(BgJobsError):
    """A queue could not renew its lease in time, so it ends and starts anew.

    Nobody raises it to you: `ChildCrashed` tells it.
    """

    def __init__(self, queue: str, reason: str = "") -> None:
        self.queue = queue
        self.reason = reason
        """What the store said when it was last asked to renew the lease; else empty."""
        super().__init__(queue, reason)

    def __str__(self) -> str:
        text = f"queue {self.queue!r}: the lease could not be renewed in time"
        return f"{text}; the last try: {self.reason}" if self.reason else text


class StoreError(BgJobsError):
    """The database refused a statement; the driver's error is the cause."""


class StoreUnavailableError(StoreError):
    """The database could not be reached, was busy or went away; trying again may help.

    Whether the last statement took effect may be unknown. Every write of bgjobs can be
    repeated without doubling anything.
    """


class RowRefusedError(StoreError):
    """The database refused a value or a row: by a constraint, a type, a limit or a trigger.

    All that was asked for in the same call was undone. The others may be taken without it.
    """


class SchemaMismatchError(StoreError):
    """The schema found in the database is not the one that this version of bgjobs needs."""

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
    """A store that was opened before a fork was used in the child process."""

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
    """A job was asked for whose row is no job; `bgjobs jobs show` shows what stands there."""

    def __init__(self, job: "UnreadableJob") -> None:
        self.job = job
        super().__init__(job)

    def __str__(self) -> str:
        return (
            f"job {self.job.id} cannot be read: {self.job.reason}; its row was written by "
            "another program or version: delete it, or repair it and retry the job"
        )


def origin_of(error: BaseException) -> BaseException:
    """Return the error that an error of bgjobs was raised from, such as the driver's."""
    while isinstance(error, BgJobsError) and error.__cause__ is not None:
        error = error.__cause__
    return error


def unwrapped(error: BaseException) -> BaseException:
    """Take an error out of groups that hold nothing else, as a task group makes them."""
    while isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        if len(group.exceptions) != 1:
            return group
        error = group.exceptions[0]
    return error


def leaves(error: BaseException) -> Iterator[BaseException]:
    """Yield what a group holds that is no group, however deep; else the error itself.

    Neither by the group's `split`, which a class may spoil, nor by recursion, which depth ends.
    """
    waiting, seen = [error], set[int]()
    while waiting:
        one = waiting.pop()
        if not isinstance(one, BaseExceptionGroup):
            yield one
            continue
        group = cast("BaseExceptionGroup[BaseException]", one)
        if id(group) not in seen:
            seen.add(id(group))
            waiting.extend(group.exceptions)


_SHOWN = 10  # names in one message: a line or two


def _known(kind: str, name: str, known: Sequence[str]) -> str:
    if not known:
        return f"there are no {kind}"
    near = get_close_matches(name, known, n=1)
    hint = f", did you mean {near[0]!r}?" if near else ""
    shown = ", ".join(repr(one) for one in known[:_SHOWN])
    more = ", ..." if len(known) > _SHOWN else ""
    return f"known {kind}: {shown}{more}{hint}"

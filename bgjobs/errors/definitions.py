"""Errors of what an application declares: workers, schedules and configurations."""

from collections.abc import Iterable
from datetime import datetime
from typing import Literal, final

from attrs import frozen

from bgjobs._core.text import known_text


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

"""The history of one scheduled job, read from a trace: its runs, and what each one led to."""

from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from typing import final
from uuid import UUID

from attrs import define, field, frozen

from bgjobs._core.jobs import Job
from bgjobs.events import (
    JobFailed,
    JobReserved,
    JobStarted,
    JobSucceeded,
    OccurrencePlanned,
    OccurrenceReplanned,
    OccurrencesMissed,
)
from tests.reliability.clock_jumps.trace import (
    Entry,
    HandlerEnded,
    Jumped,
    Observation,
    Started,
    Trace,
)
from tests.reliability.clock_jumps.worlds import TimedJob, World


@final
@frozen
class Run:
    """A job whose handler was called, once or several times."""

    at: datetime
    """Its occurrence."""
    began: int
    """The number of the entry of its first call."""
    was: datetime
    """The time of the store's clock then, or a little later."""
    zone: tzinfo
    """The zone in force then."""


@final
@frozen
class Missed:
    """A report of missed occurrences."""

    first: datetime
    count: int
    number: int
    """The number of its entry."""
    was: datetime
    """The latest time of the store's clock since the end of the run before."""
    zone: tzinfo


@final
@frozen(kw_only=True)
class Link:
    """What was planned, and reported as missed, after the end of a run."""

    ended: datetime
    dropped: bool
    """Whether that run was dropped because it was too late."""
    missed: Missed | None
    at: datetime
    """The planned occurrence."""
    number: int
    """The number of the entry that reports it."""
    earliest: datetime
    """The earliest time of the store's clock while the end was written."""
    zone: tzinfo
    began_in: tzinfo
    """The zone in force when the run began."""


@final
@define(eq=False)
class History:
    """All observations of one scheduled job."""

    job: TimedJob
    world: World
    entries: Sequence[Entry]
    zones: list[tzinfo] = field(factory=list[tzinfo], init=False)
    """The zones in force at each entry."""
    runs: dict[UUID, Run] = field(factory=dict[UUID, Run], init=False)
    """Runs by the ids of their jobs."""
    finished: set[UUID] = field(factory=set[UUID], init=False)
    """The jobs that succeeded or failed finally; any other run was abandoned."""
    across: set[datetime] = field(factory=set[datetime], init=False)
    """The occurrences of runs that continued after a start with other zones."""
    starts: list[tuple[int, datetime]] = field(factory=list[tuple[int, datetime]], init=False)
    """All calls of the handler: the number of the entry, and the occurrence."""
    reserved: list[tuple[int, JobReserved]] = field(
        factory=list[tuple[int, JobReserved]], init=False
    )
    reports: list[Missed] = field(factory=list[Missed], init=False)
    links: list[Link] = field(factory=list[Link], init=False)
    moves: list[tuple[int, OccurrenceReplanned]] = field(
        factory=list[tuple[int, OccurrenceReplanned]], init=False
    )

    def shown(self, since: int, until: int) -> tuple[datetime, datetime]:
        """Return the earliest and the latest time of the store's clock between two entries."""
        found: list[datetime] = []
        for entry in self.entries[since : until + 1]:
            found.append(entry.shown)
            if isinstance(entry.what, Jumped):
                found.append(entry.what.before)
        return min(found), max(found)


def history_of(job: TimedJob, trace: Trace, world: World) -> History:
    """Return the history of one scheduled job."""
    reader = _Reader(History(job, world, trace.entries))
    for number, entry in enumerate(trace.entries):
        reader.read(number, entry)
    return reader.history


@final
@define
class _Report:
    """The last reports of one process, until it reports what was planned."""

    since: int = 0
    """The number of the entry since which the end may have been written."""
    reserved_at: datetime | None = None
    ended: UUID | None = None
    missed: Missed | None = None


@final
@define(eq=False)
class _Reader:
    history: History
    _zone: tzinfo = UTC
    _reports: dict[int, _Report] = field(factory=dict[int, _Report], init=False)
    _ends: dict[UUID, int] = field(factory=dict[UUID, int], init=False)
    """The number of the entry at which the handler of a job last ended."""

    def read(self, number: int, entry: Entry) -> None:
        """Read the next entry."""
        what, history = entry.what, self.history
        if isinstance(what, Started):
            self._zone = what.zones.get(history.job.form.zone, UTC)
        history.zones.append(self._zone)
        if isinstance(what, HandlerEnded):
            self._ends[what.job] = number
        report = self._reports.setdefault(entry.node, _Report())
        if isinstance(what, JobReserved | JobStarted | JobSucceeded | JobFailed):
            if what.job.name == history.job.name:
                self._read_of_run(number, entry, what.job, report)
        elif getattr(what, "scheduled_job", None) == history.job.name:
            self._read_of_plan(number, entry, what, report)

    def _read_of_run(self, number: int, entry: Entry, job: Job, report: _Report) -> None:
        match entry.what:
            case JobReserved() as reserved:
                self.history.reserved.append((number, reserved))
                self._reports[entry.node] = _Report(number, job.reserved_at)
            case JobStarted():
                self._started(number, entry, job)
            case _:
                report.ended, report.since = job.id, self._ends.get(job.id, number)
                self.history.finished.add(job.id)

    def _started(self, number: int, entry: Entry, job: Job) -> None:
        history = self.history
        assert job.occurrence is not None
        at = job.occurrence.at
        history.starts.append((number, at))
        was = max(entry.shown, job.reserved_at or entry.shown)
        if history.runs.setdefault(job.id, Run(at, number, was, self._zone)).zone != self._zone:
            history.across.add(at)

    def _read_of_plan(
        self, number: int, entry: Entry, what: Observation, report: _Report
    ) -> None:
        match what:
            case OccurrencesMissed():
                _, latest = self.history.shown(report.since, number)
                was = max(latest, report.reserved_at or latest)
                report.missed = Missed(what.first, what.count, number, was, self._zone)
                self.history.reports.append(report.missed)
            case OccurrencePlanned():
                self._link(report, number, what.at)
                self._reports[entry.node] = _Report()
            case OccurrenceReplanned():
                self.history.moves.append((number, what))
            case _:
                pass

    def _link(self, report: _Report, number: int, at: datetime) -> None:
        history = self.history
        run = None if report.ended is None else history.runs.get(report.ended)
        if run is None and report.missed is None:
            return  # the first one that is planned
        earliest, _ = history.shown(report.since, number)
        link = Link(
            ended=run.at if run is not None else _first(report.missed),
            dropped=run is None,
            missed=report.missed,
            at=at,
            number=number,
            earliest=earliest,
            zone=self._zone,
            began_in=self._zone if run is None else run.zone,
        )
        history.links.append(link)


def _first(missed: Missed | None) -> datetime:
    assert missed is not None
    return missed.first

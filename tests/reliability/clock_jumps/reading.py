"""Reads a trace, for one scheduled job."""

from datetime import UTC, datetime, tzinfo
from typing import final
from uuid import UUID

from attrs import define, field

from bgjobs.events import (
    JobFailed,
    JobReserved,
    JobStarted,
    JobSucceeded,
    OccurrencePlanned,
    OccurrenceReplanned,
    OccurrencesMissed,
)
from bgjobs.jobs import Job
from tests.reliability.clock_jumps.links import History, Link, Run, Told
from tests.reliability.clock_jumps.trace import Born, Entry, HandlerEnded, Trace, What
from tests.reliability.clock_jumps.worlds import Timed, World


def history_of(job: Timed, trace: Trace, world: World) -> History:
    """Read what was heard of one scheduled job."""
    reader = _Reader(History(job, world, trace.entries))
    for number, entry in enumerate(trace.entries):
        reader.read(number, entry)
    return reader.history


@final
@define
class _Tell:
    """What one process has told last, until it tells what was planned."""

    since: int = 0
    """The number of the entry since which the end may have been written."""
    reserved_at: datetime | None = None
    ended: UUID | None = None
    missed: Told | None = None


@final
@define(eq=False)
class _Reader:
    history: History
    _zone: tzinfo = UTC
    _tells: dict[int, _Tell] = field(factory=dict[int, _Tell], init=False)
    _ends: dict[UUID, int] = field(factory=dict[UUID, int], init=False)
    """The number of the entry at which the handler of a job has ended last."""

    def read(self, number: int, entry: Entry) -> None:
        """Read the next entry."""
        what, history = entry.what, self.history
        if isinstance(what, Born):
            self._zone = what.zones.get(history.job.form.zone, UTC)
        history.zones.append(self._zone)
        if isinstance(what, HandlerEnded):
            self._ends[what.job] = number
        tell = self._tells.setdefault(entry.node, _Tell())
        if isinstance(what, JobReserved | JobStarted | JobSucceeded | JobFailed):
            if what.job.name == history.job.name:
                self._read_of_run(number, entry, what.job, tell)
        elif getattr(what, "scheduled_job", None) == history.job.name:
            self._read_of_plan(number, entry, what, tell)

    def _read_of_run(self, number: int, entry: Entry, job: Job, tell: _Tell) -> None:
        match entry.what:
            case JobReserved() as reserved:
                self.history.reserved.append((number, reserved))
                self._tells[entry.node] = _Tell(number, job.reserved_at)
            case JobStarted():
                self._started(number, entry, job)
            case _:
                tell.ended, tell.since = job.id, self._ends.get(job.id, number)
                self.history.finished.add(job.id)

    def _started(self, number: int, entry: Entry, job: Job) -> None:
        history = self.history
        assert job.occurrence is not None
        at = job.occurrence.at
        history.starts.append((number, at))
        was = max(entry.shown, job.reserved_at or entry.shown)
        if history.runs.setdefault(job.id, Run(at, number, was, self._zone)).zone != self._zone:
            history.across.add(at)

    def _read_of_plan(self, number: int, entry: Entry, what: What, tell: _Tell) -> None:
        match what:
            case OccurrencesMissed():
                _, latest = self.history.shown(tell.since, number)
                was = max(latest, tell.reserved_at or latest)
                tell.missed = Told(what.first, what.count, number, was, self._zone)
                self.history.told.append(tell.missed)
            case OccurrencePlanned():
                self._link(tell, number, what.at)
                self._tells[entry.node] = _Tell()
            case OccurrenceReplanned():
                self.history.moves.append((number, what))
            case _:
                pass

    def _link(self, tell: _Tell, number: int, at: datetime) -> None:
        history = self.history
        run = None if tell.ended is None else history.runs.get(tell.ended)
        if run is None and tell.missed is None:
            return  # the first one
        earliest, _ = history.shown(tell.since, number)
        link = Link(
            ended=run.at if run is not None else _first(tell.missed),
            dropped=run is None,
            told=tell.missed,
            at=at,
            number=number,
            earliest=earliest,
            zone=self._zone,
            began_in=self._zone if run is None else run.zone,
        )
        history.links.append(link)


def _first(told: Told | None) -> datetime:
    assert told is not None
    return told.first

"""What `memory_store.py` keeps, and the rules of changing it: dicts of frozen jobs."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import chain
from operator import gt, lt
from typing import Any, TypeVar, get_args
from uuid import UUID

from attrs import evolve, field, fields, frozen

from bgjobs import CancelledJob, FailedJob, Job, Reservation, SucceededJob
from bgjobs.stores.decoder import as_of
from bgjobs.stores.filters import JobFilter
from bgjobs.stores.limits import Openings, Use, openings
from bgjobs.stores.pages import Cursor, Listing, Page
from bgjobs.stores.types import (
    Cancel,
    Cap,
    Drop,
    EndedJob,
    EndState,
    Fail,
    NewJob,
    Report,
    Requeue,
    Settlement,
    StoredJob,
    Succeed,
)
from bgjobs.stores.values import (
    as_asked,
    as_planned,
    check_duplicates,
    cursor_of,
    which_are_free,
)

J = TypeVar("J", bound=Job | EndedJob)


@frozen
class Rows:
    """All jobs. A change is made to a copy, which then takes the place of the whole."""

    live: dict[UUID, Job] = field(factory=dict[UUID, Job])
    ended: dict[UUID, EndedJob] = field(factory=dict[UUID, EndedJob])
    starts: dict[str, tuple[datetime, ...]] = field(factory=dict[str, tuple[datetime, ...]])
    """When the jobs of a worker with a rate limit were reserved."""

    def copy(self) -> "Rows":
        return Rows(dict(self.live), dict(self.ended), dict(self.starts))

    def jobs(self, now: datetime) -> Iterator[Job | EndedJob]:
        """Return all jobs, of which those that wait for a later time are delayed."""
        return (as_of(job, now) for job in chain(self.live.values(), self.ended.values()))

    def waiting(self) -> Iterator[Job]:
        return (job for job in self.live.values() if job.reserved_by is None)

    def held(self) -> Iterator[Job]:
        return (job for job in self.live.values() if job.reserved_by is not None)

    def holder(self, name: str, key: str | None) -> Job | None:
        """Return the live job that has this unique key."""
        if key is None:
            return None
        named = (job for job in self.live.values() if job.name == name)
        return next((job for job in named if job.unique_key == key), None)

    def enqueue(
        self, new: Sequence[NewJob], settled: Collection[Reservation], now: datetime
    ) -> list[Job]:
        """Store jobs. Return each, or the live job that has its id or its unique key."""
        planned = as_planned(new, which_are_free(new, settled), lambda: now)
        jobs = [as_of(self._stored(one, settled, as_asked(one, now)), now) for one in planned]
        check_duplicates(new, jobs)
        return jobs

    def _stored(self, new: NewJob, settled: Collection[Reservation], job: Job) -> Job:
        if job.id in self.ended or (new.after is not None and new.after not in settled):
            return job
        holder = self.live.get(job.id) or self.holder(job.name, job.unique_key)
        return holder or self.live.setdefault(job.id, evolve(job, state="waiting"))

    def report(self, one: Report) -> bool:
        """Write the progress of a job. Return False if its reservation was lost."""
        job = self._held_by(one.reservation)
        if job is not None:
            self.live[job.id] = evolve(job, progress=one.progress)
        return job is not None

    def _held_by(self, reservation: Reservation) -> Job | None:
        """Return the job with exactly this reservation: the fence of all writes about it."""
        job = self.live.get(reservation.job_id)
        if job is None or job.reserved_by is None or job.reservation != reservation:
            return None  # it has another reservation by now, or none
        return job

    def settle(self, one: Settlement, now: datetime) -> bool:
        """Write how a run ended. Return False if its reservation was lost."""
        job = self._held_by(one.reservation)
        if job is None:
            return False
        del self.live[job.id]
        values = {**_fields(job), **_counters(one)}
        match one:
            case Succeed(result=result):
                self.ended[job.id] = SucceededJob(
                    **values, succeeded_at=now, result_json=result
                )
            case Fail(error=error):
                self.ended[job.id] = FailedJob(**values, error=error, failed_at=now)
            case Cancel(reason=reason, by=by):
                self.ended[job.id] = CancelledJob(
                    **values, reason=reason, cancelled_by=by, cancelled_at=now
                )
            case Requeue(delay=delay):
                due = job.available_at if delay is None else now + delay
                values |= {"reserved_by": None, "reserved_at": None, "available_at": due}
                self.live[job.id] = Job(**values)
            case Drop():
                pass
        return True

    def reserve(
        self,
        owner: UUID,
        names: Collection[str],
        caps: Sequence[Cap],
        limit: int,
        now: datetime,
    ) -> list[Job]:
        """Reserve due jobs for an owner, most urgent first, within the caps."""
        due = sorted(
            (job for job in self.waiting() if job.name in names and job.available_at <= now),
            key=lambda job: (job.priority, job.available_at, job.id),
        )
        within, _ = self.openings(caps, now).split(due)
        reserved: dict[str, Any] = {
            "state": "running",
            "reserved_by": owner,
            "reserved_at": now,
        }
        taken = [
            evolve(job, **reserved, reservations=job.reservations + 1)
            for job in within[: max(0, limit)]
        ]
        self.live.update((job.id, job) for job in taken)
        self._note_starts(taken, caps, now)
        return taken

    def openings(self, caps: Sequence[Cap], now: datetime) -> Openings:
        """Return how many more jobs of the workers with caps may be reserved."""
        return openings(caps, {cap.name: self._use(cap, now) for cap in caps})

    def _use(self, cap: Cap, now: datetime) -> Use:
        running = sum(job.name == cap.name for job in self.held())
        starts = self._starts(cap, now)
        return Use(running, len(starts), now - starts[0] if starts else None)

    def _starts(self, cap: Cap, now: datetime) -> list[datetime]:
        period = timedelta(seconds=0 if cap.rate is None else cap.rate.period)
        return [start for start in self.starts.get(cap.name, ()) if start > now - period]

    def _note_starts(self, taken: Sequence[Job], caps: Sequence[Cap], now: datetime) -> None:
        for cap in caps:
            begun = [now for job in taken if job.name == cap.name]
            self.starts[cap.name] = (*self._starts(cap, now), *begun)

    def prune(
        self, state: EndState, before: datetime, name: str | None, limit: int, skip: int
    ) -> int:
        """Delete jobs that ended in this state before this time."""
        old = [
            job
            for job in self.ended.values()
            if job.state == state and _ended_at(job) < before and name in (None, job.name)
        ]
        old.sort(key=_ended_at if name is None else lambda job: job.id)
        return sum(self.ended.pop(job.id) is job for job in old[skip : skip + limit])

    def owners(self) -> set[UUID | None]:
        """Return the owners that jobs refer to."""
        return {job.reserved_by for job in chain(self.live.values(), self.ended.values())}


def page_of(jobs: Iterable[J], wanted: JobFilter[Any], page: Page) -> Listing[J]:
    """Return a page of the jobs that a filter selects, as `Store.list` does."""

    def place(job: Job | EndedJob) -> tuple[Any, UUID]:
        return job.failed_at if wanted.search and isinstance(job, FailedJob) else None, job.id

    newest_first = wanted.state in get_args(EndState)
    rows = sorted(jobs, key=place, reverse=newest_first)
    if page.after is not None:
        cursor = cursor_of(page) if wanted.search else None
        start = (cursor.at if cursor else None, page.after_id)
        follows = lt if newest_first else gt
        rows = [job for job in rows if follows(place(job), start)]
    found = rows[: page.limit]
    if not found or len(found) == len(rows):
        return Listing(found)
    at, job_id = place(found[-1])
    return Listing(found, after=Cursor(job_id, at))


def _ended_at(job: EndedJob) -> datetime:
    match job:
        case SucceededJob():
            return job.succeeded_at
        case FailedJob():
            return job.failed_at
        case CancelledJob():
            return job.cancelled_at


def _fields(job: Job) -> dict[str, Any]:
    return {one.name: getattr(job, one.name) for one in fields(StoredJob)}


def _counters(settlement: Settlement) -> dict[str, Any]:
    if isinstance(settlement, Succeed | Drop):
        return {}
    return {
        "attempts": settlement.attempts,
        "crashes": settlement.crashes,
        "interruptions": settlement.interruptions,
        "errors": settlement.errors,
        "history": settlement.history,
    }

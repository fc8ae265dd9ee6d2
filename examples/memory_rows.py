"""What `memory_store.py` keeps, and the rules of changing it: dicts of frozen jobs."""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

from attrs import asdict, evolve, field, frozen

from bgjobs import FailedJob, Job, Reservation, SucceededJob
from bgjobs.stores.limits import Openings, Use, openings
from bgjobs.stores.pages import Page
from bgjobs.stores.types import (
    Cap,
    Drop,
    Fail,
    NewJob,
    Requeue,
    Settlement,
    StoredJob,
    Succeed,
)
from bgjobs.stores.values import as_asked, as_planned, check_duplicates, which_are_free

J = TypeVar("J", bound=StoredJob)


@frozen
class Rows:
    """All jobs. A change is made to a copy, which then takes the place of the whole."""

    live: dict[UUID, Job] = field(factory=dict[UUID, Job])
    succeeded: dict[UUID, SucceededJob] = field(factory=dict[UUID, SucceededJob])
    failed: dict[UUID, FailedJob] = field(factory=dict[UUID, FailedJob])
    starts: dict[str, tuple[datetime, ...]] = field(factory=dict[str, tuple[datetime, ...]])
    """When the jobs of a worker with a rate limit were reserved."""

    def copy(self) -> "Rows":
        return Rows(dict(self.live), dict(self.succeeded), dict(self.failed), dict(self.starts))

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
        """Store jobs, and give what stands for each: itself, or who was there before it."""
        planned = as_planned(new, which_are_free(new, settled), lambda: now)
        jobs = [self._stored(one, settled, as_asked(one, now)) for one in planned]
        check_duplicates(new, jobs)
        return jobs

    def _stored(self, new: NewJob, settled: Collection[Reservation], job: Job) -> Job:
        has_ended = job.id in self.succeeded or job.id in self.failed
        if has_ended or (new.after is not None and new.after not in settled):
            return job
        standing = self.live.get(job.id) or self.holder(job.name, job.unique_key)
        return self.live.setdefault(job.id, job) if standing is None else standing

    def settle(self, one: Settlement, now: datetime) -> bool:
        """Write how a run ended; False when its reservation is not there any more."""
        job = self.live.get(one.reservation.job_id)
        if job is None or job.reserved_by is None or job.reservation != one.reservation:
            return False  # the fence: the job has another reservation by now, or none
        del self.live[job.id]
        match one:
            case Succeed():
                self.succeeded[job.id] = SucceededJob(**_fields(job), succeeded_at=now)
            case Fail():
                values = {**_fields(job), **_counters(one)}
                self.failed[job.id] = FailedJob(**values, error=one.error, failed_at=now)
            case Requeue():
                due = job.available_at if one.delay is None else now + one.delay
                freed = evolve(job, reserved_by=None, reserved_at=None, available_at=due)
                self.live[job.id] = evolve(freed, **_counters(one))
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
        taken = [
            evolve(job, reserved_by=owner, reserved_at=now, reservations=job.reservations + 1)
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

    def prune_succeeded(self, before: datetime, limit: int, skip: int) -> int:
        """Forget jobs that ended before this, the longest ended first."""
        old = sorted(
            (job for job in self.succeeded.values() if job.succeeded_at < before),
            key=lambda job: job.succeeded_at,
        )
        return sum(self.succeeded.pop(job.id) is job for job in old[skip : skip + limit])

    def prune_failed(self, before: datetime, limit: int, skip: int) -> int:
        """Forget jobs that ended before this, the longest ended first."""
        old = sorted(
            (job for job in self.failed.values() if job.failed_at < before),
            key=lambda job: job.failed_at,
        )
        return sum(self.failed.pop(job.id) is job for job in old[skip : skip + limit])


def oldest_first(jobs: Iterator[J], page: Page) -> list[J]:
    """Return a page of jobs; ids are in the order of their making."""
    after = page.after_id
    wanted = (job for job in jobs if after is None or job.id > after)
    return sorted(wanted, key=lambda job: job.id)[: page.limit]


def newest_first(jobs: Iterator[J], page: Page) -> list[J]:
    """Return a page of jobs, backwards."""
    after = page.after_id
    wanted = (job for job in jobs if after is None or job.id < after)
    return sorted(wanted, key=lambda job: job.id, reverse=True)[: page.limit]


def _fields(job: Job) -> dict[str, Any]:
    return asdict(job, recurse=False)


def _counters(settlement: Fail | Requeue) -> dict[str, Any]:
    return {
        "attempts": settlement.attempts,
        "crashes": settlement.crashes,
        "interruptions": settlement.interruptions,
        "errors": settlement.errors,
    }

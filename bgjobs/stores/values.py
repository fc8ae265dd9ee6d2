"""Values that both stores make from their rows and from what they are asked to write."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar, cast, final
from uuid import UUID

from attrs import evolve, field, frozen

from bgjobs._core.audit import AuditEntry
from bgjobs._core.jobs import AnyJob, Job, Reservation, UnreadableJob
from bgjobs._core.outcomes import Cancelled, cancelled_instead, failed, put_back
from bgjobs._core.requests import DEFAULT_OPTIONS
from bgjobs._core.settlements import (
    Cancel,
    Drop,
    Fail,
    Report,
    Requeue,
    Settlement,
    Succeed,
)
from bgjobs._core.text import LONGEST_ERROR, clean_text, is_utf8
from bgjobs._core.timestamps import LONGEST_DELAY, as_instant
from bgjobs.errors import DuplicateJobError, UnreadableJobError
from bgjobs.stores.json_columns import in_utc, readable
from bgjobs.stores.operations import Finding, LiveOwner
from bgjobs.stores.pages import Cursor, Listing, Page
from bgjobs.stores.types import Commands, MarkedEnd, NewJob

J = TypeVar("J", bound=AnyJob)
_VERBS = {
    Succeed: "succeed",
    Fail: "fail",
    Cancel: "cancel",
    Requeue: "requeue",
    Drop: "drop",
}


@final
@frozen
class Ends:
    """The results of the settlements of one write."""

    written: list[Reservation] = field(factory=list[Reservation])
    """Settlements that took effect as requested."""
    cancelled: dict[Reservation, Cancelled] = field(factory=dict[Reservation, Cancelled])
    """See `Written.cancelled`."""
    reserved: set[Reservation] = field(factory=set[Reservation])
    """See `Written.still_reserved`."""
    unreported: list[Reservation] = field(factory=list[Reservation])
    """The reservations of reports that did not hold any longer."""
    asked: list[UUID] = field(factory=list[UUID])
    """Descendants of the jobs that have ended whose owners were asked to cancel them."""

    def lost(self, settlements: Sequence[Settlement]) -> list[Reservation]:
        """Return the reservations that did not hold any longer."""
        found = [*self.written, *self.cancelled] if self.cancelled else self.written
        return [*self.unreported, *lost(settlements, found)]

    def add(self, others: "Ends") -> None:
        """Add what another statement has written for the same write."""
        self.written.extend(others.written)
        self.cancelled.update(others.cancelled)
        self.reserved.update(others.reserved)
        self.asked.extend(others.asked)

    def left(
        self, verbs: Mapping[str, Sequence[Settlement]]
    ) -> Mapping[str, Sequence[Settlement]]:
        """Return the settlements that were not written, by their verbs; mostly none."""
        if len(self.written) + len(self.cancelled) == sum(map(len, verbs.values())):
            return {}
        found = {*self.written, *self.cancelled}
        left = {
            verb: [one for one in chosen if one.reservation not in found]
            for verb, chosen in verbs.items()
        }
        return {verb: chosen for verb, chosen in left.items() if chosen}

    def still_reserved(self, jobs: Iterable[Job]) -> list[Job]:
        """Return the jobs that were not put back, and that only their owner ends."""
        return [job for job in jobs if job.reservation in self.reserved]


def bounded_age(age: timedelta) -> timedelta:
    """Return an age that both databases can subtract from now."""
    return max(-LONGEST_DELAY, min(age, LONGEST_DELAY))


def stored_as(new: NewJob, created_at: datetime, available_at: datetime) -> Job:
    """Return the job that `new` becomes when it is stored with these times."""
    options = new.request.options
    return Job(
        id=new.id,
        name=new.request.name,
        payload=new.request.payload,
        priority=options.priority,
        created_at=created_at,
        available_at=available_at,
        unique_key=options.unique_key,
        occurrence=None if options.occurrence is None else in_utc(options.occurrence),
        metadata=dict(options.metadata),
        state="delayed" if available_at > created_at else "waiting",
    )


def as_asked(new: NewJob, now: datetime) -> Job:
    """Return the job that `new` becomes when it is stored at the time `now`."""
    options = new.request.options
    if options.available_at is not None:
        return stored_as(new, now, as_instant("available_at", options.available_at))
    return stored_as(new, now, now + (options.available_in or timedelta(0)))


def in_claim_order(found: Iterable[Job | UnreadableJob]) -> list[Job]:
    """Sort reserved jobs, which RETURNING returns in no particular order."""
    rows = [*found]
    try:  # in most cases there are only jobs
        return sorted(cast("list[Job]", rows), key=_claim_order)
    except AttributeError:
        jobs = listing(rows)
        jobs.sort(key=_claim_order)
        return jobs


def _claim_order(job: Job) -> tuple[int, datetime, int]:
    return job.priority, job.available_at, job.id.int


def listing(found: Iterable[J | UnreadableJob]) -> list[J]:
    """Return the jobs; as a `Listing` if some rows cannot be read."""
    jobs: list[J] = []
    unreadable: list[UnreadableJob] = []
    after: UUID | None = None
    for one in found:
        if isinstance(one, UnreadableJob):
            unreadable.append(one)
            after = one.id if str(one.id) == one.columns["id"] else None
        else:
            jobs.append(one)
            after = one.id
    if not unreadable:
        return jobs
    return Listing(jobs, unreadable, None if after is None else Cursor(after))


def audit_page(found: Iterable[AuditEntry], page: Page) -> Listing[AuditEntry]:
    """Return a page of entries, of which one may be that of the next page."""
    entries = [*found]
    kept = entries[: page.limit]
    if len(entries) == len(kept):
        return Listing(kept)
    last = kept[-1].id if kept else page.after_id
    return Listing(kept, after=None if last is None else Cursor(last))


def cursor_of(page: Page) -> Cursor | None:
    """Return where a page of a search begins; `ValueError` for an id, which is no position."""
    if isinstance(page.after, UUID):
        raise ValueError(  # noqa: TRY004 - other listings accept this type
            "Page: after: expected the cursor of a search, found an id; write page.behind(jobs)"
        )
    return page.after


def single(found: J | UnreadableJob) -> J:
    """Return the job; `UnreadableJobError` for a row that cannot be read."""
    if isinstance(found, UnreadableJob):
        raise UnreadableJobError(found)
    return found


def by_verb(settlements: Sequence[Settlement]) -> dict[str, list[Settlement]]:
    """Group settlements by the statement that writes them; a reservation is settled once."""
    verbs: dict[str, list[Settlement]] = {}
    for one in _first_of_each(settlements):
        verb = _VERBS[type(one)]
        if verb == "succeed" and cast("Succeed", one).result is not None:
            verb = "succeed_with_result"
        verbs.setdefault(verb, []).append(one)
    return verbs


def _first_of_each(settlements: Sequence[Settlement]) -> Collection[Settlement]:
    # Hashing a number is faster than hashing a reservation, and repeated jobs are rare.
    if len({one.reservation.job_id.int for one in settlements}) == len(settlements):
        return settlements
    first: dict[Reservation, Settlement] = {}
    for one in settlements:
        first.setdefault(one.reservation, one)
    return first.values()


def lost(
    settlements: Sequence[Settlement | Report], written: Collection[Reservation]
) -> list[Reservation]:
    """Return the reservations that did not hold; of repeated ones, all but the first."""
    if len(written) == len(settlements):
        return []
    left = set(written)
    missed: list[Reservation] = []
    for one in settlements:
        if one.reservation in left:
            left.remove(one.reservation)
        else:
            missed.append(one.reservation)
    return missed


def which_are_free(wanted: Sequence[NewJob], written: Iterable[Reservation]) -> list[bool]:
    """Return for each new job whether it can be stored, given what was settled."""
    if all(new.after is None for new in wanted):
        return [True] * len(wanted)
    settled = set(written)
    return [new.after is None or new.after in settled for new in wanted]


def are_plain(wanted: Iterable[NewJob]) -> bool:
    """Whether all these jobs are new, and run at once by the default options of a request.

    Adapters store them by a statement without what other jobs need. It is only compared which
    object the options are: for options that are equal, the other statement does the same.
    """
    return all(
        new.request.options is DEFAULT_OPTIONS
        and new.after is None
        and new.plan is None
        and not new.repeated
        for new in wanted
    )


def as_planned(
    wanted: Sequence[NewJob], are_free: Iterable[bool], clock: Callable[[], datetime]
) -> Sequence[NewJob]:
    """Return the new jobs; those that are stored are replaced by what their plans return."""
    if all(new.plan is None for new in wanted):
        return wanted
    now = clock()
    return [
        evolve(new, request=new.plan(now)) if is_free and new.plan is not None else new
        for new, is_free in zip(wanted, are_free, strict=True)
    ]


def commands_of(
    found: Iterable[tuple[UUID | None, str, str | None]], marked: Iterable[str | None]
) -> Commands:
    """Return the commands in the rows of the statements `commands` and `marked_names`.

    A row has the id of a job, the reason and the author; or no id, and the name of a queue.
    Pauses of queues whose name cannot be read are left out.
    """
    paused: set[str] = set()
    cancelled: dict[UUID, Cancelled] = {}
    for job_id, text, by in found:
        if job_id is not None:
            cancelled[job_id] = Cancelled(readable(text), None if by is None else readable(by))
        elif is_utf8(text):
            paused.add(text)
    names = frozenset(name for name in marked if name is not None and is_utf8(name))
    return Commands(frozenset(paused), cancelled, names)


def marked_ends(
    found: Iterable[tuple[Job | UnreadableJob, str, str, str | None]],
) -> Listing[MarkedEnd]:
    """Return the ends in rows of the statement `marked_ends`: job, state, reason, author."""
    ends: list[MarkedEnd] = []
    unreadable: list[UnreadableJob] = []
    for job, state, reason, by in found:
        if isinstance(job, UnreadableJob):
            unreadable.append(job)
        else:
            ends.append(MarkedEnd(job, _marked(job, state, reason, by)))
    return Listing(ends, unreadable)


def _marked(job: Job, state: str, reason: str, by: str | None) -> Fail | Cancel:
    text = clean_text(reason, LONGEST_ERROR)  # texts may not be UTF-8
    if state == "failed":
        return failed(job, text)
    cancelled = Cancelled(text, None if by is None else readable(by))
    return cancelled_instead(put_back(job), cancelled)


def check_duplicates(wanted: Collection[NewJob], stored: Iterable[Job]) -> None:
    """Raise `DuplicateJobError` for a request with ``on_conflict="raise"`` that conflicts.

    A conflict with a job of the same write has no holder, since that is not stored either.
    """
    for new, job in zip(wanted, stored, strict=True):
        options = new.request.options
        if options.refuses_duplicates and options.unique_key and job.id != new.id:
            is_new = any(job.id == other.id for other in wanted)
            holder = None if is_new else job.id
            raise DuplicateJobError(new.request.name, options.unique_key, holder)


_LONGEST_LEASE = timedelta(seconds=1e9)
"""Longer than any lease that `Config` accepts."""
_SHOWN = 3


def owners_finding(owners: Sequence[LiveOwner | None]) -> Finding:
    """Check the owners with a live lease; None is an owner that cannot be read."""
    unreadable = sum(owner is None for owner in owners)
    endless = [str(owner.id) for owner in owners if owner and owner.lease_left > _LONGEST_LEASE]
    if not (unreadable or endless):
        return Finding("owners", "ok", f"{len(owners):,} with a lease")
    found: list[str] = []
    if unreadable:
        found.append(f"{unreadable:,} cannot be read, and are not listed")
    if endless:
        shown = ", ".join(endless[:_SHOWN])
        found.append(
            f"{len(endless):,} with a lease longer than any setting allows ({shown}): what "
            "they have reserved is not released until their rows are deleted"
        )
    return Finding("owners", "warning", "; ".join(found))


def pauses_finding(commands: Sequence[tuple[Any, ...]]) -> Finding:
    """Check the pauses among the rows of the statement `commands`."""
    names = [text for job_id, text, _ in commands if job_id is None]
    unreadable = sum(not is_utf8(name) for name in names)
    if unreadable:
        text = f"{unreadable:,} have names that cannot be read, and pause no queue"
        return Finding("paused queues", "warning", text)
    return Finding("paused queues", "ok", f"{len(names):,}")

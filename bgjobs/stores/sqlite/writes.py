"""Writes of new jobs, ends of runs and progress.

`write` and `store_new` are transactions. The other functions run in one that the caller begins
and ends.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import partial
from itertools import compress
from typing import Any
from uuid import UUID

from bgjobs._core.jobs import Job, Reservation
from bgjobs._core.limits import Cap
from bgjobs._core.outcomes import Cancelled, cancelled_instead, put_back
from bgjobs._core.settlements import Report, Requeue, Settlement
from bgjobs._core.text import LONGEST_ERROR, clean_text
from bgjobs._core.timestamps import from_microseconds
from bgjobs.stores.decoder import as_of
from bgjobs.stores.json_columns import readable
from bgjobs.stores.nurseries import PARENT_ENDED
from bgjobs.stores.pages import Listing, unreadable_in
from bgjobs.stores.sqlite import codec
from bgjobs.stores.sqlite.connection import Parameters
from bgjobs.stores.sqlite.executor import Executor, Transaction
from bgjobs.stores.sqlite.families import end_descendants
from bgjobs.stores.sqlite.reads import as_openings
from bgjobs.stores.types import NewJob, Written
from bgjobs.stores.values import (
    Ends,
    are_plain,
    as_asked,
    as_planned,
    by_verb,
    check_duplicates,
    in_claim_order,
    lost,
    single,
    stored_as,
    which_are_free,
)


def write(
    executor: Executor,
    wanted: Sequence[NewJob],
    settlements: Sequence[Settlement],
    reports: Sequence[Report],
    now: datetime | None,
) -> Written:
    """Write progress, how runs ended, and new jobs, all in one transaction."""
    with executor.writing() as transaction:
        moment = executor.microseconds(now)
        # Settled first: a job that ends frees its unique key for the one that follows it.
        ends = settle(transaction, settlements, moment, reports)
        jobs = enqueue(transaction, wanted, moment, ends.written)
    lost_ones, asked = ends.lost(settlements), bool(ends.asked)
    return Written(jobs, lost_ones, ends.cancelled, ends.reserved, asked)


def store_new(
    executor: Executor, wanted: Sequence[NewJob], now: datetime | None
) -> Sequence[Job]:
    """Store new jobs, and return one job for each as `enqueue` does."""
    if len(wanted) == 1 and are_plain(wanted):
        [new] = wanted
        moment = executor.microseconds(now)
        if executor.insert_alone("enqueue_plain", _plain_row(new, moment)):
            stored_at = from_microseconds(moment)
            return [stored_as(new, stored_at, stored_at)]
    with executor.writing() as transaction:
        return enqueue(transaction, wanted, executor.microseconds(now))


def _plain_row(new: NewJob, now: int) -> Sequence[str | int]:
    return str(new.id), new.request.name, new.request.payload, now, now


def enqueue(
    transaction: Transaction,
    jobs: Sequence[NewJob],
    now: int,
    written: Collection[Reservation] = (),
) -> list[Job]:
    """Store new jobs and return one job for each.

    Where the id is live already or the unique key is taken, it is the job that has it. A job
    that follows a settlement that is not in `written` is returned, but not stored.
    """
    if not jobs:
        return []
    are_free = which_are_free(jobs, written)
    jobs = as_planned(jobs, are_free, partial(from_microseconds, now))
    moment = from_microseconds(now)
    wanted = [as_asked(new, moment) for new in jobs]
    stored = _insert(transaction, jobs, list(compress(wanted, are_free)), now)
    if stored is None:
        return wanted
    found = [
        _holder(transaction, job, moment) if is_free and str(job.id) not in stored else job
        for job, is_free in zip(wanted, are_free, strict=True)
    ]
    check_duplicates(jobs, found)
    return found


def _insert(
    transaction: Transaction, wanted: Sequence[NewJob], jobs: Sequence[Job], now: int
) -> Collection[str] | None:
    """Store the jobs that are wanted; return the ids of those that were stored.

    None if all were, which is the usual case, and needs no ids.
    """
    if are_plain(wanted):
        rows = (_plain_row(new, now) for new in wanted)
        return None if transaction.insert("enqueue_plain", rows) == len(jobs) else ()
    parameters: Parameters = {"jobs": codec.enqueued_json(jobs), "now": now}
    if any(new.repeated or new.request.options.unique_key for new in wanted):
        return {row[0] for row in transaction.run("enqueue", parameters)}
    # Otherwise one is not stored only if its id was given twice.
    return None if transaction.change("enqueue", parameters) == len(jobs) else ()


def _holder(transaction: Transaction, job: Job, now: datetime) -> Job:
    """Return the live job that kept this one from being stored."""
    parameters = {"id": str(job.id), "name": job.name, "unique_key": job.unique_key}
    found = transaction.run("find_holder", parameters)
    # None when this very job was stored before and has ended: then it is as it was asked for.
    return as_of(single(codec.DECODER.job(found[0])), now) if found else job


def replace(transaction: Transaction, waiting: Job, new: NewJob | None, now: int) -> bool:
    """Delete a job that was not reserved since it was read, and store `new` after it."""
    wanted: Parameters = {"id": str(waiting.id), "reservations": waiting.reservations}
    if not transaction.run("replace", wanted):
        return False
    if new is not None:
        enqueue(transaction, [new], now)
    return True


def reserve(
    transaction: Transaction,
    owner: UUID,
    names: Collection[str],
    limit: int,
    caps: Sequence[Cap],
    now: int,
) -> Sequence[Job]:
    """Reserve due jobs in their order, and release at once what is beyond a cap.

    The write transaction keeps other processes from reserving, so what is counted stays true.
    """
    if not caps:
        return _reserve(transaction, owner, names, limit, now)
    used = transaction.run("use", {"caps": codec.caps_json(caps), "now": now})
    room = as_openings(used, caps)
    jobs = _reserve(transaction, owner, room.names(names), limit, now)
    kept, excess = room.split(jobs)
    if excess:
        ends = settle(transaction, [put_back(job) for job in excess], now)
        kept += ends.still_reserved(excess)
    rated = {cap.name for cap in caps if cap.rate is not None}
    started: Parameters = {
        "caps": codec.caps_json(caps),
        "names": codec.to_json(job.name for job in kept if job.name in rated),
        "now": now,
    }
    transaction.run("forget_starts", started)
    transaction.run("record_starts", started)
    return Listing(kept, unreadable_in(jobs))


def _reserve(
    transaction: Transaction, owner: UUID, names: Collection[str], limit: int, now: int
) -> Sequence[Job]:
    wanted: Parameters = {
        "owner": str(owner),
        "names": codec.names_json(names),
        "limit": limit,
        "now": now,
    }
    portions = transaction.run("find_due", wanted)
    chosen = codec.to_json(json.loads(row) for _, row in portions)
    transaction.change("reserve", {"owner": str(owner), "now": now, "rows": chosen})
    found: list[list[Any]] = [job for jobs, _ in portions for job in json.loads(jobs)]
    return in_claim_order(map(codec.DECODER.job, found))


def settle(
    transaction: Transaction,
    settlements: Sequence[Settlement],
    now: int,
    reports: Sequence[Report] = (),
) -> Ends:
    """Write progress and then how runs ended, and return what was written or cancelled."""
    ends = Ends()
    if reports:
        held = _settle(transaction, ["report"], reports, now)
        ends.unreported.extend(lost(reports, held))
    verbs = by_verb(settlements)
    for verb, chosen in verbs.items():
        if verb == "requeue":
            _requeue(transaction, chosen, now, ends)
            continue
        ends.written.extend(_settle(transaction, _statements_of(verb), chosen, now))
        if verb == "fail":
            index_failures(transaction)
    if left := ends.left(verbs):
        _settle_parents(transaction, left, now, ends)
    return ends


def _statements_of(verb: str) -> Sequence[str]:
    # `succeed`, `fail` and `cancel` copy the reserved rows, and `drop` deletes them.
    return (verb,) if verb == "drop" else (verb, "drop")


def _settle_parents(
    transaction: Transaction,
    left: Mapping[str, Sequence[Settlement]],
    now: int,
    ends: Ends,
) -> None:
    """Settle those of these jobs that have children, and end their descendants.

    `left` has what was not written, by its verb.
    """
    over: list[str] = []
    for verb, chosen in left.items():
        found = transaction.run("lock_parents", codec.settled(chosen, now))
        parents = {tuple(row) for row in found}
        held = [one for one in chosen if tuple(codec.fence(one)) in parents]
        if held and verb != "requeue":
            names = [f"{name}:parents" for name in _statements_of(verb)]
            ends.written.extend(_settle(transaction, names, held, now))
            over.extend(str(one.reservation.job_id) for one in held)
            if verb == "fail":
                index_failures(transaction)
    ends.asked.extend(end_descendants(transaction, over, now).asked)


def _settle(
    transaction: Transaction,
    names: Sequence[str],
    chosen: Sequence[Settlement | Report],
    now: int,
) -> list[Reservation]:
    """Run statements for these settlements, and return the reservations that were held."""
    parameters = codec.settled(chosen, now)
    held = [one.reservation for one in chosen]
    *copies, last = names
    copied = [transaction.change(name, parameters) for name in copies]
    if copied == [len(held)]:  # mostly: all were held, so their ids need not be fetched
        transaction.change(last, parameters)
        return held
    # No two reservations of a job have the same number.
    found = {(UUID(row[0]), row[1]) for row in transaction.run(last, parameters)}
    return [one for one in held if (one.job_id, one.number) in found]


def _requeue(
    transaction: Transaction, chosen: Sequence[Settlement], now: int, ends: Ends
) -> None:
    """Make jobs wait again, except those that an operator has cancelled meanwhile."""
    if asked := transaction.run("find_cancellations", codec.settled(chosen, now)):
        held = {one.reservation: one for one in chosen if isinstance(one, Requeue)}
        instead: list[Settlement] = []
        for job_id, owner, number, *command, stays in asked:
            reservation = Reservation(UUID(job_id), UUID(owner), number)
            cancelled = _cancelled(*command)
            if reservation in held:
                ends.cancelled[reservation] = cancelled
                if stays:
                    ends.reserved.add(reservation)
                else:
                    instead.append(cancelled_instead(held[reservation], cancelled))
        ends.asked.extend(settle(transaction, instead, now).asked)
        ended = codec.uuids_json(one.reservation.job_id for one in instead)
        transaction.change("delete_cancellations", {"ids": ended})
        chosen = [one for one in chosen if one.reservation not in ends.cancelled]
    ends.written.extend(_settle(transaction, ["requeue"], chosen, now))


def _cancelled(reason: str | None, by: str | None) -> Cancelled:
    if reason is None:
        return Cancelled(PARENT_ENDED)
    # The texts may not be valid UTF-8.
    return Cancelled(clean_text(reason, LONGEST_ERROR), None if by is None else readable(by))


def index_failures(transaction: Transaction) -> None:
    """Bring the index of error words up to date, after failed jobs were stored or deleted."""
    for name in ("unindex_failures", "forget_failures", "index_failures", "mark_indexed"):
        transaction.change(name, {})

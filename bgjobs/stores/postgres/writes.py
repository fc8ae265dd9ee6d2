"""Writes on a connection and in a transaction that the caller chose.

`enqueue_steps` is a generator that yields statements and receives their rows, because it runs
on plain connections and on async ones.
"""

from collections.abc import Collection, Generator, Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from itertools import compress
from typing import final
from uuid import UUID

from attrs import frozen

from bgjobs._core.jobs import Job, Reservation
from bgjobs._core.outcomes import Cancelled
from bgjobs._core.requests import JobRequest
from bgjobs._core.settlements import Report, Settlement
from bgjobs.errors import StoreUnavailableError
from bgjobs.stores.postgres import codec
from bgjobs.stores.postgres.families import end_descendants, lock_parents
from bgjobs.stores.postgres.pool import AnyConnection
from bgjobs.stores.postgres.statements import (
    BEGIN,
    CLOCK,
    COMMIT,
    Dialect,
    Step,
    lock_timeout,
)
from bgjobs.stores.types import NewJob
from bgjobs.stores.values import (
    Ends,
    are_plain,
    as_asked,
    as_planned,
    check_duplicates,
    lost,
    single,
    stored_as,
    which_are_free,
)

_ROWS_PER_SECOND = 1_000
_CHARACTERS_PER_SECOND = 1_000_000
"""What a slow server on a slow line accepts. A time limit is for silence, not for work."""
BRIEF_WAIT = 0.1
"""Seconds for which the job of a scheduled job waits for its key in another transaction.

The wait occupies a connection and a thread that others need, and the schedule asks again later.
"""
_LOCK_WAIT = 0.25
"""Which part of a call's time other jobs may wait for a unique key in another transaction."""
_TRIES = 10
"""How often the holder of a unique key may end between two statements."""

EnqueueSteps = Generator[Sequence[Step], list[list[codec.Row]], list[Job]]
"""Yields statements for one round trip, and receives the rows of each."""


@final
@frozen
class EnqueueGuard:
    """What runs around `enqueue` in a transaction of the store's own.

    The insert may wait for another transaction's unique key, and continue after the client has
    given up. So the server limits the wait too, and the transaction is rolled back if a job has
    ended meanwhile.
    """

    lock_timeout: Step
    alone: bool
    """Whether it is the whole transaction."""

    def around(self, sql: Dialect, values: codec.Parameters) -> tuple[list[Step], list[Step]]:
        """Return the statements before `enqueue` with these values, and those after it."""
        check = (sql["refuse_ended"], values)
        if self.alone:
            return [BEGIN, self.lock_timeout], [check, COMMIT]
        return [self.lock_timeout], [check]


@final
class EnqueueGuards:
    """The guards of a store with this time limit for calls, in seconds."""

    def __init__(self, call_timeout: float) -> None:
        usual = call_timeout * _LOCK_WAIT
        self._usual = lock_timeout(usual)
        self.brief: Step = lock_timeout(min(usual, BRIEF_WAIT))
        """Limits the waits of a transaction that only writes the job of a scheduled job."""

    def of(
        self, wanted: Sequence[NewJob], settled: Collection[Settlement], *, alone: bool
    ) -> EnqueueGuard | None:
        """Return the guard for storing these jobs beside these settlements, or None."""
        if not _may_outlive_its_client(wanted):
            return None
        is_planned = not settled and all(_is_planned(new) for new in wanted)
        return EnqueueGuard(self.brief if is_planned else self._usual, alone)


def _is_planned(new: NewJob) -> bool:
    return new.request.options.occurrence is not None


def _may_outlive_its_client(wanted: Iterable[NewJob]) -> bool:
    """Whether storing these may wait for other transactions, or repeat an earlier write.

    Other writes need no guard, whose five statements cost twice as much as one.
    """
    return any(new.repeated or new.request.options.unique_key is not None for new in wanted)


def extra_seconds(wanted: Sequence[NewJob]) -> float:
    """Return how many seconds longer than other writes storing these may take."""
    characters = sum(len(new.request.payload) for new in wanted)
    return len(wanted) / _ROWS_PER_SECOND + characters / _CHARACTERS_PER_SECOND


def refuses_duplicates(requests: Iterable[JobRequest]) -> bool:
    """Whether storing these may have to be rolled back, and so needs a transaction."""
    return any(one.options.refuses_duplicates for one in requests)


def enqueue_steps(
    sql: Dialect,
    wanted: Sequence[NewJob],
    now: datetime | None,
    guard: EnqueueGuard | None = None,
) -> EnqueueSteps:
    """Store new jobs; return the existing job for an id or a unique key that is taken."""
    if are_plain(wanted):
        [rows] = yield [_plain_step(sql, wanted, now)]
        if rows and rows[0][0] == len(wanted):
            moment = codec.timestamp(rows[0][1])
            return [stored_as(new, moment, moment) for new in wanted]
    # Keyed by number: a UUID is hashed in Python each time.
    jobs: dict[int, Job] = {}
    missing = list({new.id.int: new for new in wanted}.values())
    for _ in range(_TRIES):
        values = codec.enqueue_values(missing, now)
        before, after = guard.around(sql, values) if guard else ([], [])
        found = yield [*before, (sql["enqueue"], values), *after]
        stored = {
            one.int: (codec.timestamp(at), codec.timestamp(due))
            for one, at, due in found[len(before)]
        }
        jobs |= {
            new.id.int: stored_as(new, *stored[new.id.int])
            for new in missing
            if new.id.int in stored
        }
        missing = [new for new in missing if new.id.int not in jobs]
        if missing:
            values = codec.enqueue_values(missing, now)
            holders, ended = yield [(sql["find_holder"], values), (sql["find_ended"], values)]
            jobs |= _standing(missing, holders, ended)
            missing = [new for new in missing if new.id.int not in jobs]
        if not missing:
            stored_jobs = [jobs[new.id.int] for new in wanted]
            check_duplicates(wanted, stored_jobs)
            return stored_jobs
    raise StoreUnavailableError(f"{sql.label}: a unique key changed its job {_TRIES} times")


def _plain_step(sql: Dialect, wanted: Sequence[NewJob], now: datetime | None) -> Step:
    if len(wanted) == 1:
        [new] = wanted
        request = new.request
        one = {"id": new.id, "name": request.name, "payload": request.payload, "now": now}
        return sql["enqueue_one"], one
    return sql["enqueue_plain"], codec.plain_values(wanted, now)


def _standing(
    wanted: Iterable[NewJob], holders: Iterable[codec.Row], ended: Iterable[codec.Row]
) -> dict[int, Job]:
    """Return why jobs were not stored: the job with the id, live or ended, or with the key."""
    held = {row[0].int: row[1:] for row in holders}
    times = {one.int: (codec.timestamp(at), codec.timestamp(due)) for one, at, due in ended}
    found: dict[int, Job] = {}
    for new in wanted:
        row = held.get(new.id.int)
        if new.id.int in times and (row is None or row[0] != new.id):
            found[new.id.int] = stored_as(new, *times[new.id.int])
        elif row is not None:
            found[new.id.int] = single(codec.with_state(row))
    return found


def run_steps(sql: Dialect, connection: AnyConnection, steps: EnqueueSteps) -> list[Job]:
    """Run the statements that `steps` yields."""
    try:
        asked = next(steps)
        while True:
            asked = steps.send(sql.run_all(connection, asked))
    except StopIteration as end:
        jobs: list[Job] = end.value
        return jobs


def enqueue(
    sql: Dialect,
    connection: AnyConnection,
    wanted: Sequence[NewJob],
    now: datetime | None,
    written: Collection[Reservation] = (),
    guard: EnqueueGuard | None = None,
) -> list[Job]:
    """Store new jobs, except for those that follow a settlement that is not in `written`.

    Those are only returned.
    """
    are_free = which_are_free(wanted, written)
    clock = partial(_time_of, sql, connection, now)
    free = list(compress(as_planned(wanted, are_free, clock), are_free))
    jobs = run_steps(sql, connection, enqueue_steps(sql, free, now, guard)) if free else []
    if len(free) == len(wanted):
        return jobs
    stored, asked_at = iter(jobs), clock()
    return [
        next(stored) if is_free else as_asked(new, asked_at)
        for new, is_free in zip(wanted, are_free, strict=True)
    ]


def _time_of(sql: Dialect, connection: AnyConnection, now: datetime | None) -> datetime:
    [[clock]] = sql.run(connection, CLOCK, {"now": now})
    return codec.timestamp(clock)


def replace(
    sql: Dialect,
    connection: AnyConnection,
    waiting: Job,
    new: NewJob | None,
    now: datetime | None,
) -> bool:
    """Delete a job that was not reserved since it was read, and store `new` after it."""
    values = {"id": waiting.id, "reservations": waiting.reservations}
    if not sql.run(connection, sql["replace"], values):
        return False
    if new is not None:
        enqueue(sql, connection, [new], now)
    return True


def settle(
    sql: Dialect,
    connection: AnyConnection,
    verbs: Mapping[str, Sequence[Settlement]],
    now: datetime | None,
    reports: Sequence[Report] = (),
) -> Ends:
    """Write progress and then how runs ended, and return the result for each."""
    ends = Ends()
    if reports:
        rows = sql.run(connection, sql["report"], codec.report_values(reports))
        ends.unreported.extend(lost(reports, [Reservation(*row) for row in rows]))
    for verb, chosen in verbs.items():
        _settle(sql, connection, verb, sql[verb], chosen, now, ends)
    return ends


def _settle(
    sql: Dialect,
    connection: AnyConnection,
    verb: str,
    statement: bytes,
    chosen: Sequence[Settlement],
    now: datetime | None,
    ends: Ends,
) -> None:
    with_result = verb == "succeed_with_result"
    values = (codec.succeed_values if with_result else codec.settle_values)(chosen, now)
    found = sql.run(connection, statement, values)
    if verb == "requeue":
        found = _without_cancelled(found, chosen, ends)
    if len(found) == len(chosen):  # the usual case: no reservation was lost
        ends.written.extend(one.reservation for one in chosen)
    else:
        ends.written.extend(Reservation(*row[:3]) for row in found)


def settle_parents(
    sql: Dialect,
    connection: AnyConnection,
    left: Mapping[str, Sequence[Settlement]],
    now: datetime | None,
) -> Ends:
    """Settle those of these jobs that have children, and end their descendants.

    `left` has what `settle` did not write, by its verb.
    """
    ends, over = Ends(), list[UUID]()
    parents = lock_parents(sql, connection, [one for chosen in left.values() for one in chosen])
    for verb, chosen in left.items():
        held = [one for one in chosen if one.reservation in parents]
        if held:
            _settle(sql, connection, verb, sql[f"{verb}:parents"], held, now, ends)
            if verb != "requeue":  # its row is deleted, even if the job has ended before
                over.extend(one.reservation.job_id for one in held)
    if over:
        ends.asked.extend(end_descendants(sql, connection, over, now).asked)
    return ends


def _without_cancelled(
    found: list[codec.Row], chosen: Sequence[Settlement], ends: Ends
) -> list[codec.Row]:
    """Return the rows of jobs that were put back, and record those that were cancelled."""
    cancelled = {
        Reservation(*held): (Cancelled(reason, by), stays)
        for *held, reason, by, stays in found
        if reason is not None
    }
    if not cancelled:
        return found
    for one in chosen:  # a job that stays reserved may have another reservation by now
        if one.reservation in cancelled:
            ends.cancelled[one.reservation], stays = cancelled[one.reservation]
            if stays:
                ends.reserved.add(one.reservation)
    return [row for row in found if row[3] is None]

"""What the documentation promises about runs and events, checked on the history of a job."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import islice, pairwise
from typing import final

from attrs import frozen

from bgjobs.events import QueueError
from tests.reliability.clock_jumps.forms import Wall, between, next_of
from tests.reliability.clock_jumps.history import History
from tests.reliability.clock_jumps.trace import Entry, Jumped, Started, Stopped
from tests.reliability.clock_jumps.worlds import AGES, CITY

MICROSECOND = timedelta(microseconds=1)
MOST_TOLD = 1000
LITTLE, MUCH = timedelta(minutes=5), timedelta(hours=1)
"""The limit is between these: set back further, a clock makes past runs irrelevant."""


def nothing_early(history: History) -> Iterator[str]:
    """No run begins before the store's clock shows its time, retries excepted."""
    for number, event in history.reserved:
        job = event.job
        begun = job.id in history.runs and history.runs[job.id].began < number
        if (
            not begun
            and job.occurrence
            and job.reserved_at
            and job.reserved_at < job.occurrence.at
        ):
            yield f"early: {job.occurrence.at} was reserved at {job.reserved_at}"


def only_occurrences(history: History) -> Iterator[str]:
    """Every run is of an occurrence, by the zones that the process has when it begins."""
    form = history.job.form
    if form.length is not None:
        return
    for run in history.runs.values():
        if next(form.slots(run.at - MICROSECOND, run.zone)) != run.at:
            yield f"no occurrence: {run.at} was run"


def all_missed_reported(history: History) -> Iterator[str]:
    """Every occurrence that is skipped between two planned ones is reported once."""
    form = history.job.form
    for link in history.links:
        if link.began_in != link.zone:
            continue  # it ran by other zones
        left = [link.ended] if link.dropped else []
        left += islice(between(form, link.ended, link.at, link.zone), MOST_TOLD)
        reported = 0 if link.missed is None else link.missed.count
        first = link.missed.first if link.missed else None
        if reported != len(left) or (left and first != left[0]):
            yield (
                f"missed: {len(left)} from {left[:1]} between {link.ended} and {link.at}, "
                f"reported: {reported} from {first}"
            )


def few_late(history: History) -> Iterator[str]:
    """Occurrences that passed during a run are made up, up to the limit in a row."""
    job, row, moved = history.job, 0, 0
    for link in history.links:
        late = link.at <= link.earliest
        moves = sum(number < link.number for number, _ in history.moves)
        row, moved = (0 if moves > moved else row), moves
        grace = timedelta(seconds=job.grace or 0)
        if link.dropped:
            row = 0
            if link.at <= link.earliest - grace:
                yield f"rush: {link.at} planned at {link.earliest} in the place of {link.ended}"
        else:
            row = row + 1 if late else 0
            if row > job.made_up:
                yield f"rush: {link.at} planned at {link.earliest}, {row} late in a row"


def no_bursts(history: History) -> Iterator[str]:
    """While the clock is steady, runs do not outnumber occurrences and those made up."""
    job, entries = history.job, history.entries
    cuts = [
        number for number, one in enumerate(entries) if isinstance(one.what, Jumped | Started)
    ]
    for since, until in pairwise([*cuts, len(entries)]):
        began, ended = entries[since].shown, entries[until - 1].shown
        runs = len({run.at for run in history.runs.values() if since <= run.began < until})
        if runs > 1 + job.made_up + _most_between(history, began, ended, history.zones[since]):
            yield f"burst: {runs} runs from {began} to {ended}"


def _most_between(history: History, began: datetime, ended: datetime, zone: tzinfo) -> int:
    job = history.job
    form = job.form
    grace = timedelta(seconds=job.grace or 0)
    fixed = sum(
        1 for _ in between(form, began - grace - MICROSECOND, ended + MICROSECOND, zone)
    )
    pauses = 1 + (ended - began) // form.length if form.length else 0
    return fixed + pauses


@final
@frozen
class _Covered:
    """An occurrence that ran, or was reported as missed."""

    at: datetime
    number: int
    was: datetime
    ran: bool


def nothing_twice(history: History) -> Iterator[str]:
    """No occurrence is run or reported again unless the clock was set back to before it.

    After a run it has to be set back by more than `LITTLE`, since a run by a clock that is
    slightly wrong still counts. An abandoned run does not count, and one that continues after
    a start with other zones keeps its time.
    """
    by_key: dict[datetime, list[_Covered]] = {}
    for key, one in _covered(history):
        by_key.setdefault(key, []).append(one)
    for same in by_key.values():
        for one, other in pairwise(sorted(same, key=lambda one: one.number)):
            if one.at in history.across:
                continue
            lowest, _ = history.shown(one.number, other.number)
            was_set_back = lowest < min(one.was, other.at)
            ahead = _latest_run(history, other.number) - lowest
            if was_set_back and (not one.ran or ahead > LITTLE):
                continue
            words = ["ran" if each.ran else "missed" for each in (one, other)]
            yield f"twice: {one.at} {words[0]}, {other.at} {words[1]}; clock since: {lowest}"


def _latest_run(history: History, before: int) -> datetime:
    return max(
        (run.at for run in history.runs.values() if run.began < before),
        default=datetime.min.replace(tzinfo=UTC),
    )


def _covered(history: History) -> Iterator[tuple[datetime, _Covered]]:
    form = history.job.form
    for job_id, run in history.runs.items():
        if job_id in history.finished:
            yield (
                _key(history, run.at, run.zone),
                _Covered(run.at, run.began, run.was, ran=True),
            )
    for missed in history.reports:
        ats = [missed.first, *islice(form.slots(missed.first, missed.zone), missed.count - 1)]
        for at in ats:
            yield (
                _key(history, at, missed.zone),
                _Covered(at, missed.number, missed.was, ran=False),
            )


def _key(history: History, at: datetime, zone: tzinfo) -> datetime:
    """Return the identity of an occurrence: local time where zones change, else the instant."""
    form = history.job.form
    if isinstance(form, Wall) and form.zone == CITY:
        return at.astimezone(zone).replace(tzinfo=None)
    return at


def nothing_lost(history: History) -> Iterator[str]:
    """The planned occurrence is run next, or reported as moved or missed."""
    planned: datetime | None = None
    events = [
        *((link.number, "planned", link.ended, link.at) for link in history.links),
        *((number, "moved", move.before, move.at) for number, move in history.moves),
    ]
    for _, what, before, at in sorted(events):
        if planned is not None and before != planned:
            yield f"lost: {planned} was planned, and then {before} was {what} to {at}"
        planned = at


def no_errors(history: History) -> Iterator[str]:
    """No queue reports an error."""
    for entry in history.entries:
        what = entry.what
        if isinstance(what, QueueError) and what.queue == history.job.name:
            yield f"error: {what.error!r} at {entry.shown}"


PROMISES = (
    nothing_early,
    only_occurrences,
    all_missed_reported,
    few_late,
    no_bursts,
    nothing_twice,
    nothing_lost,
)


NOISE = timedelta(seconds=0.1)
"""More than any rounding, and less than any distance between occurrences."""


def on_time(history: History) -> Iterator[str]:
    """Planned runs begin when they are due, unless a clock is set or the process stops."""
    entries, jitter = history.entries, history.job.jitter + NOISE.total_seconds()
    if history.world.lease != AGES:  # a queue that lost its lease restarts
        return
    for link in history.links:
        planned = entries[link.number]
        wait = max(timedelta(0), link.at - planned.shown).total_seconds()
        due = planned.loop + wait + jitter
        if due >= _end_of_calm(history, link.number):
            continue
        if not any(
            planned.loop <= one.loop <= due for one in _observations_of(history, link.at)
        ):
            yield f"late: {link.at} was planned at {planned.shown} and did not begin"


def _observations_of(history: History, at: datetime) -> Iterator[Entry]:
    """Yield the entries at which an occurrence is run, missed or moved."""
    entries = history.entries
    yield from (entries[number] for number, one in history.starts if one == at)
    yield from (entries[missed.number] for missed in history.reports if missed.first == at)
    yield from (entries[number] for number, move in history.moves if move.before == at)


def _end_of_calm(history: History, since: int) -> float:
    """Return when the store's clock is next set or the process stops; 0 if it has stopped."""
    before = (one.what for one in reversed(history.entries[:since]))
    if isinstance(
        next(what for what in before if isinstance(what, Started | Stopped)), Stopped
    ):
        return 0.0
    later = history.entries[since:]
    ends = (
        one for one in later if isinstance(one.what, Started | Stopped) or _sets_the_store(one)
    )
    return next((one.loop for one in ends), 0.0)


def _sets_the_store(entry: Entry) -> bool:
    return isinstance(entry.what, Jumped) and entry.what.jump.which != "processes"


def no_standstill(history: History) -> Iterator[str]:
    """After each jump and each start, a run begins within the documented time."""
    entries = history.entries
    for since, until in _calm(history):
        began, ended = entries[since].loop, entries[until].loop
        shown = entries[since].shown
        due = began + (_promised_start(history, since) - shown).total_seconds()
        if due >= ended:
            continue
        if not any(began <= entries[n].loop <= due for n, _ in history.starts if n >= since):
            yield f"standstill: nothing ran from {shown} for {due - began:g} s"


def _calm(history: History) -> Iterator[tuple[int, int]]:
    """Yield the periods in which processes run and the store's clock is not set."""
    marks = [
        (number, entry.what)
        for number, entry in enumerate(history.entries)
        if isinstance(entry.what, Started | Stopped) or _sets_the_store(entry)
    ]
    alive = False
    for (number, what), (until, _) in pairwise(marks):
        alive = isinstance(what, Started) or (alive and not isinstance(what, Stopped))
        if alive:
            yield number, until


def _promised_start(history: History, since: int) -> datetime:
    """Return when the next run begins at the latest, by the store's clock.

    The row is read after `poll_interval`; by then a running handler has ended, including its
    retry.
    """
    job, entries = history.job, history.entries
    shown, zone = entries[since].shown, history.zones[since]
    busy = 2 * job.lasts + (job.backoff if job.fails else 0)
    lease = 0.0 if history.world.lease == AGES else history.world.lease
    look = shown + timedelta(seconds=job.poll + history.world.heartbeat + busy + lease)
    ahead = (at for number, at in history.starts if number < since and at <= shown + MUCH)
    look = max([look, *ahead])  # runs by a clock that was slightly ahead still count
    if job.fails:
        look += MUCH
    elif job.form.length:  # it may be slightly late, as any delayed job
        look += min(max(job.form.length, LITTLE), MUCH)
    at = next_of(job.form, look, zone)
    return at + timedelta(seconds=job.jitter) + NOISE

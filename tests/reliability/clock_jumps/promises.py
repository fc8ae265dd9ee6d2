"""What the documentation promises about runs and events, checked on what was heard."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import islice, pairwise
from typing import final

from attrs import frozen

from bgjobs.events import QueueError
from tests.reliability.clock_jumps.forms import Wall, between
from tests.reliability.clock_jumps.links import History
from tests.reliability.clock_jumps.trace import Born, Jumped
from tests.reliability.clock_jumps.worlds import CITY

MICROSECOND = timedelta(microseconds=1)
MOST_TOLD = 1000
LITTLE, MUCH = timedelta(minutes=5), timedelta(hours=1)
"""Between these lies how far a clock may be set back before what was run counts no more."""


def nothing_early(history: History) -> Iterator[str]:
    """No run begins before the store's clock has shown its time; a retry has begun before."""
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
    """What is run is an occurrence, by the zones that the process knows when it begins."""
    form = history.job.form
    if form.length is not None:
        return
    for run in history.runs.values():
        if next(form.slots(run.at - MICROSECOND, run.zone)) != run.at:
            yield f"no occurrence: {run.at} was run"


def all_missed_told(history: History) -> Iterator[str]:
    """Between one occurrence and the next planned, each that was left out is told once."""
    form = history.job.form
    for link in history.links:
        if link.began_in != link.zone:
            continue  # it was run by other zones
        left = [link.ended] if link.dropped else []
        left += islice(between(form, link.ended, link.at, link.zone), MOST_TOLD)
        told = 0 if link.told is None else link.told.count
        first = link.told.first if link.told else None
        if told != len(left) or (left and first != left[0]):
            yield (
                f"missed: {len(left)} from {left[:1]} between {link.ended} and {link.at}, "
                f"told: {told} from {first}"
            )


def few_late(history: History) -> Iterator[str]:
    """What has passed when a run ends is made up, but so many in a row at most."""
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
    """While the clock goes on there are no more runs than occurrences, and those made up."""
    job, entries = history.job, history.entries
    cuts = [number for number, one in enumerate(entries) if isinstance(one.what, Jumped | Born)]
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
    """An occurrence that was run, or told as missed."""

    at: datetime
    number: int
    was: datetime
    ran: bool


def nothing_twice(history: History) -> Iterator[str]:
    """No occurrence is run or told again unless the clock was set back to before it.

    By more than a little, if it was run: else what was run by the wrong clock still counts.
    A run that was given up does not count, and one that goes on after a start with other
    zones keeps the time that it had.
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
    for told in history.told:
        ats = [told.first, *islice(form.slots(told.first, told.zone), told.count - 1)]
        for at in ats:
            yield _key(history, at, told.zone), _Covered(at, told.number, told.was, ran=False)


def _key(history: History, at: datetime, zone: tzinfo) -> datetime:
    """Return what makes it the same: where zones change, what the clock on the wall shows."""
    form = history.job.form
    if isinstance(form, Wall) and form.zone == CITY:
        return at.astimezone(zone).replace(tzinfo=None)
    return at


def nothing_lost(history: History) -> Iterator[str]:
    """What is planned is what is run next, or told as moved or as missed."""
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
    """Nothing of all this is an error."""
    for entry in history.entries:
        what = entry.what
        if isinstance(what, QueueError) and what.queue == history.job.name:
            yield f"error: {what.error!r} at {entry.shown}"


PROMISES = (
    nothing_early,
    only_occurrences,
    all_missed_told,
    few_late,
    no_bursts,
    nothing_twice,
    nothing_lost,
)

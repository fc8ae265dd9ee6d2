"""Whenever the store's clock goes on as it should, runs come in time."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise

from tests.reliability.clock_jumps.forms import next_of
from tests.reliability.clock_jumps.links import History
from tests.reliability.clock_jumps.promises import LITTLE, MUCH
from tests.reliability.clock_jumps.trace import Born, Entry, Gone, Jumped
from tests.reliability.clock_jumps.worlds import AGES

NOISE = timedelta(seconds=0.1)
"""More than rounding takes, and less than any distance of two occurrences."""


def on_time(history: History) -> Iterator[str]:
    """What was planned begins when it is due, unless a clock is set or the process stops."""
    entries, jitter = history.entries, history.job.jitter + NOISE.total_seconds()
    if history.world.lease != AGES:  # a queue that has lost its lease starts anew
        return
    for link in history.links:
        planned = entries[link.number]
        wait = max(timedelta(0), link.at - planned.shown).total_seconds()
        due = planned.loop + wait + jitter
        if due >= _end_of_calm(history, link.number):
            continue
        if not any(planned.loop <= one.loop <= due for one in _about(history, link.at)):
            yield f"late: {link.at} was planned at {planned.shown} and did not begin"


def _about(history: History, at: datetime) -> Iterator[Entry]:
    """Return the entries by which an occurrence is run, missed or moved."""
    entries = history.entries
    yield from (entries[number] for number, one in history.starts if one == at)
    yield from (entries[told.number] for told in history.told if told.first == at)
    yield from (entries[number] for number, move in history.moves if move.before == at)


def _end_of_calm(history: History, since: int) -> float:
    """Return when the store's clock is set next, or the process stops; 0 if it has stopped."""
    before = (one.what for one in reversed(history.entries[:since]))
    if isinstance(next(what for what in before if isinstance(what, Born | Gone)), Gone):
        return 0.0
    later = history.entries[since:]
    ends = (one for one in later if isinstance(one.what, Born | Gone) or _sets_the_store(one))
    return next((one.loop for one in ends), 0.0)


def _sets_the_store(entry: Entry) -> bool:
    return isinstance(entry.what, Jumped) and entry.what.jump.which != "processes"


def no_standstill(history: History) -> Iterator[str]:
    """After each jump and each start, a run comes when the documentation promises it."""
    entries = history.entries
    for since, until in _calm(history):
        began, ended = entries[since].loop, entries[until].loop
        shown = entries[since].shown
        due = began + (_promised(history, since) - shown).total_seconds()
        if due >= ended:
            continue
        if not any(began <= entries[n].loop <= due for n, _ in history.starts if n >= since):
            yield f"standstill: nothing ran from {shown} for {due - began:g} s"


def _calm(history: History) -> Iterator[tuple[int, int]]:
    """Return the stretches in which processes live and the store's clock is not set."""
    marks = [
        (number, entry.what)
        for number, entry in enumerate(history.entries)
        if isinstance(entry.what, Born | Gone) or _sets_the_store(entry)
    ]
    alive = False
    for (number, what), (until, _) in pairwise(marks):
        alive = isinstance(what, Born) or (alive and not isinstance(what, Gone))
        if alive:
            yield number, until


def _promised(history: History, since: int) -> datetime:
    """Return when the next run begins at the latest, by the store's clock.

    The row is looked at after `poll_interval`; by then a run that went on has ended, be it with
    its retry.
    """
    job, entries = history.job, history.entries
    shown, zone = entries[since].shown, history.zones[since]
    busy = 2 * job.lasts + (job.backoff if job.fails else 0)
    lease = 0.0 if history.world.lease == AGES else history.world.lease
    look = shown + timedelta(seconds=job.poll + history.world.heartbeat + busy + lease)
    ahead = (at for number, at in history.starts if number < since and at <= shown + MUCH)
    look = max([look, *ahead])  # what was run by a clock that was ahead a little still counts
    if job.fails:
        look += MUCH
    elif job.form.length:  # it is late by a small step, as any delayed job is
        look += min(max(job.form.length, LITTLE), MUCH)
    at = next_of(job.form, look, zone)
    return at + timedelta(seconds=job.jitter) + NOISE

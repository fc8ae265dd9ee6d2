"""Counts of runs until they are written."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import pytest
from attrs import evolve

from bgjobs._core.activity import DURATIONS, LENGTH, MinuteTotals
from bgjobs._core.ids import new_id
from bgjobs._core.outcomes import Cancelled, cancelled_instead, failed, put_back
from bgjobs._core.settlements import Drop, Settlement, Succeed
from bgjobs._runtime.activity.counts import LONGEST_KEPT, RunCounts
from tests.unit.core.rows import MINUTE, NOON, SECOND, waiting

JOB = waiting(None, reserved_by=new_id(), reserved_at=NOON, reservations=1)
SUCCEEDED = Succeed(JOB.reservation)


def row(owner: UUID, *ends: int, at: datetime = NOON) -> MinuteTotals:
    """Return totals with these counts of ends; none of the runs took any time."""
    counts = [*ends, *[0] * (LENGTH - len(ends))]
    counts[DURATIONS] = sum(ends)
    return MinuteTotals(at, JOB.name, owner, tuple(counts))


def by_time(rows: Sequence[MinuteTotals]) -> list[MinuteTotals]:
    return sorted(rows, key=lambda one: one.at)


def test_ends_count_for_the_minute_in_which_they_are_asked_for() -> None:
    counts, owner = RunCounts(), new_id()
    queue = counts.of_owner(owner)
    queue.add(JOB, SUCCEEDED, 0)
    queue.add(JOB, SUCCEEDED, 0)
    assert counts.totals(NOON + 59 * SECOND) == [row(owner, 2)]
    queue.add(JOB, SUCCEEDED, 0)
    assert by_time(counts.totals(NOON + MINUTE)) == [
        row(owner, 2),
        row(owner, 1, at=NOON + MINUTE),
    ]


def test_totals_are_absolute_and_are_returned_until_they_are_written() -> None:
    counts, owner = RunCounts(), new_id()
    queue = counts.of_owner(owner)
    queue.add(JOB, SUCCEEDED, 0)
    first = counts.totals(NOON)
    assert counts.totals(NOON + SECOND) == first
    queue.add(JOB, SUCCEEDED, 0)
    second = counts.totals(NOON + 2 * SECOND)
    assert second == [row(owner, 2)]
    counts.written(first)  # a late answer
    assert counts.totals(NOON + 3 * SECOND) == second
    counts.written(second)
    assert counts.totals(NOON + 4 * SECOND) == []


@pytest.mark.parametrize(
    ("settlement", "ends"),
    [
        (SUCCEEDED, (1,)),
        (failed(JOB, "no"), (0, 1)),
        (put_back(evolve(JOB, attempts=1)), (0, 0, 1)),
        (cancelled_instead(put_back(JOB), Cancelled("no", None)), (0, 0, 0, 1)),
        (put_back(JOB), ()),
        (Drop(JOB.reservation), ()),
    ],
)
def test_what_is_counted(settlement: Settlement, ends: tuple[int, ...]) -> None:
    """Runs that were only put back, and dropped occurrences, are not."""
    counts, owner = RunCounts(), new_id()
    counts.of_owner(owner).add(JOB, settlement, 0)
    assert counts.totals(NOON) == ([row(owner, *ends)] if ends else [])


@pytest.mark.parametrize(
    ("seconds", "place"), [(0.005, 0), (0.0051, 1), (1.0, 7), (3600, 15), (3601, 16)]
)
def test_durations_are_counted_by_their_bounds(seconds: float, place: int) -> None:
    counts = RunCounts()
    counts.of_owner(new_id()).add(JOB, SUCCEEDED, seconds)
    [found] = counts.totals(NOON)
    assert [at for at, count in enumerate(found.counts[DURATIONS:]) if count] == [place]


def test_a_job_that_ended_without_a_run_has_no_duration() -> None:
    counts = RunCounts()
    counts.process.add(JOB, failed(JOB, "it crashed"), None)
    [found] = counts.totals(NOON)
    assert (found.owner, sum(found.counts)) == (counts.process.owner, 1)


def test_totals_that_cannot_be_written_for_an_hour_are_dropped() -> None:
    counts, owner = RunCounts(), new_id()
    counts.of_owner(owner).add(JOB, SUCCEEDED, 0)
    assert counts.totals(NOON) == [row(owner, 1)]
    assert counts.totals(NOON + LONGEST_KEPT) == [row(owner, 1)]
    assert counts.totals(NOON + LONGEST_KEPT + MINUTE) == []


def test_a_clock_that_was_set_back_replaces_no_earlier_total() -> None:
    counts, owner = RunCounts(), new_id()
    queue = counts.of_owner(owner)
    queue.add(JOB, SUCCEEDED, 0)
    counts.written(counts.totals(NOON))
    assert counts.totals(NOON + MINUTE) == []
    queue.add(JOB, SUCCEEDED, 0)
    assert counts.totals(NOON) == [row(owner, 1, at=NOON + MINUTE)]


def test_a_closed_owner_is_forgotten_once_its_counts_are_read() -> None:
    counts, owner = RunCounts(), new_id()
    queue = counts.of_owner(owner)
    queue.add(JOB, SUCCEEDED, 0)
    queue.is_closed = True
    assert counts.totals(NOON) == [row(owner, 1)]
    queue.add(JOB, SUCCEEDED, 0)
    assert counts.totals(NOON) == [row(owner, 1)]

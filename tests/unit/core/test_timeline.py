"""The timeline of a job has the entries that follow from its row, in order."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from attrs import evolve

from bgjobs._core.history import EndOfReservation, PastEnd, PastReservation
from bgjobs._core.job_tree import JobTree
from bgjobs._core.jobs import (
    AnyJob,
    AttemptError,
    CancelledJob,
    FailedJob,
    Job,
    Owner,
    StoredJob,
    SucceededJob,
)
from bgjobs._core.timeline import TimelineEntry, timeline

T0 = datetime(2030, 1, 1, tzinfo=UTC)


def at(seconds: int) -> datetime:
    return T0 + timedelta(seconds=seconds)


ERRORS = (AttemptError(1, at(2), "ValueError: a"), AttemptError(2, at(9), "b", at(7)))
SHARED: dict[str, Any] = {
    "id": UUID(int=1),
    "name": "mail",
    "payload": "{}",
    "created_at": T0,
    "available_at": at(7),
    "errors": ERRORS,
}
BEGINNING = [
    TimelineEntry(T0, "enqueued"),
    TimelineEntry(at(2), "attempt 1 failed", "ValueError: a"),
    TimelineEntry(at(7), "attempt 2 reserved"),
    TimelineEntry(at(9), "attempt 2 failed", "b"),
]


@pytest.mark.parametrize(
    ("job", "end"),
    [
        (Job(**{**SHARED, "available_at": at(20)}), [TimelineEntry(at(20), "due")]),
        (
            Job(**SHARED, attempts=2, reserved_at=at(20), reserved_by=UUID(int=2)),
            [TimelineEntry(at(20), "attempt 3 reserved")],
        ),
        (
            SucceededJob(
                **SHARED,
                attempts=2,
                reserved_at=at(20),
                reserved_by=UUID(int=2),
                succeeded_at=at(21),
            ),
            [TimelineEntry(at(20), "attempt 3 reserved"), TimelineEntry(at(21), "succeeded")],
        ),
        (
            FailedJob(**SHARED, reserved_at=at(7), error="b", failed_at=at(9)),
            [TimelineEntry(at(9), "failed for good")],
        ),
        (
            FailedJob(**SHARED, error="it was interrupted 101 times", failed_at=at(30)),
            [TimelineEntry(at(30), "failed for good", "it was interrupted 101 times")],
        ),
        (
            CancelledJob(**SHARED, reason="by hand", cancelled_by="ada", cancelled_at=at(30)),
            [TimelineEntry(at(30), "cancelled", "by hand", by="ada")],
        ),
    ],
    ids=["waiting", "running", "succeeded", "failed", "interrupted", "cancelled"],
)
def test_a_row_of_an_earlier_version_has_its_errors(
    job: StoredJob, end: list[TimelineEntry]
) -> None:
    assert list(timeline(job)) == BEGINNING + end


OWNER = Owner(UUID(int=2), "mails", "host 7")
ENDS = ("failed", "discarded", "snoozed", "interrupted", "crashed", "cancelled", "released")


def past(attempt: int, begin: int, ended: EndOfReservation) -> PastReservation:
    """Return a reservation of one second, by another process for each beginning."""
    return PastReservation(
        number=begin,
        owner=UUID(int=begin),
        queue="mails",
        node=f"host {begin}",
        attempt=attempt,
        reserved_at=at(begin),
        ended_at=at(begin + 1),
        ended=ended,
    )


def shown(
    attempt: int, begin: int, ended: str, error: str | None = None
) -> list[TimelineEntry]:
    """Return the two entries of such a reservation."""
    where = ("mails", f"host {begin}")
    return [
        TimelineEntry(at(begin), f"attempt {attempt} reserved", None, *where),
        TimelineEntry(at(begin + 1), f"attempt {attempt} {ended}", error, *where),
    ]


def a_job(**columns: Any) -> Job:
    return Job(**{**SHARED, "available_at": at(99), "errors": (), **columns})


@pytest.mark.parametrize("ended", ENDS)
def test_each_end_of_a_reservation_has_two_entries(ended: EndOfReservation) -> None:
    assert list(timeline(a_job(history=(past(3, 5, ended),)))) == [
        TimelineEntry(T0, "enqueued"),
        *shown(3, 5, ended),
        TimelineEntry(at(99), "due"),
    ]


def test_what_happened_later_is_shown_later_although_a_clock_was_behind() -> None:
    """PostgreSQL reserves at the beginning of a transaction, perhaps before an end."""
    first, second = past(1, 5, "crashed"), past(1, 6, "snoozed")
    late = evolve(first, ended_at=at(8))  # the second one ends at 7
    job = a_job(history=(late, second), reserved_at=at(6), reserved_by=UUID(int=7))
    entries = timeline(job)
    assert [(one.at, one.what) for one in entries] == [
        (T0, "enqueued"),
        *((at(5), "attempt 1 reserved"), (at(8), "attempt 1 crashed")),
        *((at(6), "attempt 1 reserved"), (at(7), "attempt 1 snoozed")),
    ]


def test_an_owner_that_was_not_known_has_no_place() -> None:
    lost = evolve(past(3, 5, "crashed"), queue="", node="")
    assert list(timeline(a_job(history=(lost,))))[1:-1] == [
        TimelineEntry(at(5), "attempt 3 reserved"),
        TimelineEntry(at(6), "attempt 3 crashed"),
    ]


def test_the_error_of_an_attempt_stands_at_its_end() -> None:
    errors = (AttemptError(1, at(6), "first", at(5)), AttemptError(2, at(10), "second", at(9)))
    history = (past(1, 5, "failed"), past(2, 7, "snoozed"), past(2, 9, "failed"))
    assert list(timeline(a_job(errors=errors, history=history))) == [
        TimelineEntry(T0, "enqueued"),
        *shown(1, 5, "failed", "first"),
        *shown(2, 7, "snoozed"),
        *shown(2, 9, "failed", "second"),
        TimelineEntry(at(99), "due"),
    ]


def test_errors_and_a_history_of_other_attempts_are_both_shown() -> None:
    """Processes of an earlier version ran some of the attempts."""
    job = a_job(errors=ERRORS, history=(past(3, 12, "crashed"),))
    assert list(timeline(job)) == [
        *BEGINNING,
        *shown(3, 12, "crashed"),
        TimelineEntry(at(99), "due"),
    ]


def test_a_retry_follows_the_end_that_it_undid() -> None:
    ends = (
        PastEnd(state="failed", at=at(6), text="E", retried_at=at(7), retried_by="ada"),
        PastEnd(state="cancelled", at=at(9), text="no", by="bob", retried_at=at(20)),
    )
    history = (past(1, 5, "failed"), ends[0], past(1, 8, "cancelled"), ends[1])
    assert list(timeline(a_job(history=history))) == [
        TimelineEntry(T0, "enqueued"),
        *shown(1, 5, "failed"),
        TimelineEntry(at(6), "failed for good", "E"),
        TimelineEntry(at(7), "retried", by="ada"),
        *shown(1, 8, "cancelled"),
        TimelineEntry(at(9), "cancelled", "no", by="bob"),
        TimelineEntry(at(20), "retried"),
        TimelineEntry(at(99), "due"),
    ]


def test_the_last_reservation_has_the_queue_of_its_owner() -> None:
    held: dict[str, Any] = {"attempts": 1, "reserved_at": at(8), "reserved_by": OWNER.id}
    running = a_job(**held, history=(past(1, 5, "failed"),))
    reserved = TimelineEntry(at(8), "attempt 2 reserved", None, "mails", "host 7")
    assert timeline(running, OWNER)[-1] == reserved
    assert timeline(running)[-1] == TimelineEntry(at(8), "attempt 2 reserved")
    ended = SucceededJob(**{**SHARED, "errors": (), **held}, succeeded_at=at(9))
    assert [*timeline(ended, OWNER)][-2:] == [reserved, TimelineEntry(at(9), "succeeded")]


def test_a_reservation_in_the_history_is_shown_once() -> None:
    """An ended job keeps its last reservation in columns of its own as well."""
    columns: dict[str, Any] = {**SHARED, "errors": (), "history": (past(1, 5, "cancelled"),)}
    held: dict[str, Any] = {"reserved_at": at(5), "reserved_by": OWNER.id}
    job = CancelledJob(**columns, **held, reason="no", cancelled_at=at(6))
    assert list(timeline(job, OWNER)) == [
        TimelineEntry(T0, "enqueued"),
        *shown(1, 5, "cancelled"),
        TimelineEntry(at(6), "cancelled", "no"),
    ]


def test_a_timeline_is_that_of_a_job() -> None:
    job: Any = UUID(int=1)
    with pytest.raises(TypeError, match=r"^timeline: expected a job, found UUID$"):
        timeline(job)


def test_no_entry_shows_its_error() -> None:
    """An error may hold what is in the arguments."""
    ended = PastEnd(state="failed", at=T0, text="ValueError: a", retried_at=T0)
    job = Job(**SHARED, history=(ended,))
    assert "ValueError" not in repr(timeline(job)) + repr(job) + repr(ended)


def test_children_start_and_end_in_the_timeline_of_their_parent() -> None:
    reserved = {"errors": (), "reserved_at": at(3), "reserved_by": UUID(int=7)}
    common = {**SHARED, **reserved}
    jobs: list[AnyJob] = [
        a_job(),
        Job(**common, history=(past(1, 2, "crashed"),)),
        SucceededJob(**common, succeeded_at=at(4)),
        FailedJob(**common, error="no", failed_at=at(5)),
        CancelledJob(**common, reason="why", cancelled_by="ada", cancelled_at=at(6)),
    ]
    children = [JobTree(UUID(int=100 + n), job) for n, job in enumerate(jobs)]
    gone = JobTree(UUID(int=99), None)
    job = a_job(**reserved)
    tree = JobTree(job.id, job, (gone, *children))
    started = TimelineEntry(at(3), "child started", child=jobs[0].id)
    assert list(timeline(job, tree=tree, waits_since=at(5))) == [
        TimelineEntry(T0, "enqueued"),
        evolve(started, at=at(2)),
        TimelineEntry(at(3), "attempt 1 reserved"),
        *[started] * 3,
        TimelineEntry(at(4), "child succeeded", child=job.id),
        TimelineEntry(at(5), "child failed", "no", child=job.id),
        TimelineEntry(at(5), "waits for children"),
        TimelineEntry(at(6), "child cancelled", "why", by="ada", child=job.id),
    ]

"""The timeline of a job has the entries that follow from its row, in order."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from bgjobs._core.jobs import AttemptError, FailedJob, Job, StoredJob, SucceededJob
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
            FailedJob(**SHARED, error="Cancelled: by hand", failed_at=at(30)),
            [TimelineEntry(at(30), "failed for good", "Cancelled: by hand")],
        ),
    ],
    ids=["waiting", "running", "succeeded", "failed", "cancelled"],
)
def test_the_entries_are_in_order(job: StoredJob, end: list[TimelineEntry]) -> None:
    assert list(timeline(job)) == BEGINNING + end


def test_no_entry_shows_its_error() -> None:
    """An error may hold what is in the arguments."""
    assert "ValueError" not in repr(timeline(Job(**SHARED)))

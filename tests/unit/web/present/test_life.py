"""The life of a job is a row of spans that follow each other."""

from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

import bgjobs
from bgjobs._core.history import EndOfReservation
from bgjobs.web.present.life import Life, life
from tests.unit.web.present.lives import SHARED, at, failed, reservation


def of(job: bgjobs.AnyJob, now: float = 1_000) -> Life:
    return life(job, bgjobs.timeline(job), at(now))


def facts(found: Life) -> list[tuple[str, str, float]]:
    return [(one.label, one.outcome, one.length.total_seconds()) for one in found.spans]


def test_a_job_that_failed_after_a_retry() -> None:
    found = of(failed(reservation(1, 2, 5), reservation(2, 15, 16), end=16))
    assert facts(found) == [
        ("waited", "", 2),
        ("attempt 1", "failed", 3),
        ("pause", "", 10),
        ("attempt 2", "failed", 1),
    ]
    assert [(one.queue, one.node, one.error) for one in found.attempts] == [
        ("main", "host:1", "ValueError: x"),
        ("main", "host:1", "ValueError: x"),
    ]
    assert found.end is not None
    assert (found.end.what, found.end.at) == ("failed for good", at(16))
    assert not found.runs_backwards
    assert not any(one.is_open for one in found.spans)


def test_a_job_that_succeeded_at_once() -> None:
    job = bgjobs.SucceededJob(
        **SHARED, reserved_at=at(1), reserved_by=UUID(int=2), succeeded_at=at(4)
    )
    found = of(job)
    assert facts(found) == [("waited", "", 1), ("attempt 1", "succeeded", 3)]
    assert found.end is not None
    assert found.end.what == "succeeded"


def test_a_running_job_runs_until_now() -> None:
    job = bgjobs.Job(**SHARED, reserved_at=at(1), reserved_by=UUID(int=2), state="running")
    found = of(job, 11)
    assert facts(found) == [("waited", "", 1), ("attempt 1", "running", 10)]
    assert [one.is_open for one in found.spans] == [False, True]
    assert found.end is None


def test_a_delayed_job_is_due_in_the_future() -> None:
    job = bgjobs.Job(**{**SHARED, "available_at": at(60)}, state="delayed")
    found = of(job, 11)
    assert facts(found) == [("delayed", "", 60)]
    assert found.due == at(60)
    assert facts(of(job, 70)) == [("delayed", "", 60), ("waited", "", 10)]
    assert of(job, 70).due is None


def test_a_retry_by_a_person_follows_an_end() -> None:
    end = bgjobs.PastEnd(
        state="failed", at=at(5), text="ValueError: x", retried_at=at(65), retried_by="ada"
    )
    found = of(failed(reservation(1, 2, 5), end, reservation(1, 66, 67), end=67))
    assert facts(found) == [
        ("waited", "", 2),
        ("attempt 1", "failed", 3),
        ("failed for good", "", 60),
        ("waited", "", 1),
        ("attempt 1", "failed", 1),
    ]
    assert [one.by for one in found.spans] == [None, None, None, "ada", None]


@pytest.mark.parametrize("ended", ["snoozed", "interrupted", "crashed", "released"])
def test_each_end_of_a_reservation_is_named(
    ended: EndOfReservation,
) -> None:
    job = bgjobs.Job(**SHARED, history=(reservation(1, 1, 2, ended=ended),))
    assert [one.outcome for one in of(job, 3).attempts] == [ended]


def test_an_error_of_an_earlier_version_is_an_attempt_without_a_duration() -> None:
    job = bgjobs.Job(**SHARED, errors=(bgjobs.AttemptError(1, at(3), "E: x"),))
    found = of(job, 5)
    assert facts(found) == [
        ("waited", "", 3),
        ("attempt 1", "failed", 0),
        ("pause", "", 2),
    ]
    assert [one.error for one in found.attempts] == ["E: x"]


def test_times_that_run_backwards_are_moved_and_remarked() -> None:
    found = of(failed(reservation(1, 10, 4), reservation(2, 3, 20), end=15))
    assert found.runs_backwards
    assert facts(found) == [
        ("waited", "", 10),
        ("attempt 1", "failed", 0),
        ("attempt 2", "failed", 10),
    ]


TIMES = st.integers(-(10**9), 10**9)


@given(st.lists(st.tuples(TIMES, TIMES), max_size=8), TIMES, TIMES)
def test_spans_follow_each_other_whatever_the_clocks_show(
    runs: list[tuple[int, int]], end: int, now: int
) -> None:
    past = [reservation(index, *run) for index, run in enumerate(runs, 1)]
    found = of(failed(*past, end=end), now)
    assert all(one.length >= timedelta() for one in found.spans)
    ends = [one.end for one in found.spans]
    assert [one.start for one in found.spans[1:]] == ends[:-1]
    assert len(found.attempts) == len(runs)

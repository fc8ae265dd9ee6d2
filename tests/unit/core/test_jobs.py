"""Requests, stored jobs, `Discard` and `Snooze` are values, and requests are checked."""

import pickle
import re
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from attrs import asdict, evolve
from attrs.exceptions import FrozenInstanceError
from hypothesis import given
from hypothesis import strategies as st

from bgjobs._core.history import PastEnd
from bgjobs._core.jobs import (
    AnyJob,
    AttemptError,
    CancelledJob,
    FailedJob,
    Job,
    Reservation,
    SucceededJob,
    UnreadableJob,
)
from bgjobs._core.outcomes import Discard, Snooze
from bgjobs._core.requests import JobOptions, JobRequest
from bgjobs.errors import NaiveDatetimeError

NOW = datetime(2030, 1, 1, tzinfo=UTC)
SECRET = "4111-1111"
REQUEST = JobRequest("mail", f'{{"card":"{SECRET}"}}')
OWNER = UUID(int=7)


def a_job(**more: Any) -> Job:
    facts: dict[str, Any] = {"id": UUID(int=1), "name": "mail", "payload": REQUEST.payload}
    return Job(**{**facts, "created_at": NOW, "available_at": NOW, **more})


def test_a_new_request_is_due_at_once_and_of_middle_priority() -> None:
    assert REQUEST.options == JobOptions(
        available_at=None, available_in=None, priority=0, unique_key=None
    )


@pytest.mark.parametrize("name", ["name", "payload", "options"])
def test_a_request_cannot_be_changed(name: str) -> None:
    with pytest.raises(FrozenInstanceError):
        setattr(REQUEST, name, "other")
    with pytest.raises(FrozenInstanceError):
        setattr(REQUEST.options, "priority", 1)  # noqa: B010 - mypy would refuse it written out


def test_each_method_returns_another_request_with_the_earlier_options() -> None:
    refined = REQUEST.priority(-5).unique("k").available_in(minutes=1)
    assert JobRequest("mail", REQUEST.payload) == REQUEST
    assert (refined.name, refined.payload) == ("mail", REQUEST.payload)
    assert refined.options == JobOptions(
        available_in=timedelta(minutes=1), priority=-5, unique_key="k"
    )


def test_requests_are_equal_by_their_values_and_hashable() -> None:
    first, again = REQUEST.priority(1), REQUEST.priority(1)
    assert first == again
    assert len({first, again, REQUEST}) == 2


def test_the_last_time_that_was_set_counts() -> None:
    at, within = REQUEST.available_at(NOW), REQUEST.available_in(seconds=5)
    assert at.available_in(seconds=5) == within
    assert within.available_at(NOW) == at
    assert REQUEST.available_in(hours=1).available_in(seconds=5) == within


def test_a_delay_adds_up_its_units() -> None:
    options = REQUEST.available_in(days=1, hours=2, minutes=3, seconds=4.000_005).options
    assert options.available_in == timedelta(days=1, seconds=7384, microseconds=5)
    assert options.available_at is None


def test_an_instant_of_another_zone_is_kept_in_utc() -> None:
    east = timezone(timedelta(hours=5))
    found = REQUEST.available_at(datetime(2030, 1, 1, 5, tzinfo=east)).options.available_at
    assert found == NOW
    assert found is not None
    assert found.tzinfo is UTC


def test_a_naive_datetime_is_refused() -> None:
    with pytest.raises(NaiveDatetimeError) as caught:
        REQUEST.available_at(NOW.replace(tzinfo=None))
    assert str(caught.value) == (
        "available_at: expected a datetime with a time zone, "
        "found datetime.datetime(2030, 1, 1, 0, 0)"
    )


@given(st.integers(-32_767, 32_767))
def test_every_priority_within_the_bounds_is_taken(level: int) -> None:
    assert REQUEST.priority(level).options.priority == level


@pytest.mark.parametrize("level", [-32_768, 32_768, 10**30, 1.5, "1", True, None])
def test_a_priority_beyond_the_bounds_or_of_another_kind_is_refused(level: Any) -> None:
    with pytest.raises(ValueError) as caught:
        REQUEST.priority(level)
    assert str(caught.value) == (
        f"priority: expected a whole number from -32767 to 32767, found {level!r}"
    )


@pytest.mark.parametrize("days", [-0.001, 36_501, 10**7, float("nan"), float("inf")])
def test_a_delay_that_no_calendar_can_count_is_refused(days: float) -> None:
    with pytest.raises(ValueError) as caught:
        REQUEST.available_in(days=days)
    assert str(caught.value) == (
        f"available_in: expected 0 seconds to 36,500 days, found {days * 86400:g} seconds"
    )


@pytest.mark.parametrize("found", ["x", None, True, [], timedelta(1), 1j])
def test_a_delay_is_a_number(found: Any) -> None:
    name = type(found).__name__
    with pytest.raises(
        TypeError, match=f"^available_in: hours: expected a number, found {name}$"
    ):
        REQUEST.available_in(hours=found)
    if not isinstance(found, timedelta):
        with pytest.raises(TypeError, match=f"^Snooze: expected a number, found {name}$"):
            Snooze(for_=found)


def test_a_delay_beyond_all_floats_is_refused() -> None:
    text = "expected 0 seconds to 36,500 days, found inf seconds$"
    for huge in ({"seconds": 10**400}, {"minutes": 10**400, "seconds": 0.5}):
        with pytest.raises(ValueError, match=f"^available_in: {text}"):
            REQUEST.available_in(**huge)
    with pytest.raises(ValueError, match=f"^Snooze: {text}"):
        Snooze(for_=10**400)


@pytest.mark.parametrize("found", ["x", 5, None, date(2030, 1, 1)])
def test_a_job_waits_until_a_datetime(found: Any) -> None:
    name = type(found).__name__
    text = f"^available_at: expected a datetime with a time zone, found {name}$"
    with pytest.raises(TypeError, match=text):
        REQUEST.available_at(found)


@pytest.mark.parametrize(("text", "hours"), [("9999-12-31T23:59", -5), ("0001-01-01", 5)])
def test_a_job_waits_until_an_instant_of_the_calendar(text: str, hours: int) -> None:
    zone = timezone(timedelta(hours=hours))
    moment = datetime.fromisoformat(text).replace(tzinfo=zone)
    with pytest.raises(
        ValueError, match=r"^available_at: expected an instant from the year 1 to"
    ):
        REQUEST.available_at(moment)


@pytest.mark.parametrize("key", ["a\0b", "\ud800", "two\nlines", "a\u115fb"])
def test_a_unique_key_that_a_database_cannot_store_is_refused(key: str) -> None:
    with pytest.raises(ValueError) as caught:
        REQUEST.unique(key)
    assert str(caught.value) == f"unique key: expected printable characters, found {key!a}"


@pytest.mark.parametrize("length", [1, 200])
def test_a_unique_key_within_the_bounds_is_taken(length: int) -> None:
    assert REQUEST.unique("k" * length).options.unique_key == "k" * length


@pytest.mark.parametrize("length", [0, 201])
def test_a_unique_key_beyond_the_bounds_is_refused_without_being_shown(length: int) -> None:
    with pytest.raises(ValueError) as caught:
        REQUEST.unique("k" * length)
    assert str(caught.value) == f"unique key: expected 1 to 200 characters, found {length}"


def ends_of(job: Job) -> list[AnyJob]:
    """Return the values of this job after each end that it may have."""
    columns = asdict(job, recurse=False)
    del columns["state"]
    return [
        SucceededJob(**columns, succeeded_at=NOW),
        FailedJob(**columns, error=f"ValueError: {SECRET}", failed_at=NOW),
        CancelledJob(**columns, reason=SECRET, cancelled_at=NOW),
    ]


def test_no_repr_shows_a_payload_or_the_text_of_an_error() -> None:
    failure = AttemptError(0, NOW, f"ValueError: {SECRET}")
    end = PastEnd(state="failed", at=NOW, text=f"ValueError: {SECRET}", retried_at=NOW)
    job = a_job(errors=(failure,), history=(end,))
    for value in (REQUEST, failure, end, job, *ends_of(job)):
        assert SECRET not in repr(value)
        assert SECRET not in str(value)
        assert type(value).__name__ in repr(value)


def test_each_stored_row_knows_its_state() -> None:
    unreadable = UnreadableJob(id=UUID(int=1), table="jobs", reason="", columns={})
    rows = (a_job(), *ends_of(a_job()), unreadable)
    assert [row.state for row in rows] == [
        "waiting", "succeeded", "failed", "cancelled", "unreadable",
    ]  # fmt: skip


def test_the_state_when_a_live_job_was_read_is_no_part_of_its_identity() -> None:
    """The time changes it, without a change of the row."""
    assert a_job(state="delayed") == a_job(state="waiting")
    assert a_job(state="delayed").state == "delayed"


def test_a_reserved_job_knows_its_reservation() -> None:
    job = a_job(reserved_by=OWNER, reserved_at=NOW, reservations=3)
    assert job.reservation == Reservation(job.id, OWNER, 3)


def test_a_job_without_an_owner_has_no_reservation() -> None:
    with pytest.raises(ValueError) as caught:
        _ = a_job().reservation
    assert str(caught.value) == f"job {UUID(int=1)} is not reserved"


def test_a_stored_job_cannot_be_changed() -> None:
    job = a_job()
    with pytest.raises(FrozenInstanceError):
        job.attempts = 9  # type: ignore[misc]  # that is the point
    assert evolve(job, attempts=9).attempts == 9


def test_jobs_are_pickled_whole() -> None:
    job = a_job(errors=(AttemptError(0, NOW, "E"),), unique_key="k")
    assert pickle.loads(pickle.dumps(job)) == job
    assert pickle.loads(pickle.dumps(REQUEST.priority(1))) == REQUEST.priority(1)


def test_discard_has_its_reason() -> None:
    order = Discard("the customer is gone")
    assert (str(order), order.reason) == ("the customer is gone", "the customer is gone")
    assert pickle.loads(pickle.dumps(order)).reason == order.reason


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (0, timedelta(0)),
        (1.5, timedelta(seconds=1.5)),
        (timedelta(days=2), timedelta(days=2)),
    ],
)
def test_snooze_has_its_delay(given: float | timedelta, meant: timedelta) -> None:
    order = Snooze(for_=given)
    assert order.delay == meant
    assert str(order) == f"for {meant}"
    assert pickle.loads(pickle.dumps(order)).delay == meant


@pytest.mark.parametrize("given", [-1, -0.001, timedelta(seconds=-1)])
def test_snooze_into_the_past_is_refused(given: float | timedelta) -> None:
    with pytest.raises(ValueError) as caught:
        Snooze(for_=given)
    seconds = given.total_seconds() if isinstance(given, timedelta) else given
    assert str(caught.value) == (
        f"Snooze: expected 0 seconds to 36,500 days, found {seconds:g} seconds"
    )


def test_discard_and_snooze_are_no_errors_of_bgjobs() -> None:
    """`except BgJobsError` in a handler must not catch them."""
    assert Discard.__mro__[1] is Snooze.__mro__[1] is Exception


def test_metadata_is_merged_and_kept_in_the_request() -> None:
    first = JobRequest("mail", "{}").with_metadata(trace="a", user="b")
    assert first.with_metadata(trace="c").options.metadata == (("trace", "c"), ("user", "b"))
    assert first == JobRequest("mail", "{}").with_metadata(user="b").with_metadata(trace="a")
    assert hash(first) == hash(JobRequest("mail", "{}").with_metadata(user="b", trace="a"))


@pytest.mark.parametrize(
    ("values", "error", "text"),
    [
        ({"trace": 1}, TypeError, "metadata 'trace': expected str, found int"),
        ({"": "x"}, ValueError, "metadata: a key: expected 1 to 200 characters, found 0"),
        (
            {"a\nb": "x"},
            ValueError,
            r"metadata: a key: expected printable characters, found 'a\nb'",
        ),
        (
            {"a\x9b\u202e": "x"},
            ValueError,
            r"metadata: a key: expected printable characters, found 'a\x9b\u202e'",
        ),
        (
            {"a": "\0"},
            ValueError,
            "metadata 'a': expected text without NUL and lone surrogates",
        ),
        ({"a": "x" * 4000}, ValueError, "expected at most 4,000 characters, found 4,001"),
    ],
)
def test_metadata_that_cannot_be_stored_is_refused(
    values: Any, error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=re.escape(text)):
        JobRequest("mail", "{}").with_metadata(**values)


PAIRS = "metadata: expected a tuple of pairs of texts"
LEVELS = "priority: expected a whole number from -32767 to 32767"
FLAG = "refuses_duplicates: expected True or False"
NOON = datetime(2030, 7, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("options", "kind", "text"),
    [
        ({"metadata": {"a": "b"}}, TypeError, f"{PAIRS}, found dict"),
        ({"metadata": {}}, TypeError, f"{PAIRS}, found dict"),
        ({"metadata": None}, TypeError, f"{PAIRS}, found NoneType"),
        ({"metadata": ("ab",)}, TypeError, "metadata: expected pairs of texts, found str"),
        (
            {"metadata": (("a", "b", "c"),)},
            TypeError,
            "metadata: expected pairs of texts, found tuple",
        ),
        ({"metadata": ((5, "b"),)}, TypeError, "metadata: a key: expected str, found int"),
        ({"metadata": (("a", 5),)}, TypeError, "metadata 'a': expected str, found int"),
        (
            {"available_at": "x"},
            TypeError,
            "available_at: expected a datetime with a time zone, found str",
        ),
        ({"available_in": 5}, TypeError, "available_in: expected a timedelta, found int"),
        (
            {"available_in": timedelta(seconds=-1)},
            ValueError,
            "available_in: expected 0 seconds to 36,500 days, found -1 seconds",
        ),
        (
            {"available_in": timedelta.max},
            ValueError,
            "available_in: expected 0 seconds to 36,500 days, found 8.64e+13 seconds",
        ),
        (
            {"available_at": NOON, "available_in": timedelta(1)},
            ValueError,
            "expected one of available_at and available_in, found both",
        ),
        (
            {"occurrence": "x"},
            TypeError,
            "occurrence: expected an Occurrence or None, found str",
        ),
        ({"refuses_duplicates": "x"}, TypeError, f"{FLAG}, found str"),
        ({"refuses_duplicates": 0}, TypeError, f"{FLAG}, found int"),
        ({"priority": False}, ValueError, f"{LEVELS}, found False"),
        ({"priority": 0.0}, ValueError, f"{LEVELS}, found 0.0"),
    ],
)
def test_options_of_another_kind_are_refused(
    options: dict[str, Any], kind: type[Exception], text: str
) -> None:
    with pytest.raises(kind) as caught:
        JobOptions(**options)
    assert str(caught.value) == text


def test_an_option_that_is_a_naive_datetime_is_refused() -> None:
    with pytest.raises(NaiveDatetimeError, match=r"^available_at: expected a datetime with"):
        JobOptions(available_at=NOON.replace(tzinfo=None))


@pytest.mark.parametrize("key", [b"abc", ["a"], 5, None])
def test_a_unique_key_is_a_text(key: Any) -> None:
    found = type(key).__name__
    with pytest.raises(TypeError, match=f"^unique key: expected str, found {found}$"):
        REQUEST.unique(key)


def test_a_priority_that_python_cannot_write_is_refused_as_well() -> None:
    with pytest.raises(ValueError, match=r"to 32767, found a huge int$"):
        REQUEST.priority(10**5000)

"""What a schedule answers to arguments that are no instants, or lie at the calendar's ends."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest

from bgjobs import every, schedule
from bgjobs.errors import NaiveDatetimeError, NoOccurrenceError
from bgjobs.schedules import Schedule, from_cron

WEST, EAST = timezone(timedelta(hours=-5)), timezone(timedelta(hours=5))
NOW = datetime(2026, 5, 1, tzinfo=UTC)
TOO_LATE, TOO_EARLY = (
    datetime(9999, 12, 31, 23, 59, tzinfo=WEST),
    datetime(1, 1, 1, tzinfo=EAST),
)
FIRST, LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
MINUTELY = schedule().build()
SCHEDULES: list[Schedule] = [
    MINUTELY,
    every(seconds=1),
    MINUTELY | every(seconds=1),
    from_cron("30 2 * * *", "America/Los_Angeles"),
    from_cron("30 2 * * *", "Pacific/Kiritimati") | MINUTELY,
]
ASKED: dict[str, Callable[[Schedule, Any], object]] = {
    "instant": lambda one, found: one.next_after(found),
    "after": lambda one, found: one.preview(after=found),
    "after ": lambda one, found: one.occurrences(found),
    "after  ": lambda one, found: one.slots(found, NOW),
    "until": lambda one, found: one.occurrences(NOW, found),
    "until ": lambda one, found: one.slots(NOW, found),
    "occurrence": lambda one, found: one.remark(found),
}
every_question = pytest.mark.parametrize("what", ASKED)
every_schedule = pytest.mark.parametrize("one", SCHEDULES, ids=lambda one: one.text[:30])


@every_question
@every_schedule
@pytest.mark.parametrize("found", ["x", date(2026, 1, 1)])
def test_what_is_no_datetime_is_refused(one: Schedule, what: str, found: object) -> None:
    name = type(found).__name__
    text = f"^{what.strip()}: expected a datetime with a time zone, found {name}$"
    with pytest.raises(TypeError, match=text):
        ASKED[what](one, found)


@every_question
@every_schedule
def test_an_instant_needs_a_time_zone(one: Schedule, what: str) -> None:
    with pytest.raises(NaiveDatetimeError, match=f"^{what.strip()}: "):
        ASKED[what](one, datetime(2026, 1, 1))  # noqa: DTZ001 - what is refused


@every_question
@every_schedule
@pytest.mark.parametrize("found", [TOO_LATE, TOO_EARLY])
def test_an_instant_beyond_the_calendar_of_utc_is_refused(
    one: Schedule, what: str, found: datetime
) -> None:
    if what == "instant" and found is TOO_LATE:
        with pytest.raises(NoOccurrenceError):
            one.next_after(found)
        return
    text = (
        f"^{what.strip()}: expected an instant from the year 1 to 9999 in UTC, "
        f"found {found.isoformat()[:10]}"
    )
    with pytest.raises(ValueError, match=text):
        ASKED[what](one, found)


@every_schedule
def test_the_ends_of_the_calendar_are_answered(one: Schedule) -> None:
    assert FIRST < one.next_after(FIRST) < FIRST + timedelta(days=3)
    with pytest.raises(NoOccurrenceError):
        one.next_after(LAST)
    assert str(one.preview(2, after=LAST)) == ""
    assert len(str(one.preview(2, after=FIRST)).splitlines()) == 2
    for edge in (FIRST, LAST):
        assert isinstance(one.occurrences(edge), Iterator)
        assert one.remark(edge) == ""


@pytest.mark.parametrize("count", [True, "x"])
def test_a_preview_has_a_whole_number_of_lines(count: Any) -> None:
    name = type(count).__name__
    with pytest.raises(TypeError, match=f"^count: expected a whole number, found {name}$"):
        MINUTELY.preview(count)


@pytest.mark.parametrize(
    ("count", "found"),
    [(-1, "-1"), (10_001, "10001"), (10**5000, "a huge int")],
    ids=["negative", "many", "huge"],
)
def test_a_preview_has_as_many_lines_as_can_be_read(count: int, found: str) -> None:
    text = f"^count: expected a whole number from 0 to 10,000, found {found}$"
    with pytest.raises(ValueError, match=text):
        MINUTELY.preview(count)
    assert len(MINUTELY.preview(0)) == 0
    assert len(MINUTELY.preview(10_000, after=NOW)) == 10_000

"""Previews, remarks, and the arguments that the methods of a schedule refuse."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest

from bgjobs import every, schedule
from bgjobs.errors import NaiveDatetimeError, NoOccurrenceError
from bgjobs.schedules import Schedule, from_cron

NEW_YORK = "America/New_York"
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


def instant(*fields: int) -> datetime:
    return datetime(*fields, tzinfo=UTC)  # type: ignore[misc, arg-type] # as many as were given


PREVIEWS = {
    "New York, a time in the gap": (
        from_cron("30 2 * * *", NEW_YORK),
        instant(2026, 3, 7),
        """\
Sat 2026-03-07 02:30 EST   2026-03-07 07:30 UTC
Sun 2026-03-08 03:00 EDT   2026-03-08 07:00 UTC   02:30 does not exist: moved to 03:00
Mon 2026-03-09 02:30 EDT   2026-03-09 06:30 UTC""",
    ),
    "New York, two times in the gap": (
        from_cron("15,45 2 * * *", NEW_YORK),
        instant(2026, 3, 8),
        """\
Sun 2026-03-08 03:00 EDT   2026-03-08 07:00 UTC   02:15 and later do not exist: moved to 03:00
Mon 2026-03-09 02:15 EDT   2026-03-09 06:15 UTC
Mon 2026-03-09 02:45 EDT   2026-03-09 06:45 UTC""",
    ),
    "New York, elapsed time over the gap": (
        from_cron("30 */2 * * *", NEW_YORK),
        instant(2026, 3, 8, 5),
        """\
Sun 2026-03-08 00:30 EST   2026-03-08 05:30 UTC
Sun 2026-03-08 04:30 EDT   2026-03-08 08:30 UTC
Sun 2026-03-08 06:30 EDT   2026-03-08 10:30 UTC""",
    ),
    "New York, a time in the overlap": (
        from_cron("30 1 * * *", NEW_YORK),
        instant(2026, 10, 31),
        """\
Sat 2026-10-31 01:30 EDT   2026-10-31 05:30 UTC
Sun 2026-11-01 01:30 EDT   2026-11-01 05:30 UTC   01:30 comes twice: only the first counts
Mon 2026-11-02 01:30 EST   2026-11-02 06:30 UTC""",
    ),
    "New York, elapsed time over the overlap": (
        from_cron("30 * * * *", NEW_YORK),
        instant(2026, 11, 1, 5),
        """\
Sun 2026-11-01 01:30 EDT   2026-11-01 05:30 UTC   01:30 comes twice: the first
Sun 2026-11-01 01:30 EST   2026-11-01 06:30 UTC   01:30 comes twice: the second
Sun 2026-11-01 02:30 EST   2026-11-01 07:30 UTC""",
    ),
    "Lord Howe, the gap of half an hour": (
        from_cron("15 2 * * *", "Australia/Lord_Howe"),
        instant(2026, 10, 2),
        """\
Sat 2026-10-03 02:15 +1030   2026-10-02 15:45 UTC
Sun 2026-10-04 02:30 +11     2026-10-03 15:30 UTC   02:15 does not exist: moved to 02:30
Mon 2026-10-05 02:15 +11     2026-10-04 15:15 UTC""",
    ),
    "Lord Howe, the overlap of half an hour": (
        from_cron("45 1 * * *", "Australia/Lord_Howe"),
        instant(2026, 4, 4),
        """\
Sun 2026-04-05 01:45 +11     2026-04-04 14:45 UTC   01:45 comes twice: only the first counts
Mon 2026-04-06 01:45 +1030   2026-04-05 15:15 UTC
Tue 2026-04-07 01:45 +1030   2026-04-06 15:15 UTC""",
    ),
    "Cairo, the gap at midnight": (
        from_cron("0 0 * * *", "Africa/Cairo"),
        instant(2026, 4, 22),
        """\
Thu 2026-04-23 00:00 EET    2026-04-22 22:00 UTC
Fri 2026-04-24 01:00 EEST   2026-04-23 22:00 UTC   00:00 does not exist: moved to 01:00
Sat 2026-04-25 00:00 EEST   2026-04-24 21:00 UTC""",
    ),
    "Apia, the day that was skipped": (
        from_cron("0 9 * * *", "Pacific/Apia"),
        instant(2011, 12, 29),
        """\
Thu 2011-12-29 09:00 -10   2011-12-29 19:00 UTC
Sat 2011-12-31 00:00 +14   2011-12-30 10:00 UTC   Fri 09:00 does not exist: moved to Sat 00:00
Sat 2011-12-31 09:00 +14   2011-12-30 19:00 UTC""",
    ),
    "two zones": (
        from_cron("30 2 * * *", NEW_YORK) | from_cron("30 8 * * *", "Europe/Paris"),
        instant(2026, 3, 8, 7),
        """\
Sun 2026-03-08 03:00 EDT   2026-03-08 07:00 UTC   02:30 does not exist: moved to 03:00
Sun 2026-03-08 08:30 CET   2026-03-08 07:30 UTC
Mon 2026-03-09 02:30 EDT   2026-03-09 06:30 UTC""",
    ),
    "UTC": (
        schedule().every_hours(6).on_minute(0).build(),
        instant(2026, 1, 1),
        """\
Thu 2026-01-01 06:00 UTC
Thu 2026-01-01 12:00 UTC
Thu 2026-01-01 18:00 UTC""",
    ),
    "seconds": (
        schedule().every_seconds(30).in_timezone("Asia/Kathmandu").build(),
        instant(2026, 1, 1),
        """\
Thu 2026-01-01 05:45:30 +0545   2026-01-01 00:00:30 UTC
Thu 2026-01-01 05:46:00 +0545   2026-01-01 00:01:00 UTC
Thu 2026-01-01 05:46:30 +0545   2026-01-01 00:01:30 UTC""",
    ),
    "milliseconds": (
        every(milliseconds=250),
        instant(2026, 1, 1),
        """\
Thu 2026-01-01 00:00:00.250 UTC
Thu 2026-01-01 00:00:00.500 UTC
Thu 2026-01-01 00:00:00.750 UTC""",
    ),
}


@pytest.mark.parametrize(("planned", "after", "table"), PREVIEWS.values(), ids=PREVIEWS)
def test_a_preview_is_a_table(planned: Schedule, after: datetime, table: str) -> None:
    just_before = after - timedelta(microseconds=1) if after.hour else after

    assert str(planned.preview(3, after=just_before)) == table


def test_the_lines_of_a_preview_have_their_facts() -> None:
    preview = from_cron("30 2 * * *", NEW_YORK).preview(2, after=instant(2026, 3, 8, 6))

    first, second = preview
    assert len(preview) == 2
    assert first.utc == instant(2026, 3, 8, 7)
    assert first.local.isoformat() == "2026-03-08T03:00:00-04:00"
    assert first.remark == "02:30 does not exist: moved to 03:00"
    assert second.remark == ""
    assert str(second) == "Mon 2026-03-09 02:30 EDT   2026-03-09 06:30 UTC"


def test_a_preview_has_the_local_times_as_its_table_shows_them() -> None:
    preview = from_cron("30 2 * * *", NEW_YORK).preview(2, after=instant(2026, 3, 7, 6))
    assert preview.local_times == ["Sat 2026-03-07 02:30 EST", "Sun 2026-03-08 03:00 EDT"]
    assert [line.split("   ")[0] for line in str(preview).splitlines()] == preview.local_times


def test_a_preview_begins_now_with_five_lines() -> None:
    preview = schedule().every_second().build().preview()

    assert len(preview) == 5
    assert preview.lines[0].utc - datetime.now(UTC) < timedelta(seconds=2)


def test_a_preview_of_nothing_is_empty() -> None:
    preview = schedule().build().preview(3, after=instant(9999, 12, 31, 23, 59, 30))

    assert len(preview) == 0
    assert str(preview) == ""


def test_seconds_are_remarked_on_to_the_second() -> None:
    planned = from_cron("15 30 2 * * *", NEW_YORK)

    assert planned.remark(instant(2026, 3, 8, 7)) == ("02:30:15 does not exist: moved to 03:00")


@pytest.mark.parametrize("text", ["30 5 * * *", "*/5 4 * * *"])
def test_an_instant_that_is_no_occurrence_gets_no_remark(text: str) -> None:
    planned = from_cron(text, NEW_YORK)

    assert planned.remark(instant(2026, 3, 8, 7)) == ""
    assert planned.remark(instant(2026, 11, 1, 5, 30)) == ""

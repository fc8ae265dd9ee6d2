"""What schedules say of themselves: in words, as a preview, and of clocks that are changed."""

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bgjobs.schedules import Calendar, Schedule, ScheduleBuilder, every, from_cron, schedule
from bgjobs.schedules._masks import (
    EVERY_WEEKDAY,
    LAST,
    LAST_DAY,
    LAST_WORKDAY,
    nth_weekday,
)
from bgjobs.schedules.description import describe_days
from bgjobs.schedules.interval import Interval
from bgjobs.schedules.units import DAY_OF_MONTH, HOUR, MINUTE, MONTH, SECOND

NEW_YORK = "America/New_York"
NTH_WEEKDAYS = [nth_weekday(nth, day) for nth in range(1, LAST + 1) for day in range(1, 8)]


def instant(*fields: int) -> datetime:
    return datetime(*fields, tzinfo=UTC)  # type: ignore[misc, arg-type] # as many as were given


SAID = schedule()
SENTENCES = [
    (SAID, "every minute"),
    (SAID.every_second(), "every second"),
    (SAID.every_seconds(10), "every 10 seconds"),
    (SAID.every_seconds(7), "at every 7th second from 0 to 56 of every minute"),
    (SAID.on_second(10), "at second 10 of every minute"),
    (SAID.on_second(10, 40), "at seconds 10 and 40 of every minute"),
    (SAID.every_seconds(10).on_minute(5), "every 10 seconds in minute 5 of every hour"),
    (
        SAID.every_seconds(10).every_minutes(5),
        "every 10 seconds in every 5th minute from 0 to 55 of every hour",
    ),
    (
        SAID.on_second(3, 17, 40).on_minute(1, 2, 3, 9),
        "at seconds 3, 17 and 40 of minutes 1 to 3 and 9 of every hour",
    ),
    (
        SAID.on_second(10).between_hours(8, 17),
        "at second 10 of every minute, from 08:00 to 17:59",
    ),
    (SAID.every_second().on_hour(8), "every second, from 08:00:00 to 08:59:59"),
    (
        SAID.on_second(10).on_hour(8, 10, 12),
        "at second 10 of every minute of hours 8, 10 and 12",
    ),
    (
        SAID.every_seconds(30).on_minute(1, 2).between_hours(0, 5),
        "every 30 seconds in minutes 1 and 2 of every hour, from 00:00:00 to 05:59:59",
    ),
    (SAID.every_minutes(5), "every 5 minutes"),
    (SAID.every_minutes(7), "at every 7th minute from 0 to 56 of every hour"),
    (SAID.on_minute(30), "at minute 30 of every hour"),
    (SAID.every_minutes(5).on_hour(8), "every 5 minutes, from 08:00 to 08:59"),
    (
        SAID.every_minutes(5).on_hour(8, 9, 12),
        "every 5 minutes, from 08:00 to 09:59 and from 12:00 to 12:59",
    ),
    (SAID.every_minutes(5).on_hour(8, 10, 12), "every 5 minutes in hours 8, 10 and 12"),
    (
        SAID.every_minutes(5).every_hours(2),
        "every 5 minutes in every 2nd hour from 0 to 22",
    ),
    (
        SAID.every_minutes(5).between_hours(8, 17).on_monday().on_friday(),
        "every 5 minutes, from 08:00 to 17:59, on Mondays and Fridays",
    ),
    (
        SAID.on_minute(30).between_hours(8, 17),
        "at minute 30 of every hour, from 08:00 to 17:59",
    ),
    (
        SAID.on_minute(*range(0, 14, 2)).on_hour(8),
        "at every 2nd minute from 0 to 12 of hour 8",
    ),
    (SAID.on_minute(0), "every hour"),
    (SAID.on_minute(0).every_hours(2), "every 2 hours"),
    (
        SAID.on_minute(0).every_hours(4),
        "at 00:00, 04:00, 08:00, 12:00, 16:00 and 20:00 every day",
    ),
    (SAID.on_minute(0).between_hours(8, 17), "every hour, from 08:00 to 17:00"),
    (
        SAID.on_minute(0).on_hour(0, 1, 2, 5, 7, 9, 11),
        "at minute 0 of hours 0 to 2, 5, 7, 9 and 11",
    ),
    (SAID.on_minute(30).every_hours(2), "at minute 30 of every 2nd hour from 0 to 22"),
    (SAID.at(2, 30), "at 02:30 every day"),
    (SAID.at(2, 30).on_second(5), "at 02:30:05 every day"),
    (SAID.at(8).at(12).at(17).on_weekdays(), "at 08:00, 12:00 and 17:00 on weekdays"),
    (SAID.at(9).at(12, 30), "at 09:00 every day; or at 12:30 every day"),
    (SAID.at(9).on_weekends(), "at 09:00 on weekends"),
    (SAID.at(9).on_nth_weekday(2, "friday"), "at 09:00 on the second Friday of the month"),
    (
        SAID.at(9).on_monday().on_nth_weekday("last", "friday"),
        "at 09:00 on Mondays and the last Friday of the month",
    ),
    (SAID.at(9).on_friday().on_nth_weekday("last", "friday"), "at 09:00 on Fridays"),
    (
        SAID.at(0).on_last_day_of_month().on_january().on_june(),
        "at 00:00 on the last day of the month, in January and June",
    ),
    (SAID.at(0).on_last_workday_of_month(), "at 00:00 on the last workday of the month"),
    (
        SAID.at(0).on_day_of_month(1, 15).on_last_day_of_month(),
        "at 00:00 on days 1 and 15 and the last day of the month",
    ),
    (
        SAID.at(0).every_days_of_month(2),
        "at 00:00 on every 2nd day from 1 to 31 of the month",
    ),
    (
        SAID.at(0).between_days_of_month(1, 7).on_monday(),
        "at 00:00 on days 1 to 7 of the month, but only on Mondays",
    ),
    (
        SAID.at(0).on_day_of_month(29).on_february().on_monday(),
        "at 00:00 on 29 February, but only on Mondays",
    ),
    (SAID.at(0).between_days_of_month(1, 7).on_may(), "at 00:00 on 1 to 7 May"),
    (SAID.at(0).on_january().on_june(), "at 00:00 every day in January and June"),
    (SAID.every_minute().between_months(6, 8), "every minute, from June to August"),
    (
        SAID.at(0).on_month(1, 6, 7, 8).on_sunday(),
        "at 00:00 on Sundays, in January and June to August",
    ),
    (SAID.at(2, 30).in_timezone("Europe/Paris"), "at 02:30 every day (Europe/Paris)"),
]


@pytest.mark.parametrize(("said", "sentence"), SENTENCES, ids=[text for _, text in SENTENCES])
def test_a_calendar_is_described_in_a_sentence(said: ScheduleBuilder, sentence: str) -> None:
    assert said.build().describe() == sentence


@pytest.mark.parametrize(
    ("interval", "sentence"),
    [
        (every(milliseconds=1), "every millisecond"),
        (every(milliseconds=250), "every 250 milliseconds"),
        (every(seconds=1), "every second"),
        (every(seconds=90), "every 90 seconds"),
        (every(minutes=90), "every 90 minutes"),
        (every(hours=1), "every hour"),
        (every(hours=36), "every 36 hours"),
        (every(days=1), "every 24 hours"),
        (every(weeks=1), "every 7 days"),
        (every(days=1, milliseconds=1), "every 86,400,001 milliseconds"),
    ],
)
def test_an_interval_is_described_by_its_largest_unit(
    interval: Interval, sentence: str
) -> None:
    assert interval.describe() == sentence


@pytest.mark.parametrize(
    ("days", "weekdays", "months", "words"),
    [
        (DAY_OF_MONTH.every, EVERY_WEEKDAY, MONTH.every, "every day"),
        (DAY_OF_MONTH.every | LAST_DAY, EVERY_WEEKDAY, 1 << 5, "every day in May"),
        (1 << 30, EVERY_WEEKDAY, 1 << 2, "30 February"),
        (1 << 31, EVERY_WEEKDAY, 1 << 4 | 1 << 6, "day 31 of the month, in April and June"),
        (
            DAY_OF_MONTH.every >> 3 & DAY_OF_MONTH.every,
            nth_weekday(5, 1),
            MONTH.every,
            "days 1 to 28 of the month, but only on the fifth Monday of the month",
        ),
        (
            DAY_OF_MONTH.every,
            nth_weekday(2, 7),
            1 << 3,
            "the second Sunday of the month, in March",
        ),
    ],
)
def test_days_can_be_described_alone(days: int, weekdays: int, months: int, words: str) -> None:
    assert describe_days(days, weekdays, months) == words


def bits(least: int, most: int) -> st.SearchStrategy[int]:
    """Masks of single numbers, of ranges, of steps, of anything."""
    number = st.integers(least, most)
    ranges = st.tuples(number, number).map(lambda ends: (2 << max(ends)) - (1 << min(ends)))
    steps = st.tuples(number, st.integers(1, most)).map(
        lambda step: sum(1 << n for n in range(step[0], most + 1, step[1]))
    )
    few = st.sets(number, min_size=1, max_size=4).map(lambda some: sum(1 << n for n in some))
    every_number = (2 << most) - (1 << least)
    some = st.integers(1, every_number).map(lambda mask: mask & every_number)
    return st.one_of(st.just(every_number), ranges, steps, few, some.filter(bool))


CALENDARS = st.builds(
    Calendar,
    seconds=st.just(1) | bits(0, 59),
    minutes=bits(0, 59),
    hours=bits(0, 23),
    days=bits(1, 33),
    months=bits(1, 12),
    weekdays=bits(1, 7)
    | st.sets(st.sampled_from(NTH_WEEKDAYS), min_size=1).map(sum)
    | st.tuples(bits(1, 7), st.sampled_from(NTH_WEEKDAYS)).map(sum),
    fixed=st.booleans(),
)
UNITS = {
    "seconds": range(60),
    "minutes": range(60),
    "hours": range(24),
    "days": range(1, 34),
    "months": range(1, 13),
    "weekdays": range(1, 56),
}
EVERY = {
    "seconds": SECOND.every,
    "minutes": MINUTE.every,
    "hours": HOUR.every,
    "days": DAY_OF_MONTH.every,
    "months": MONTH.every,
    "weekdays": EVERY_WEEKDAY,
}


@given(CALENDARS, st.sampled_from(sorted(UNITS)), st.data())
def test_calendars_that_differ_by_one_number_read_differently(
    calendar: Calendar, unit: str, data: st.DataObject
) -> None:
    masks = {name: getattr(calendar, name) for name in UNITS}
    changed = masks[unit] ^ 1 << data.draw(st.sampled_from(UNITS[unit]))
    assume(changed and not changed & sum(1 << 8 * nth for nth in range(LAST + 1)))
    other = Calendar(**{**masks, unit: changed}, fixed=calendar.fixed)
    assume(meaning(other) != meaning(calendar))

    assert other.describe() != calendar.describe()


def meaning(calendar: Calendar) -> tuple[int, ...]:
    """Give the masks without what they say twice."""
    days, weekdays = calendar.days, calendar.weekdays
    if days & DAY_OF_MONTH.every == DAY_OF_MONTH.every:
        days = DAY_OF_MONTH.every
    for day in range(1, 8):
        five = sum(nth_weekday(nth, day) for nth in range(1, 6))
        if weekdays & five == five:
            weekdays |= 1 << day
        if weekdays >> day & 1:
            weekdays &= ~(five | nth_weekday(LAST, day))
    if weekdays & EVERY_WEEKDAY == EVERY_WEEKDAY:
        weekdays = EVERY_WEEKDAY
    return calendar.seconds, calendar.minutes, calendar.hours, days, calendar.months, weekdays


@given(CALENDARS, st.sampled_from(sorted(EVERY)))
def test_every_restricted_unit_is_mentioned(calendar: Calendar, unit: str) -> None:
    masks = {name: getattr(calendar, name) for name in UNITS}
    opened = Calendar(**{**masks, unit: EVERY[unit]}, fixed=calendar.fixed)
    text = calendar.describe()

    assert (text == opened.describe()) == (meaning(calendar) == meaning(opened))
    assert text == " ".join(text.split())
    assert text.isascii()


def test_common_calendars_all_read_differently() -> None:
    seconds = (1, SECOND.every, 1 << 10, sum(1 << n for n in range(0, 60, 10)))
    minutes = (1, MINUTE.every, 1 << 30, sum(1 << n for n in range(0, 60, 15)))
    hours = (1 << 8, HOUR.every, 0b11 << 8, 0x3FF00, 0x555555, 0xAAAAAA, 1 << 8 | 1 << 12)
    days = (DAY_OF_MONTH.every, 2, LAST_DAY, LAST_WORKDAY, 0b1111_1110)
    months = (MONTH.every, 2, 1 << 6 | 1 << 7 | 1 << 8)
    weekdays = (EVERY_WEEKDAY, 0b11_1110, 0b1100_0000, nth_weekday(2, 5), nth_weekday(LAST, 5))
    texts = [
        Calendar(
            seconds=second,
            minutes=minute,
            hours=hour,
            days=day,
            months=month,
            weekdays=weekday,
            fixed=False,
        ).describe()
        for second, minute, hour, day, month, weekday in product(
            seconds, minutes, hours, days, months, weekdays
        )
    ]

    assert len(set(texts)) == len(texts)


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

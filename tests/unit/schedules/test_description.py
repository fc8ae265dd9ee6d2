"""Descriptions are sentences, and calendars that differ read differently."""

from itertools import product

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bgjobs.schedules import Calendar, ScheduleBuilder, every, schedule
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
    """Return the masks without redundant bits."""
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

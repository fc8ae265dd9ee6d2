"""`every`: a whole number of milliseconds, up to a hundred years."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgjobs.errors import ScheduleFault, ScheduleValidationError
from bgjobs.schedules import Interval, every, from_text
from tests.unit.schedules.listing import utc

INSTANTS = st.datetimes(datetime(1, 1, 1), datetime(9899, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds of a strategy are naive
LONGEST = 36_500 * 86_400_000


@given(INSTANTS, st.integers(1, LONGEST))
def test_the_next_occurrence_is_the_interval_later(instant: datetime, length: int) -> None:
    one = every(milliseconds=length)
    assert one.next_after(instant) == instant + timedelta(milliseconds=length)
    assert one.length == timedelta(milliseconds=length)


def test_parts_add_up() -> None:
    assert every(minutes=1, seconds=30) == every(seconds=90) == Interval(90_000)
    assert every(weeks=1, days=1, hours=1) == every(hours=8 * 24 + 1)
    assert every(seconds=0.1) == every(milliseconds=100)
    assert every(hours=0.5) == every(minutes=30)


def test_a_day_is_24_hours_whatever_the_clocks_do() -> None:
    assert every(days=1).next_after(utc("2026-03-08 06:30")) == utc("2026-03-09 06:30")
    assert every(days=1).timezone is UTC


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({}, "0"),
        ({"seconds": 0}, "0"),
        ({"seconds": -1}, "seconds=-1"),
        ({"minutes": 1, "seconds": -60}, "seconds=-60, minutes=1"),
        ({"milliseconds": 0.5}, "milliseconds=0.5"),
        ({"milliseconds": 1.5}, "milliseconds=1.5"),
        ({"seconds": 1 / 3}, f"seconds={1 / 3!r}"),
        ({"seconds": float("nan")}, "seconds=nan"),
        ({"days": float("inf")}, "days=inf"),
        ({"days": float("-inf")}, "days=-inf"),
        ({"seconds": True}, "seconds=True"),
        ({"seconds": "5"}, "seconds='5'"),
        ({"seconds": None}, "seconds=None"),
        ({"days": 36_501}, "days=36501"),
        ({"days": 36_500, "milliseconds": 1}, "milliseconds=1, days=36500"),
        ({"weeks": 10**300}, f"weeks=1{'0' * 99}..."),
        ({"weeks": 10**5000}, "weeks=a huge int"),
    ],
)
def test_what_is_no_whole_positive_number_of_milliseconds_is_refused(
    given: dict[str, float], found: str
) -> None:
    with pytest.raises(ScheduleValidationError) as caught:
        every(**given)
    (fault,) = caught.value.faults
    assert (fault.unit, fault.kind) == ("interval", "out_of_bounds")
    assert fault.message == (
        "Interval must be a whole number of milliseconds, from 1 to a hundred years, "
        f"found: {found}"
    )
    assert isinstance(fault, ScheduleFault)


def test_the_bounds_themselves_are_fine() -> None:
    assert every(milliseconds=1).text == "every 1ms"
    assert every(days=36_500).text == f"every {LONGEST}ms"
    assert from_text(f"every {LONGEST}ms") == every(days=36_500)


def test_an_interval_has_no_slots() -> None:
    assert list(every(seconds=1).slots(utc("2026-01-01"), utc("2027-01-01"))) == []

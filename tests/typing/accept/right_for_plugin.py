"""Schedules that are known only at run time: the plugin reports nothing."""

from collections.abc import Callable
from enum import StrEnum
from typing import Any, Literal

from bgjobs.schedules import Hour, ScheduleBuilder, every, from_cron, hour, schedule


class Zone(StrEnum):
    """To mypy its members are literals, but not strings."""

    PARIS = "Europe/Paris"


def read() -> str:
    """Return a text that is known only at run time."""
    return ""


# Known only at run time.
schedule().between_hours(hour(17), 8)
schedule().in_timezone(read()).build()
schedule().on_weekdays().every_minute().build()
schedule().on_monday()  # the time may be added later
schedule().in_timezone(f"Europe/{read()}").build()
schedule().in_timezone(Zone.PARIS).build()
from_cron(read())
from_cron("0 3 * * *", tz=read())
from_cron(read(), tz="Europe/Paris")
every(seconds=len(read()))
schedule().on_february().on_day_of_month(29).in_timezone(read()).build()

# Starred.
BOUNDS: tuple[Hour, Hour] = (17, 8)
SETTINGS: dict[str, Any] = {"seconds": 0}
schedule().between_hours(*BOUNDS)
schedule().on_hour(*BOUNDS).build()
every(**SETTINGS)

# Not one expression: the earlier conditions are unknown.
february = schedule().on_february()
february.on_day_of_month(29, 30).build()
february.on_day_of_month(30).build()
february.build()


def branch(builder: ScheduleBuilder, step: Literal[5, 10], begin: Literal[7, 19]) -> None:
    """One of the two values is valid."""
    builder.every_minutes(step).between_hours(begin, 8)


# Not a call of the builder itself.
add: Callable[[Hour, Hour], ScheduleBuilder] = schedule().between_hours
add(17, 8)
ScheduleBuilder.on_hour(schedule(), 3).build()
assert schedule() == schedule()
number = 17
number -= 10
every(minutes=number)

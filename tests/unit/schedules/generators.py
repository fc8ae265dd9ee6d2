"""Random builders and cron texts, each with its meaning in plain sets and dates."""

from calendar import monthrange
from collections.abc import Callable, Sequence
from datetime import date, datetime
from random import Random
from typing import cast, final

from attrs import Factory, define, field
from cronsim import CronSim

from bgjobs.schedules import Hour, Minute, Nth, Weekday, schedule
from bgjobs.schedules.builder import ScheduleBuilder
from tests.unit.schedules.helpers import zone_named
from tests.unit.schedules.oracle import Meaning

Day = Callable[[date], bool]
MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
NAMES = {"month": MONTHS, "day_of_week": WEEKDAYS}
BOUNDS = {
    "second": (0, 59),
    "minute": (0, 59),
    "hour": (0, 23),
    "day_of_month": (1, 31),
    "month": (1, 12),
    "day_of_week": (1, 7),
}
PLURALS = {
    "second": "seconds",
    "minute": "minutes",
    "hour": "hours",
    "day_of_month": "days_of_month",
    "month": "months",
    "day_of_week": "days_of_week",
}


@final
@define
class Said:
    """The conditions on one unit since the last `every_x()`."""

    numbers: set[int] = Factory(set)
    days: list[Day] = Factory(list)
    """Conditions that are not numbers."""
    steps: bool = False
    every: bool = False

    @property
    def anything(self) -> bool:
        return bool(self.numbers or self.days)


@final
@define
class Words:
    """A builder, and the calls that were made on it."""

    random: Random
    zone: str = "UTC"
    builder: ScheduleBuilder = Factory(schedule)
    said: dict[str, Said] = field(factory=lambda: {unit: Said() for unit in BOUNDS})
    times: list[tuple[int, int]] = Factory(list)

    def say(self, unit: str) -> None:
        """Add a condition on a unit."""
        kinds = [self._values, self._values, self._range, self._every]
        if unit != "day_of_week":
            kinds.append(self._step)
        if unit == "day_of_month":
            kinds += [self._last_day, self._last_workday]
        if unit == "day_of_week":
            kinds += [self._nth, self._nth]
        self.random.choice(kinds)(unit)

    def say_time(self) -> None:
        """Add a time of the day."""
        hour, minute = self._number("hour"), self._number("minute")
        self.builder = self.builder.at(cast("Hour", hour), cast("Minute", minute))
        self.times.append((hour, minute))

    def meanings(self) -> list[Meaning]:
        """Return one meaning; with times of the day, one for each of them."""
        hours, minutes = self._numbers("hour"), self._numbers("minute")
        times = [({hour}, {minute}) for hour, minute in self.times] or [(hours, minutes)]
        return [
            Meaning(
                frozenset(self._numbers("second")),
                frozenset(minutes),
                frozenset(hours),
                self.day,
                fixed=bool(self.times) or self._is_fixed(),
                zone=zone_named(self.zone),
            )
            for hours, minutes in times
        ]

    def day(self, day: date) -> bool:
        """Whether a day matches."""
        return (
            day.month in self._numbers("month")
            and self._day_matches("day_of_month", day.day, day)
            and self._day_matches("day_of_week", day.isoweekday(), day)
        )

    def _numbers(self, unit: str) -> set[int]:
        said = self.said[unit]
        if unit == "second" and not said.every and not said.numbers:
            return {0}
        least, most = BOUNDS[unit]
        return said.numbers or set(range(least, most + 1))

    def _day_matches(self, unit: str, number: int, day: date) -> bool:
        said = self.said[unit]
        if not said.anything:
            return True
        return number in said.numbers or any(matches(day) for matches in said.days)

    def _is_fixed(self) -> bool:
        about = self.said["hour"], self.said["minute"]
        return all(said.numbers and not said.steps for said in about)

    def _number(self, unit: str) -> int:
        return self.random.randint(*BOUNDS[unit])

    def _call(self, name: str, *values: object) -> None:
        self.builder = getattr(self.builder, name)(*values)

    def _values(self, unit: str) -> None:
        numbers = [self._number(unit) for _ in range(self.random.choice((1, 1, 2, 4)))]
        names = NAMES.get(unit) if self.random.random() < 0.5 else None
        self._call(f"on_{unit}", *([names[n - 1] for n in numbers] if names else numbers))
        self.said[unit].numbers.update(numbers)

    def _range(self, unit: str) -> None:
        least, most = BOUNDS[unit]
        start, end = sorted(self.random.sample(range(least, most + 1), 2))
        self._call(f"between_{PLURALS[unit]}", start, end)
        self.said[unit].numbers.update(range(start, end + 1))

    def _step(self, unit: str) -> None:
        least, most = BOUNDS[unit]
        step = self.random.randint(1, most - least + 1)
        self._call(f"every_{PLURALS[unit]}", step)
        self.said[unit].numbers.update(range(least, most + 1, step))
        self.said[unit].steps = True

    def _every(self, unit: str) -> None:
        self._call(f"every_{unit}")
        self.said[unit] = Said(every=True)

    def _last_day(self, unit: str) -> None:
        self._call("on_last_day_of_month")
        self.said[unit].days.append(is_last_day)

    def _last_workday(self, unit: str) -> None:
        self._call("on_last_workday_of_month")
        self.said[unit].days.append(is_last_workday)

    def _nth(self, unit: str) -> None:
        nth = self.random.choice((1, 2, 3, 4, 5, "last"))
        weekday = self.random.randint(1, 7)
        self.builder = self.builder.on_nth_weekday(cast("Nth", nth), cast("Weekday", weekday))
        self.said[unit].days.append(lambda day: is_nth(day, nth, weekday))


def random_words(random: Random, zone: str) -> Words:
    """Return a builder with a few conditions on a few units."""
    words = Words(random, zone)
    words.builder = words.builder.in_timezone(zone)
    units = ["second", "day_of_month", "month", "day_of_week"]
    if random.random() < 0.3:
        for _ in range(random.choice((1, 2, 3))):
            words.say_time()
    else:
        units += ["minute", "hour", "minute", "hour"]
    for unit in random.sample(units, random.randint(0, len(units))):
        words.say(unit)
    return words


def is_last_day(day: date) -> bool:
    """Whether it is the last day of its month."""
    return day.day == monthrange(day.year, day.month)[1]


def is_last_workday(day: date) -> bool:
    """Whether it is a workday, and only Saturdays and Sundays of its month follow."""
    last = monthrange(day.year, day.month)[1]
    later = (day.replace(day=number) for number in range(day.day + 1, last + 1))
    return day.isoweekday() <= 5 and all(one.isoweekday() > 5 for one in later)


def is_nth(day: date, nth: int | str, weekday: int) -> bool:
    """Whether it is the nth such weekday of its month, or the last."""
    last = monthrange(day.year, day.month)[1]
    every = [day.replace(day=number) for number in range(1, last + 1)]
    same = [one for one in every if one.isoweekday() == weekday]
    return day in (same[-1:] if nth == "last" else same[int(nth) - 1 : int(nth)])


CRON_MONTHS = [month[:3].upper() for month in MONTHS]
CRON_DAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]


def cron_text(random: Random) -> str:
    """Return a text of five fields or, in three of ten cases, six."""
    fields = [
        _field(random, 0, 59, star=0.35),
        _field(random, 0, 23, star=0.3),
        _field(random, 1, 31, star=0.5, special=_special_day),
        _field(random, 1, 12, star=0.6, names=CRON_MONTHS),
        _field(random, 0, 7, star=0.5, names=CRON_DAYS, special=_special_weekday),
    ]
    if random.random() < 0.3:
        fields.insert(0, _field(random, 0, 59, star=0.2))
    text = " ".join(fields)
    return text.lower() if random.random() < 0.1 else text


def is_fixed(text: str) -> bool:
    """Whether neither hour nor minute begins with a star."""
    minute, hour = text.split()[-5:-3]
    return not minute.startswith("*") and not hour.startswith("*")


def meaning_of(text: str, zone: str) -> Meaning:
    """Return the meaning of a text as cronsim parses it."""
    read = CronSim(text, datetime(2000, 1, 1))  # noqa: DTZ001 - only its fields are used

    def day(day: date) -> bool:
        return day.month in read.months and read.match_day(day)

    units = frozenset(read.seconds), frozenset(read.minutes), frozenset(read.hours)
    return Meaning(*units, day, is_fixed(text), zone_named(zone))


def _field(
    random: Random,
    least: int,
    most: int,
    *,
    star: float,
    names: Sequence[str] = (),
    special: Callable[[Random], str] | None = None,
) -> str:
    if random.random() < star:
        return "*"
    terms = []
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        if special is not None and random.random() < 0.25:
            terms.append(special(random))
        elif names and random.random() < 0.15:
            terms.append(random.choice(names))
        else:
            terms.append(_term(random, least, most))
    return ",".join(terms)


def _term(random: Random, least: int, most: int) -> str:
    number = random.randint(least, most)
    # Not 5-5/2: cronsim reads it as 5/2, see test_oracles.
    start, end = sorted(random.sample(range(least, most + 1), 2))
    step = random.randint(1, most)
    forms = (f"{number}", f"{start}-{end}", f"{start}-{end}/{step}", f"*/{step}", "*")
    return random.choice((*forms, f"{number}/{step}", f"{number}"))


def _special_day(random: Random) -> str:
    return random.choice(("L", "LW"))


def _special_weekday(random: Random) -> str:
    if random.random() < 0.5:
        return f"{random.randint(0, 7)}L"
    return f"{random.choice([*CRON_DAYS, *'01234567'])}#{random.randint(1, 5)}"

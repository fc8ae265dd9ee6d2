"""Cron texts at random, of everything that both bgjobs and cronsim read."""

from collections.abc import Callable, Sequence
from datetime import date, datetime
from random import Random

from cronsim import CronSim

from tests.unit.schedules.clocks import zone_named
from tests.unit.schedules.oracle import Meaning

MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
DAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]


def cron_text(random: Random) -> str:
    """Give a text of five fields or, in one of three cases, six."""
    fields = [
        _field(random, 0, 59, star=0.35),
        _field(random, 0, 23, star=0.3),
        _field(random, 1, 31, star=0.5, special=_special_day),
        _field(random, 1, 12, star=0.6, names=MONTHS),
        _field(random, 0, 7, star=0.5, names=DAYS, special=_special_weekday),
    ]
    if random.random() < 0.3:
        fields.insert(0, _field(random, 0, 59, star=0.2))
    text = " ".join(fields)
    return text.lower() if random.random() < 0.1 else text


def is_fixed(text: str) -> bool:
    """Say whether hour and minute do not begin with a star."""
    minute, hour = text.split()[-5:-3]
    return not minute.startswith("*") and not hour.startswith("*")


def meaning_of(text: str, zone: str) -> Meaning:
    """Read a text with the reader of cronsim."""
    read = CronSim(text, datetime(2000, 1, 1))  # noqa: DTZ001 - only its fields are wanted

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
    # Not 5-5/2: cronsim takes it for 5/2, see test_against_cronsim.
    start, end = sorted(random.sample(range(least, most + 1), 2))
    step = random.randint(1, most)
    forms = (f"{number}", f"{start}-{end}", f"{start}-{end}/{step}", f"*/{step}", "*")
    return random.choice((*forms, f"{number}/{step}", f"{number}"))


def _special_day(random: Random) -> str:
    return random.choice(("L", "LW"))


def _special_weekday(random: Random) -> str:
    if random.random() < 0.5:
        return f"{random.randint(0, 7)}L"
    return f"{random.choice([*DAYS, *'01234567'])}#{random.randint(1, 5)}"

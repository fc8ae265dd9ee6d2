"""What it costs to find the next occurrence, beside cronsim and croniter."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from importlib import import_module
from importlib.util import find_spec
from itertools import islice
from random import Random
from statistics import median
from time import perf_counter
from typing import Any, final
from zoneinfo import ZoneInfo

from attrs import frozen
from cronsim import CronSim

from benchmarks.report.figures import Figure, table
from bgjobs.schedules import Schedule, from_cron, schedule

SCHEDULES = 200
START = datetime(2026, 1, 5, 10, 0, 7, tzinfo=UTC)
ZONES = ("UTC", "America/New_York", "Europe/Paris", "Australia/Lord_Howe", "Asia/Kolkata")
ITERATING, FRESH = "iterating", "from an instant"
OURS, CRONSIM, CRONITER = "bgjobs", "cronsim", "croniter"
GOALS = {CRONSIM: 1.0, CRONITER: 10.0}
"""How many times faster we are to be, in the median."""
LONGEST = 100.0
"""Microseconds that the rarest schedules may take."""


@final
@frozen
class Case:
    """One schedule of the mixed set, and instants to begin from."""

    text: str
    zone: tzinfo
    schedule: Schedule
    starts: Sequence[datetime]
    """Local times, as the others want them."""


@final
@frozen
class System:
    """A library: how it iterates, and how it finds what follows a given instant."""

    iterate: Callable[[Case], Iterator[datetime]]
    fresh: Callable[[Case, datetime], datetime]


@final
@frozen
class Found:
    """Everything that was measured."""

    figures: Sequence[Figure]
    ratios: Mapping[tuple[str, str], float]
    """How many times faster we are, in the median over the schedules, by library and way."""
    rare: Mapping[str, float]
    """Microseconds of the rarest schedules."""

    @property
    def misses(self) -> list[str]:
        """Say what is not as fast as it has to be."""
        slow = [
            f"{ratio:.1f} times as fast as {name} {way}, not {GOALS[name]:g} times"
            for (name, way), ratio in self.ratios.items()
            if ratio < GOALS[name]
        ]
        late = [f"{us:.0f} us for {rare}" for rare, us in self.rare.items() if us > LONGEST]
        return slow + late


def systems() -> dict[str, System]:
    """Give the libraries that are installed; croniter has no types."""
    found = {
        OURS: System(
            lambda case: case.schedule.occurrences(START),
            lambda case, start: case.schedule.next_after(start),
        ),
        CRONSIM: System(
            lambda case: CronSim(case.text, START.astimezone(case.zone)),
            lambda case, start: next(CronSim(case.text, start)),
        ),
    }
    if find_spec("croniter"):
        croniter: Any = import_module("croniter").croniter
        found[CRONITER] = System(
            lambda case: croniter(case.text, START.astimezone(case.zone), ret_type=datetime),
            lambda case, start: next(croniter(case.text, start, ret_type=datetime)),
        )
    return found


def measure(rounds: int, calls: int, schedules: int = SCHEDULES) -> Found:
    """Measure all libraries on all schedules, in turn, so that drift evens out."""
    cases = list(islice(mixed(Random(2026), calls), schedules))
    ways = {ITERATING: _iterating, FRESH: _fresh}
    taken: dict[tuple[str, str], list[list[float]]] = {}
    for _ in range(rounds):
        for way, take in ways.items():
            by_case = [[take(one, case, calls) for one in systems().values()] for case in cases]
            for name, values in zip(systems(), zip(*by_case, strict=True), strict=True):
                taken.setdefault((name, way), []).append(list(values))
    figures = [
        Figure(
            system=name, measure=way, unit="us", values=[median(values) for values in of_rounds]
        )
        for (name, way), of_rounds in taken.items()
    ]
    ratios = {
        (name, way): _ratio(of_rounds, taken[OURS, way])
        for (name, way), of_rounds in taken.items()
        if name != OURS
    }
    return Found(figures, ratios, {title: _rare(one, rounds) for title, one in RARE.items()})


def mixed(random: Random, calls: int) -> Iterator[Case]:
    """Make schedules as people write them, in zones of all kinds."""
    while True:
        text = " ".join(random.choice(SHAPES)(random))
        name = random.choice(ZONES)
        zone = UTC if name == "UTC" else ZoneInfo(name)
        starts = [
            (START + timedelta(seconds=random.randrange(5 * 365 * 86_400))).astimezone(zone)
            for _ in range(calls)
        ]
        yield Case(text, zone, from_cron(text, name), starts)


def report(found: Found) -> str:
    """Give the times and how they compare, then the rarest schedules."""
    names = list(dict.fromkeys(figure.system for figure in found.figures))
    times = {
        (figure.system, figure.measure): f"{figure.median:,.1f}" for figure in found.figures
    }
    header = ["us to the next", ITERATING, FRESH, f"{ITERATING}: ratio", f"{FRESH}: ratio"]
    rows = [
        [
            name,
            *(times[name, way] for way in (ITERATING, FRESH)),
            *(f"x{found.ratios.get((name, way), 1.0):.1f}" for way in (ITERATING, FRESH)),
        ]
        for name in names
    ]
    rare = [[title, f"{us:.1f}"] for title, us in found.rare.items()]
    return f"{table(header, rows)}\n\n{table(['rarest schedules', 'us'], rare)}"


def _iterating(system: System, case: Case, calls: int) -> float:
    occurrences = system.iterate(case)
    started = perf_counter()
    for _ in range(calls):
        next(occurrences)
    return (perf_counter() - started) / calls * 1e6


def _fresh(system: System, case: Case, calls: int) -> float:
    fresh = system.fresh
    started = perf_counter()
    for start in case.starts[:calls]:
        fresh(case, start)
    return (perf_counter() - started) / calls * 1e6


def _ratio(theirs: Sequence[Sequence[float]], ours: Sequence[Sequence[float]]) -> float:
    """Compare schedule by schedule, each with its best round."""
    best_of_theirs, best_of_ours = _best(theirs), _best(ours)
    return median(a / b for a, b in zip(best_of_theirs, best_of_ours, strict=True))


def _best(rounds: Sequence[Sequence[float]]) -> list[float]:
    return [min(values) for values in zip(*rounds, strict=True)]


def _rare(one: Schedule, rounds: int) -> float:
    """Begin in each year of a century and take the longest search, each with its best round."""
    starts = [datetime(year, 3, 1, tzinfo=UTC) for year in range(2026, 2126)]
    return max(_best([[_search(one, start) for start in starts] for _ in range(rounds)]))


def _search(one: Schedule, start: datetime) -> float:
    started = perf_counter()
    one.next_after(start)
    return (perf_counter() - started) * 1e6


def _minute(random: Random) -> str:
    return str(random.randrange(60))


def _hour(random: Random) -> str:
    return str(random.randrange(24))


def _step(random: Random) -> str:
    return f"*/{random.choice((2, 5, 10, 15, 20, 30))}"


def _weekday(random: Random) -> str:
    return random.choice(("MON", "FRI", "0", "1-5", "1,3,5"))


SHAPES: Sequence[Callable[[Random], list[str]]] = (
    lambda _: ["*", "*", "*", "*", "*"],
    lambda random: [_step(random), "*", "*", "*", "*"],
    lambda random: [_step(random), "8-17", "*", "*", "1-5"],
    lambda random: [_minute(random), "*", "*", "*", "*"],
    lambda random: [_minute(random), f"*/{random.choice((2, 3, 6))}", "*", "*", "*"],
    lambda random: [_minute(random), _hour(random), "*", "*", "*"],
    lambda random: [_minute(random), f"{_hour(random)},{_hour(random)}", "*", "*", "*"],
    lambda random: [_minute(random), _hour(random), "*", "*", _weekday(random)],
    lambda random: [_minute(random), _hour(random), str(random.randint(1, 31)), "*", "*"],
    lambda random: [_minute(random), _hour(random), "L", "*", "*"],
    lambda random: [_minute(random), _hour(random), "*", "*", f"5#{random.randint(1, 5)}"],
    lambda random: ["0", _hour(random), "1", f"*/{random.choice((2, 3, 6))}", "*"],
    lambda _: ["0", "0", "1,15", "*", "1"],
)
"""What both other libraries read, from every minute to every few months."""
LEAP_MONDAY = schedule().on_day_of_month(29).on_february().on_monday()
RARE = {
    "29 February on a Monday": LEAP_MONDAY.at(0).build(),
    "29 February on a Monday, New York": (
        LEAP_MONDAY.at(2, 30).in_timezone("America/New_York").build()
    ),
    "a fifth Friday in February, Paris": from_cron("0 0 * 2 5#5", "Europe/Paris"),
    "every second of 29 February, Lord Howe": from_cron("* * * 29 2 *", "Australia/Lord_Howe"),
}

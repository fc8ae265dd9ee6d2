"""``schedules``: the cost of finding the next occurrence, beside cronsim and croniter."""

import argparse
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

from benchmarks.databases.ports import Database
from benchmarks.report.figures import Figure, table, write_json
from bgjobs.schedules import Schedule, from_cron, schedule

SCHEDULES = 200
START = datetime(2026, 1, 5, 10, 0, 7, tzinfo=UTC)
ZONES = ("UTC", "America/New_York", "Europe/Paris", "Australia/Lord_Howe", "Asia/Kolkata")
ITERATING, FRESH = "iterating", "from an instant"
OURS, CRONSIM, CRONITER = "bgjobs", "cronsim", "croniter"
GOALS = {CRONSIM: 1.0, CRONITER: 10.0}
"""The factor by which bgjobs is faster at least, in the median."""
RARE_LIMIT = 100.0
"""The most microseconds that a search in the rarest schedules takes."""


@final
@frozen
class Case:
    """One schedule of the mixed set, and times to start from."""

    text: str
    zone: tzinfo
    schedule: Schedule
    starts: Sequence[datetime]
    """Local times, which the other libraries need."""


@final
@frozen
class Library:
    """How a library iterates, and how it finds the occurrence after a given time."""

    iterate: Callable[[Case], Iterator[datetime]]
    fresh: Callable[[Case, datetime], datetime]


@final
@frozen
class Result:
    """The figures of all libraries."""

    figures: Sequence[Figure]
    ratios: Mapping[tuple[str, str], float]
    """The factor by which bgjobs is faster, by library and mode, in the median."""
    rare: Mapping[str, float]
    """Microseconds of the rarest schedules."""

    @property
    def misses(self) -> list[str]:
        """The goals that are missed, as text."""
        slow = [
            f"{ratio:.1f} times as fast as {name} {mode}, not {GOALS[name]:g} times"
            for (name, mode), ratio in self.ratios.items()
            if ratio < GOALS[name]
        ]
        late = [f"{us:.0f} us for {rare}" for rare, us in self.rare.items() if us > RARE_LIMIT]
        return slow + late


def run(
    options: argparse.Namespace, _: Sequence[Database], environment: Mapping[str, str]
) -> int:
    """Run the subcommand, which needs no database, and return its exit code."""
    rounds = options.rounds or 5
    result = measure(rounds, options.calls)
    print(
        f"Median of {SCHEDULES} schedules, {rounds} rounds of {options.calls} calls; "
        "the factor by which bgjobs is faster, in the median of the schedules",
        end="\n\n",
    )
    print(report(result), end="\n\n")
    write_json(options.json, environment, result.figures, kind="schedules")
    print("\n".join(f"MISSED: {miss}" for miss in result.misses) or "All goals are met.")
    return int(options.strict and bool(result.misses))


def libraries() -> dict[str, Library]:
    """Return the installed libraries by name."""
    found = {
        OURS: Library(
            lambda case: case.schedule.occurrences(START),
            lambda case, start: case.schedule.next_after(start),
        ),
        CRONSIM: Library(
            lambda case: CronSim(case.text, START.astimezone(case.zone)),
            lambda case, start: next(CronSim(case.text, start)),
        ),
    }
    if find_spec("croniter"):
        croniter: Any = import_module("croniter").croniter
        found[CRONITER] = Library(
            lambda case: croniter(case.text, START.astimezone(case.zone), ret_type=datetime),
            lambda case, start: next(croniter(case.text, start, ret_type=datetime)),
        )
    return found


def measure(rounds: int, calls: int, schedules: int = SCHEDULES) -> Result:
    """Measure all libraries on all schedules, in turn, which cancels drift."""
    cases = list(islice(mixed(Random(2026), calls), schedules))
    modes = {ITERATING: _iterating, FRESH: _fresh}
    taken: dict[tuple[str, str], list[list[float]]] = {}
    for _ in range(rounds):
        for mode, duration in modes.items():
            by_case = [
                [duration(one, case, calls) for one in libraries().values()] for case in cases
            ]
            for name, values in zip(libraries(), zip(*by_case, strict=True), strict=True):
                taken.setdefault((name, mode), []).append(list(values))
    figures = [
        Figure(
            system=name,
            measure=mode,
            unit="us",
            values=[median(values) for values in of_rounds],
        )
        for (name, mode), of_rounds in taken.items()
    ]
    ratios = {
        (name, mode): _ratio(of_rounds, taken[OURS, mode])
        for (name, mode), of_rounds in taken.items()
        if name != OURS
    }
    return Result(figures, ratios, {title: _rare(one, rounds) for title, one in RARE.items()})


def mixed(random: Random, calls: int) -> Iterator[Case]:
    """Yield common schedules, in different time zones."""
    while True:
        text = " ".join(random.choice(SHAPES)(random))
        name = random.choice(ZONES)
        zone = UTC if name == "UTC" else ZoneInfo(name)
        starts = [
            (START + timedelta(seconds=random.randrange(5 * 365 * 86_400))).astimezone(zone)
            for _ in range(calls)
        ]
        yield Case(text, zone, from_cron(text, name), starts)


def report(result: Result) -> str:
    """Return a table of the times and ratios, and one of the rarest schedules."""
    names = list(dict.fromkeys(figure.system for figure in result.figures))
    times = {
        (figure.system, figure.measure): f"{figure.median:,.1f}" for figure in result.figures
    }
    header = ["us to the next", ITERATING, FRESH, f"{ITERATING}: ratio", f"{FRESH}: ratio"]
    rows = [
        [
            name,
            *(times[name, mode] for mode in (ITERATING, FRESH)),
            *(f"x{result.ratios.get((name, mode), 1.0):.1f}" for mode in (ITERATING, FRESH)),
        ]
        for name in names
    ]
    rare = [[title, f"{us:.1f}"] for title, us in result.rare.items()]
    return f"{table(header, rows)}\n\n{table(['rarest schedules', 'us'], rare)}"


def _iterating(library: Library, case: Case, calls: int) -> float:
    occurrences = library.iterate(case)
    started = perf_counter()
    for _ in range(calls):
        next(occurrences)
    return (perf_counter() - started) / calls * 1e6


def _fresh(library: Library, case: Case, calls: int) -> float:
    fresh = library.fresh
    started = perf_counter()
    for start in case.starts[:calls]:
        fresh(case, start)
    return (perf_counter() - started) / calls * 1e6


def _ratio(theirs: Sequence[Sequence[float]], ours: Sequence[Sequence[float]]) -> float:
    """Return the median of the ratios of all schedules, each in its best round."""
    best_of_theirs, best_of_ours = _best(theirs), _best(ours)
    return median(a / b for a, b in zip(best_of_theirs, best_of_ours, strict=True))


def _best(rounds: Sequence[Sequence[float]]) -> list[float]:
    return [min(values) for values in zip(*rounds, strict=True)]


def _rare(one: Schedule, rounds: int) -> float:
    """Return the longest search from any year of a century, each in its best round."""
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
"""What all libraries can parse, from every minute to every few months."""
LEAP_MONDAY = schedule().on_day_of_month(29).on_february().on_monday()
RARE = {
    "29 February on a Monday": LEAP_MONDAY.at(0).build(),
    "29 February on a Monday, New York": (
        LEAP_MONDAY.at(2, 30).in_timezone("America/New_York").build()
    ),
    "a fifth Friday in February, Paris": from_cron("0 0 * 2 5#5", "Europe/Paris"),
    "every second of 29 February, Lord Howe": from_cron("* * * 29 2 *", "Australia/Lord_Howe"),
}

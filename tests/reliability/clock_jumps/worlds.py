"""What a seed decides: scheduled jobs, and lives of their processes with jumps of clocks.

The jobs of one world have occurrences at similar distances, so that a life has a few of each.
Jumps are from a second to weeks long, independently of the distances.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from itertools import product
from random import Random
from typing import Literal, final

from attrs import frozen

from bgjobs import Schedule, every, schedule
from bgjobs.schedules import from_cron
from tests.reliability.clock_jumps.forms import Beat, Either, Form, Pause, Wall
from tests.reliability.clock_jumps.trace import Jump

CITY = "City"
"""The zone whose rule changes between two lives."""
RULES = (
    ("CST6CDT,M4.1.0,M10.5.0", "CST6"),  # summer time is abolished,
    ("CST6", "CST6CDT,M4.1.0,M10.5.0"),  # or introduced;
    ("CST6", "EST5"),  # another offset permanently,
    ("EST5", "CST6"),
    ("<+0430>-4:30", "<+04>-4"),  # by half an hour
)
STARTS = (
    datetime(2030, 1, 1, tzinfo=UTC),
    datetime(2030, 3, 9, 23, 13, tzinfo=UTC),  # before New York sets its clocks forward,
    datetime(2030, 3, 30, 21, 40, tzinfo=UTC),  # and Paris,
    datetime(
        2030, 4, 6, 2, 7, tzinfo=UTC
    ),  # before Lord Howe sets its clocks back by half an hour,
    datetime(2030, 10, 26, 22, 31, tzinfo=UTC),  # and Paris,
    datetime(2030, 11, 2, 20, 59, tzinfo=UTC),  # and New York
    datetime(
        2030, 4, 25, 18, 30, tzinfo=UTC
    ),  # before Cairo sets its clocks forward at midnight
    datetime(2030, 6, 28, 5, 0, tzinfo=UTC),
)
WEEK = 7 * 86_400.0
LEASE, AGES = 40.0, 1e9
LONGEST_BESIDE = 300.0
"""The most seconds of a handler with a second process, which polls twice a second."""


def _at(*times: tuple[int, int]) -> tuple[time, ...]:
    return tuple(time(hour, minute) for hour, minute in times)


def _cron(text: str, zone: str = "UTC") -> Callable[[], Schedule]:
    return lambda: from_cron(text, zone)


def _every(hours: Sequence[int], minutes: Sequence[int]) -> tuple[time, ...]:
    return tuple(time(hour, minute) for hour, minute in product(hours, minutes))


WORKDAYS, EVERY_DAY = frozenset(range(1, 6)), frozenset(range(1, 8))
SECONDS: tuple[Form, ...] = (
    Beat(lambda: schedule().every_second().build(), 1),
    Beat(lambda: schedule().every_seconds(10).build(), 10),
    Beat(_cron("*/5 * * * * *"), 5),
    Pause(lambda: every(seconds=1), timedelta(seconds=1)),
    Pause(lambda: every(seconds=7, milliseconds=500), timedelta(seconds=7.5)),
    Either(
        (
            Beat(lambda: schedule().every_seconds(20).build(), 20),
            Pause(lambda: every(seconds=9), timedelta(seconds=9)),
        )
    ),
)
MINUTES: tuple[Form, ...] = (
    Beat(lambda: schedule().build(), 60),
    Beat(_cron("*/2 * * * *"), 120),
    Pause(lambda: every(seconds=90), timedelta(seconds=90)),
    Wall(
        _cron("*/3 * * * *", "Europe/Paris"),
        _every(range(24), range(0, 60, 3)),
        fixed=False,
        zone="Europe/Paris",
    ),
    Wall(
        lambda: (
            schedule()
            .on_minute(0, 1, 5)
            .between_hours(0, 23)
            .in_timezone("America/New_York")
            .build()
        ),
        _every(range(24), (0, 1, 5)),
        fixed=True,
        zone="America/New_York",
    ),
)
HOURS: tuple[Form, ...] = (
    Beat(lambda: schedule().on_minute(0).build(), 3600),
    Pause(lambda: every(hours=1), timedelta(hours=1)),
    Pause(lambda: every(minutes=20), timedelta(minutes=20)),
    Wall(
        _cron("30 */2 * * *", "America/New_York"),
        _every(range(0, 24, 2), (30,)),
        fixed=False,
        zone="America/New_York",
    ),
    Wall(
        lambda: (
            schedule()
            .every_minutes(30)
            .between_hours(8, 17)
            .on_weekdays()
            .in_timezone("Europe/Paris")
            .build()
        ),
        _every(range(8, 18), (0, 30)),
        fixed=False,
        zone="Europe/Paris",
        weekdays=WORKDAYS,
    ),
    Wall(
        _cron("*/15 * * * *", "Australia/Lord_Howe"),
        _every(range(24), range(0, 60, 15)),
        fixed=False,
        zone="Australia/Lord_Howe",
    ),
)
DAYS: tuple[Form, ...] = (
    Wall(lambda: schedule().at(0).build(), _at((0, 0)), fixed=True),
    Wall(
        lambda: schedule().at(2, 30).in_timezone("Europe/Paris").build(),
        _at((2, 30)),
        fixed=True,
        zone="Europe/Paris",
    ),
    Wall(
        _cron("30 1,2 * * *", "America/New_York"),
        _at((1, 30), (2, 30)),
        fixed=True,
        zone="America/New_York",
    ),
    Wall(_cron("0 0 * * *", "Africa/Cairo"), _at((0, 0)), fixed=True, zone="Africa/Cairo"),
    Wall(
        lambda: schedule().at(9).at(12, 30).on_weekdays().in_timezone("Asia/Kolkata").build(),
        _at((9, 0), (12, 30)),
        fixed=True,
        zone="Asia/Kolkata",
        weekdays=WORKDAYS,
    ),
    Pause(lambda: every(days=1), timedelta(days=1)),
    Either(
        (
            Wall(
                lambda: schedule().at(2, 15).in_timezone("Australia/Lord_Howe").build(),
                _at((2, 15)),
                fixed=True,
                zone="Australia/Lord_Howe",
            ),
            Pause(lambda: every(hours=20), timedelta(hours=20)),
        )
    ),
)
WEEKS: tuple[Form, ...] = (
    Wall(
        _cron("0 9 * * FRI", "Europe/Paris"),
        _at((9, 0)),
        fixed=True,
        zone="Europe/Paris",
        weekdays=frozenset({5}),
    ),
    Wall(
        lambda: schedule().at(8).on_day_of_month(1, 15).in_timezone("America/New_York").build(),
        _at((8, 0)),
        fixed=True,
        zone="America/New_York",
        days=frozenset({1, 15}),
    ),
    Pause(lambda: every(weeks=1), timedelta(weeks=1)),
)
CITIES: tuple[Form, ...] = (
    Wall(
        lambda: schedule().at(9).in_timezone(CITY).build(),
        _at((9, 0)),
        fixed=True,
        zone=CITY,
    ),
    Wall(
        _cron("30 12,20 * * *", CITY),
        _at((12, 30), (20, 30)),
        fixed=True,
        zone=CITY,
    ),
    Wall(
        _cron("45 15 * * 1-5", CITY),
        _at((15, 45)),
        fixed=True,
        zone=CITY,
        weekdays=WORKDAYS,
    ),
)
PACES: Mapping[float, Sequence[Form]] = {
    5.0: SECONDS,
    60.0: MINUTES,
    3600.0: HOURS,
    86_400.0: DAYS,
    WEEK: WEEKS,
}


@final
@frozen(kw_only=True)
class TimedJob:
    """One scheduled job."""

    name: str
    form: Form
    catch_up: Literal["once", "never"] | int
    misfire_grace: float | None
    jitter: float
    lasts: float
    """The duration of its handler in seconds."""
    fails: int
    """Every nth call of the handler raises; 0 for none."""
    backoff: float
    poll: float

    @property
    def grace(self) -> float | None:
        """How late a run may begin, in seconds; see the table of the documentation."""
        default = 1.0 if self.catch_up == "never" else None
        return default if self.misfire_grace is None else self.misfire_grace

    @property
    def made_up(self) -> int:
        """How many missed occurrences are run in a row."""
        return self.catch_up if isinstance(self.catch_up, int) else 0


@final
@frozen(kw_only=True)
class Life:
    """The time from a start of the processes to their stop."""

    down: float
    """Seconds between the last stop and this start."""
    before: Sequence[Jump]
    """Jumps while no process runs."""
    span: float
    nodes: int
    jumps: Sequence[Jump]
    rule: str | None
    """The rule of `CITY`; None for the time zone data of this machine."""


@final
@frozen(kw_only=True)
class World:
    """Everything that a seed decides."""

    seed: int
    start: datetime
    lease: float
    heartbeat: float
    jobs: Sequence[TimedJob]
    lives: Sequence[Life]
    """No clock jumps in the last of them."""


def world_of(seed: int) -> World:
    """Draw the world of a seed."""
    random = Random(f"clocks {seed}")
    city = random.random() < 0.25
    pace = 86_400.0 if city else random.choice(tuple(PACES))
    forms = CITIES if city else PACES[pace]
    leased = pace <= 60.0 and random.random() < 0.4
    jobs = [_job(random, seed, number, pace, forms) for number in range(random.choice((1, 2)))]
    jobs = jobs[:1] if pace == 3600.0 and has_days_off(jobs[:1]) else jobs
    rules = random.choice(RULES) if city else (None, None)
    count = random.choice((1, 2, 3))
    change = random.randint(0, count)  # the first life with the new rule
    most = 1 if max(one.lasts for one in jobs) > LONGEST_BESIDE else 2
    lives = [_life(random, pace, rules[number >= change], most) for number in range(count)]
    return World(
        seed=seed,
        start=random.choice(STARTS) + timedelta(seconds=random.uniform(0, 2 * pace)),
        lease=LEASE if leased else AGES,
        heartbeat=LEASE / 4 if leased else pace / 2,
        jobs=jobs,
        lives=[*lives, _last_life(random, pace, rules[count >= change], most, jobs)],
    )


def _job(
    random: Random, seed: int, number: int, pace: float, forms: Sequence[Form]
) -> TimedJob:
    return TimedJob(
        name=f"job-{seed}-{number}",
        form=random.choice(forms),
        catch_up=random.choice(("once", "once", "never", 1, 3, 30)),
        misfire_grace=random.choice((None, None, None, pace / 20, pace * 1.5)),
        jitter=random.choice((0.0, 0.0, 0.0, pace / 10)),
        lasts=random.choice((0.0, 0.0, pace / 20, pace * 1.3)),
        fails=random.choice((0, 0, 0, 3)),
        backoff=random.choice((0.0, pace / 7)),
        poll=random.choice((pace / 4, pace / 2, pace)),
    )


def _life(random: Random, pace: float, rule: str | None, nodes: int) -> Life:
    span = pace * random.uniform(0.2, 4)
    return Life(
        down=random.choice((0.0, 0.01, 0.5, 5.0)) * pace * random.random(),
        before=[_jump(random, pace, 0.0) for _ in range(random.choice((0, 0, 1)))],
        span=span,
        nodes=random.choice((1, 1, nodes)),
        jumps=[_jump(random, pace, span) for _ in range(random.choice((0, 1, 1, 2, 3)))],
        rule=rule,
    )


def has_days_off(jobs: Sequence[TimedJob]) -> bool:
    """Whether one of them does not run on every day."""
    return any(isinstance(job.form, Wall) and job.form.weekdays != EVERY_DAY for job in jobs)


def _last_life(
    random: Random, pace: float, rule: str | None, nodes: int, jobs: Sequence[TimedJob]
) -> Life:
    """Draw a life without jumps; before it, the clocks may be set to the right time."""
    right = [Jump(0.0, back=True)] if random.random() < 0.5 else []
    longest = max(one.poll + one.jitter + 4 * one.lasts + one.backoff for one in jobs)
    rest = 16 * 86_400.0 if pace == WEEK else 3 * 86_400.0 if has_days_off(jobs) else 0.0
    return Life(
        down=random.choice((0.0, 0.3)) * pace,
        before=right,
        span=longest + max(3 * pace, 600.0 if pace == 60.0 else 0.0) + rest,
        nodes=random.choice((1, 1, nodes)),
        jumps=(),
        rule=rule,
    )


def _jump(random: Random, pace: float, span: float) -> Jump:
    timed = random.random() < 0.5
    return Jump(
        by=random.choice((-1, 1)) * _size(random, pace),
        which=random.choice(("all", "all", "all", "store", "store", "processes")),
        at=random.uniform(0, span) if timed else None,
        step=random.choice((3, 30, 300)) * random.randint(1, 10) // 3,
        back=random.random() < 0.25,
    )


def _size(random: Random, pace: float) -> float:
    if random.random() < 0.4:
        return pace * random.uniform(0.05, 5)
    return 10 ** random.uniform(0, 6.4)  # a second to four weeks

"""What we want to reach: each goal compares medians of one run, or bounds one of them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import final

from attrs import frozen

from benchmarks.processes import parameters as names
from benchmarks.report.figures import Figure, table
from benchmarks.systems.registry import POSTGRES, SQLITE

Key = tuple[str, str]
"""A system and a measure."""
RATES = (names.ENQUEUE_ONE, names.ENQUEUE_TASKS, names.ENQUEUE_MANY, names.DRAIN)
WITHIN = 1.5
"""By how much costs may grow with the backlog, the names and the history."""
LARGE_DRAIN = "RSS growth in a drain of 1,000,000"
IDLE_RSS, IDLE_STATEMENTS, IDLE_CPU = "idle RSS", "idle statements", "idle CPU"


@final
@frozen(kw_only=True)
class Goal:
    """`ours` is to be at least, or at most, so many times `other`, or so much."""

    text: str
    ours: Key
    other: Key | None = None
    least: float | None = None
    most: float | None = None

    def measured(self, medians: Mapping[Key, float]) -> float | None:
        """Give the ratio, or the figure itself; None when something was not measured."""
        ours = medians.get(self.ours)
        if self.other is None or ours is None:
            return ours
        other = medians.get(self.other)
        return ours / other if other else None

    def is_met(self, measured: float) -> bool:
        """Compare with what is wanted."""
        if self.least is not None:
            return measured >= self.least
        return self.most is None or measured <= self.most

    @property
    def wanted(self) -> str:
        """What is required, as a text."""
        sign, bound = ("<=", self.most) if self.least is None else (">=", self.least)
        return f"{sign} {bound:g}{'x' if self.other else ''}"


@final
@frozen
class Verdict:
    """A goal beside what was measured."""

    goal: Goal
    measured: float | None

    @property
    def met(self) -> bool | None:
        """None when it was not measured."""
        return None if self.measured is None else self.goal.is_met(self.measured)

    @property
    def row(self) -> list[str]:
        """A line of the table."""
        words = {True: "met", False: "MISSED", None: "not measured"}
        unit = "x" if self.goal.other else ""
        value = "-" if self.measured is None else f"{self.measured:.2f}{unit}"
        return [self.goal.text, self.goal.wanted, value, words[self.met]]


def ours(store: str, backend: str = "trio") -> str:
    """Name bgjobs on a store and under an event loop."""
    return f"bgjobs-{store}-{backend}"


PG, LITE = ours(POSTGRES), ours(SQLITE)
COMPARE: Sequence[Goal] = (
    Goal(
        text="PostgreSQL, drain beside pgqueuer",
        ours=(PG, names.DRAIN),
        other=("pgqueuer", names.DRAIN),
        least=2.7,
    ),
    Goal(
        text="PostgreSQL, drain beside graphile-worker, tuned",
        ours=(PG, names.DRAIN),
        other=("graphile-tuned", names.DRAIN),
        least=1.0,
    ),
    Goal(
        text="PostgreSQL, drain beside the bare Python loop",
        ours=(PG, names.DRAIN),
        other=("limit-postgres", names.DRAIN),
        least=0.7,
    ),
    Goal(
        text="PostgreSQL, enqueue one by one beside pgqueuer",
        ours=(PG, names.ENQUEUE_ONE),
        other=("pgqueuer", names.ENQUEUE_ONE),
        least=1.1,
    ),
    Goal(
        text="PostgreSQL, enqueue by 100 tasks beside one by one",
        ours=(PG, names.ENQUEUE_TASKS),
        other=(PG, names.ENQUEUE_ONE),
        least=6,
    ),
    Goal(
        text="PostgreSQL, enqueue_many beside graphile-worker, tuned",
        ours=(PG, names.ENQUEUE_MANY),
        other=("graphile-tuned", names.ENQUEUE_MANY),
        least=1.3,
    ),
    Goal(
        text="PostgreSQL, pickup p50 beside graphile-worker at its defaults",
        ours=(PG, names.PICKUP_P50),
        other=("graphile", names.PICKUP_P50),
        most=1.0,
    ),
    Goal(
        text="PostgreSQL, pickup p99 beside graphile-worker at its defaults",
        ours=(PG, names.PICKUP_P99),
        other=("graphile", names.PICKUP_P99),
        most=1.0,
    ),
    Goal(
        text="SQLite, drain beside huey, FULL",
        ours=(LITE, names.DRAIN),
        other=("huey", names.DRAIN),
        least=8,
    ),
    Goal(
        text="SQLite, drain beside huey without fsync",
        ours=(LITE, names.DRAIN),
        other=("huey-nofsync", names.DRAIN),
        least=2,
    ),
    Goal(
        text="SQLite, enqueue one by one beside the bare commit",
        ours=(LITE, names.ENQUEUE_ONE),
        other=("limit-sqlite", names.ENQUEUE_ONE),
        least=0.6,
    ),
    Goal(
        text="SQLite, enqueue by 100 tasks beside one by one",
        ours=(LITE, names.ENQUEUE_TASKS),
        other=(LITE, names.ENQUEUE_ONE),
        least=5,
    ),
    Goal(text="SQLite, pickup p50 in ms", ours=(LITE, names.PICKUP_P50), most=2.0),
    *(
        Goal(
            text=f"{title}, asyncio beside Trio: {rate.replace('_', ' ')}",
            ours=(ours(store, "asyncio"), rate),
            other=(ours(store), rate),
            least=0.8,
        )
        for store, title in ((POSTGRES, "PostgreSQL"), (SQLITE, "SQLite"))
        for rate in RATES
    ),
)


def _extras() -> Iterator[Goal]:
    for store, title in ((POSTGRES, "PostgreSQL"), (SQLITE, "SQLite")):
        system = ours(store)
        yield Goal(text=f"{title}, idle RSS in MiB", ours=(system, IDLE_RSS), most=60)
        yield Goal(text=f"{title}, {LARGE_DRAIN}, MiB", ours=(system, LARGE_DRAIN), most=30)
    yield Goal(
        text="PostgreSQL, statements a minute of an idle process",
        ours=(PG, IDLE_STATEMENTS),
        most=60,
    )
    yield Goal(text="SQLite, CPU of an idle process in %", ours=(LITE, IDLE_CPU), most=0.5)


EXTRAS: Sequence[Goal] = tuple(_extras())


def judge(goals: Sequence[Goal], figures: Sequence[Figure]) -> list[Verdict]:
    """Compare all goals with what was measured."""
    medians = {(one.system, one.measure): one.median for one in figures}
    return [Verdict(goal, goal.measured(medians)) for goal in goals]


def goals_table(verdicts: Sequence[Verdict]) -> str:
    """Lay out what was wanted and what was found."""
    return table(["goal", "wanted", "found", ""], [verdict.row for verdict in verdicts])


def is_missed(verdicts: Sequence[Verdict]) -> bool:
    """Say whether anything was measured and not reached."""
    return any(verdict.met is False for verdict in verdicts)

"""The goals: each compares two medians of one run, or bounds one of them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import final

from attrs import frozen

from benchmarks.processes import parameters as names
from benchmarks.report.figures import Figure, table
from benchmarks.systems.registry import POSTGRES, SQLITE, TITLES

Key = tuple[str, str]
"""A system and a measure."""
RATES = (names.ENQUEUE_ONE, names.ENQUEUE_TASKS, names.ENQUEUE_MANY, names.DRAIN)
GROWTH_LIMIT = 1.5
"""The most by which costs may grow with the backlog, the names and the history."""
LARGE_DRAIN = "RSS growth in a drain of 1,000,000"
IDLE_RSS, IDLE_STATEMENTS, IDLE_CPU = "idle RSS", "idle statements", "idle CPU"
REPORT_WRITES = "stored reports of a handler that reports each millisecond"
REPORT_LOSSES = "leases lost beside such handlers"


@final
@frozen(kw_only=True)
class Goal:
    """`ours` is at least or at most this many times `other`, or this much when that is None."""

    text: str
    ours: Key
    other: Key | None = None
    least: float | None = None
    most: float | None = None

    def measured(self, medians: Mapping[Key, float]) -> float | None:
        """Return the ratio, or the figure itself; None when something was not measured."""
        ours = medians.get(self.ours)
        if self.other is None or ours is None:
            return ours
        other = medians.get(self.other)
        return ours / other if other else None

    def is_met(self, measured: float) -> bool:
        """Whether a measured value reaches the goal."""
        if self.least is not None:
            return measured >= self.least
        return self.most is None or measured <= self.most

    @property
    def wanted(self) -> str:
        """The bound as text."""
        sign, bound = ("<=", self.most) if self.least is None else (">=", self.least)
        return f"{sign} {bound:g}{'x' if self.other else ''}"


@final
@frozen
class Verdict:
    """A goal and the measured value."""

    goal: Goal
    measured: float | None

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None when it was not measured."""
        return None if self.measured is None else self.goal.is_met(self.measured)

    @property
    def row(self) -> list[str]:
        """The cells of a row of the table."""
        words = {True: "met", False: "MISSED", None: "not measured"}
        unit = "x" if self.goal.other else ""
        value = "-" if self.measured is None else f"{self.measured:.2f}{unit}"
        return [self.goal.text, self.goal.wanted, value, words[self.met]]


def bgjobs_on(store: str, backend: str = "trio") -> str:
    """Return the name of bgjobs on a store and an event loop."""
    return f"bgjobs-{store}-{backend}"


PG, LITE = bgjobs_on(POSTGRES), bgjobs_on(SQLITE)
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
        least=1.15,
    ),
    Goal(
        text="PostgreSQL, drain beside the bare Python loop",
        ours=(PG, names.DRAIN),
        other=("limit-postgres", names.DRAIN),
        least=0.75,
    ),
    Goal(text="PostgreSQL, drain, CPU in us a job", ours=(PG, names.DRAIN_CPU), most=30),
    Goal(
        text="PostgreSQL, enqueue one by one beside pgqueuer",
        ours=(PG, names.ENQUEUE_ONE),
        other=("pgqueuer", names.ENQUEUE_ONE),
        least=1.2,
    ),
    Goal(
        text="PostgreSQL, enqueue_many beside graphile-worker, tuned",
        ours=(PG, names.ENQUEUE_MANY),
        other=("graphile-tuned", names.ENQUEUE_MANY),
        least=1.2,
    ),
    Goal(
        text="PostgreSQL, enqueue_many beside pgqueuer",
        ours=(PG, names.ENQUEUE_MANY),
        other=("pgqueuer", names.ENQUEUE_MANY),
        least=1.2,
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
    Goal(text="SQLite, drain, CPU in us a job", ours=(LITE, names.DRAIN_CPU), most=50),
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
        least=4,
    ),
    Goal(text="SQLite, pickup p50 in ms", ours=(LITE, names.PICKUP_P50), most=2.0),
    *(
        Goal(
            text=f"{title}, asyncio beside Trio: {rate.replace('_', ' ')}",
            ours=(bgjobs_on(store, "asyncio"), rate),
            other=(bgjobs_on(store), rate),
            least=0.85,
        )
        for store, title in TITLES.items()
        for rate in RATES
    ),
)


def _extras() -> Iterator[Goal]:
    for store, title in TITLES.items():
        system = bgjobs_on(store)
        yield Goal(text=f"{title}, idle RSS in MiB", ours=(system, IDLE_RSS), most=60)
        yield Goal(text=f"{title}, {LARGE_DRAIN}, MiB", ours=(system, LARGE_DRAIN), most=30)
        yield Goal(
            text=f"{title}, {REPORT_WRITES}, a second", ours=(system, REPORT_WRITES), most=1.1
        )
        yield Goal(text=f"{title}, {REPORT_LOSSES}", ours=(system, REPORT_LOSSES), most=0)
    yield Goal(
        text="PostgreSQL, statements a minute of an idle process",
        ours=(PG, IDLE_STATEMENTS),
        most=60,
    )
    yield Goal(text="SQLite, CPU of an idle process in %", ours=(LITE, IDLE_CPU), most=0.5)


EXTRAS: Sequence[Goal] = tuple(_extras())


def judge(goals: Sequence[Goal], figures: Sequence[Figure]) -> list[Verdict]:
    """Return a verdict for each goal, in order."""
    medians = {(one.system, one.measure): one.median for one in figures}
    return [Verdict(goal, goal.measured(medians)) for goal in goals]


def goals_table(verdicts: Sequence[Verdict]) -> str:
    """Return a table of the goals and what was measured."""
    return table(["goal", "wanted", "found", ""], [verdict.row for verdict in verdicts])


def is_missed(verdicts: Sequence[Verdict]) -> bool:
    """Whether a goal was measured and missed."""
    return any(verdict.met is False for verdict in verdicts)

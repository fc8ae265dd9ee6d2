"""What a seed determines: the size of the cluster, the jobs and the faults.

Every seed omits most kinds of fault and exaggerates others, so that each kind occurs alone and
in combinations: faults that hide each other in one seed do not in another.
"""

from itertools import islice
from random import Random
from typing import Literal, TypeVar, final

from attrs import evolve, field, frozen

from tests.reliability.simulation.planned import (
    Action,
    FaultKind,
    OrderKind,
    PlannedFault,
    PlannedJob,
    PlannedOrder,
    Step,
)
from tests.reliability.simulation.trees import all_of, orders_for, with_trees

T = TypeVar("T")

LEASE = 20.0
"""Seconds, the default setting; other times are multiples of it."""
TIMEOUT = 8.0
"""The timeout of the worker `timed`, in seconds."""

ISOLATED_SHARE = 0.15
"""The share of seeds in which one node loses its connection while it runs jobs."""
DURATIONS = (0.1, 2.0, 6.0, 1.5 * LEASE)
"""The most seconds that the handlers of a seed take."""
ISOLATED_DURATIONS = (1.5 * LEASE, 3.0 * LEASE)
"""The least and the most seconds of handlers on an isolated node, which outlast its lease."""

Durations = tuple[float, float]
"""The least and the most seconds of a run."""


@final
@frozen(kw_only=True)
class FaultRates:
    """The probabilities of faults of a call of the store."""

    before: float = 0.0
    """The store cannot be reached, and nothing is done."""
    after: float = 0.0
    """The call is done, but its answer is lost."""
    slow: float = 0.0
    """The call is delayed, in one direction or in both."""
    longest: float = 0.0
    """The most seconds of one direction."""
    detection_delay: float = 0.0
    """The most seconds until the caller notices that an answer is lost."""
    late_calls: bool = False
    """Whether a call arrives though its process was killed meanwhile."""


@final
@frozen(kw_only=True)
class Plan:
    """Everything that a seed determines."""

    seed: int
    nodes: int
    duration: float
    """Seconds until faults end."""
    planned_jobs: tuple[tuple[PlannedJob, ...], ...]
    """Groups of jobs; those of a group are enqueued together."""
    schedules: int
    catch_up: Literal["once", "never"] | int
    """The `catch_up` of the scheduled jobs."""
    queues: int
    concurrency: int
    poll: float
    store_timeout: float
    max_crashes: int
    max_retries: int
    connections: int
    max_waiting: int
    """Of the queues."""
    keeps_ended: bool
    """Whether ended jobs are kept; otherwise they are pruned at once."""
    skews: tuple[float, ...]
    """The difference between the clock of each node and that of the store, in seconds."""
    endings: tuple[Literal["stay", "stop", "kill"], ...]
    """What happens to each node when faults end; the first one stays."""
    faults: FaultRates = field(factory=FaultRates)
    planned_faults: tuple[PlannedFault, ...] = ()
    orders: tuple[PlannedOrder, ...] = ()

    @property
    def crashes(self) -> bool:
        """Whether a handler crashes its queue."""
        return any(
            step.action == "crash" for one in all_of(self.planned_jobs) for step in one.steps
        )

    @property
    def leases_may_end(self) -> bool:
        """Whether faults may cause a queue to lose its lease."""
        faults = self.faults
        slow = faults.slow > 0 and faults.longest > LEASE / 4
        faulty = any(fault.kind in ("pause", "jump", "outage") for fault in self.planned_faults)
        return bool(faulty or faults.before or faults.after or slow)


def plan_of(seed: int) -> Plan:
    """Return the plan of a seed."""
    random = Random(seed)
    isolates = random.random() < ISOLATED_SHARE
    nodes = 2 if isolates else random.choice((1, 2, 2, 2, 3, 4))
    duration = (2.5 if isolates else random.choice((0.5, 1.0, 1.5, 2.5))) * LEASE
    durations = ISOLATED_DURATIONS if isolates else (0.0, random.choice(DURATIONS))
    groups = _groups(random, durations)
    waiting = _with_waits(seed, groups)
    trees = with_trees(seed, waiting)
    bounds = Random(f"bounds {seed}")
    return Plan(
        seed=seed,
        nodes=nodes,
        duration=duration,
        planned_jobs=trees,
        schedules=random.choice((0, 0, 1, 1, 2)),
        catch_up=random.choice(("once", "once", "never", 3)),
        queues=random.choice((1, 1, 1, 2)),
        concurrency=random.choice((1, 2, 3, 5)),
        poll=random.choice((4.0, 10.0, 20.0)),
        store_timeout=random.choice((1.0, 10.0, 30.0)),
        max_crashes=random.choice((0, 1, 3, 3, 100)),
        max_retries=random.choice((0, 1, 3)),
        connections=random.choice((1, 2, 4)),
        max_waiting=bounds.choice((4, 6, 8, 1000)),
        keeps_ended=bounds.random() < 0.8,
        skews=_skews(random, nodes),
        endings=("stay", *(random.choice(("stay", "stop", "kill")) for _ in range(nodes - 1))),
        faults=_faults(random),
        planned_faults=(_isolation(random),)
        if isolates
        else _planned_faults(random, nodes, duration),
        orders=(
            *_orders(random, nodes, duration, sum(map(len, groups))),
            *orders_for(seed, nodes, duration, trees),
            *_pauses(seed, nodes, duration),
        ),
    )


def _maybe(random: Random, otherwise: T, *likely: T) -> T:
    """Return `otherwise` for half of the seeds, and a random choice for the others."""
    return random.choice(likely) if random.random() < 0.5 else otherwise


def _skews(random: Random, nodes: int) -> tuple[float, ...]:
    widest = _maybe(random, 0.0, 0.5, 30.0, 4000.0)
    return tuple(random.uniform(-widest, widest) for _ in range(nodes))


def _faults(random: Random) -> FaultRates:
    return FaultRates(
        before=_maybe(random, 0.0, 0.02, 0.1, 0.3),
        after=_maybe(random, 0.0, 0.02, 0.1, 0.3),
        slow=_maybe(random, 0.0, 0.05, 0.3),
        longest=random.choice((0.05, 1.0, 1.0, 8.0, 30.0)),
        detection_delay=_maybe(random, 0.0, 1.0, 5.0, 15.0),
        late_calls=random.random() < 0.3,
    )


def _planned_faults(random: Random, nodes: int, duration: float) -> tuple[PlannedFault, ...]:
    planned_faults: list[PlannedFault] = []
    for kind in ("pause", "kill", "stop", "jump", "outage"):
        for _ in range(_maybe(random, 0, 1, 1, 3)):
            node = None if random.random() < 0.2 else random.randrange(nodes)
            planned_faults.append(
                PlannedFault(random.uniform(0, duration), kind, node, _size(random, kind))
            )
    return tuple(sorted(planned_faults, key=lambda fault: fault.at))


def _orders(random: Random, nodes: int, duration: float, jobs: int) -> tuple[PlannedOrder, ...]:
    """Return orders for half of the seeds, some of them soon after each other."""
    orders: list[PlannedOrder] = []
    for _ in range(_maybe(random, 0, 2, 6, 12)):
        last = orders[-1].at if orders and random.random() < 0.3 else None
        orders.append(
            PlannedOrder(
                random.uniform(0, duration) if last is None else last + random.random(),
                random.choice(("cancel", "retry")),
                random.randrange(nodes),
                tuple(sorted(random.sample(range(jobs), random.randint(1, jobs)))),
                runs=random.random() < 0.5,
            )
        )
    return tuple(sorted(orders, key=lambda order: order.at))


def _pauses(seed: int, nodes: int, duration: float) -> tuple[PlannedOrder, ...]:
    """Return orders for some seeds that pause a queue, and resume it some time later."""
    random = Random(f"pauses {seed}")
    count, queue = random.choice((0, 0, 0, 1, 3)), (random.randrange(2),)
    kinds: tuple[OrderKind, ...] = ("pause", "resume")
    return tuple(
        PlannedOrder(at, kind, random.randrange(nodes), queue, runs=False)
        for _ in range(count)
        for at, kind in zip(
            sorted(random.uniform(0, duration) for _ in kinds), kinds, strict=True
        )
    )


def _size(random: Random, kind: FaultKind) -> float:
    if kind == "jump":
        # Back by little only, since no job is due until the clock is where it was.
        return random.choice((-LEASE, -1.0, 1.0, LEASE, 3600.0)) * random.random()
    if kind == "outage":
        return random.choice((0.1, 0.5, 1.5, 3.0)) * LEASE * random.random()
    return random.choice((0.1, 0.5, 1.0, 2.0)) * LEASE * random.random()


def _isolation(random: Random) -> PlannedFault:
    """Return an outage for one node alone, which lasts longer than its lease."""
    return PlannedFault(
        random.uniform(0.3, 1.0) * LEASE, "outage", 0, random.uniform(1.2, 2.0) * LEASE
    )


def _groups(random: Random, durations: Durations) -> tuple[tuple[PlannedJob, ...], ...]:
    actions = _actions(random)
    keys = _maybe(random, 0, 1, 3)
    numbers = iter(range(random.randint(1, 7)))
    groups: list[tuple[PlannedJob, ...]] = []
    for number in numbers:
        together = random.choice((0, 0, 0, 2)) if not keys else 0
        group = [number, *islice(numbers, together)]
        groups.append(
            tuple(_planned_job(random, one, actions, keys, durations) for one in group)
        )
    return tuple(groups)


def _with_waits(
    seed: int, groups: tuple[tuple[PlannedJob, ...], ...]
) -> tuple[tuple[PlannedJob, ...], ...]:
    """Make some jobs of half of the seeds wait for others, perhaps for each other."""
    random = Random(f"waits {seed}")
    share = random.choice((0.0, 0.0, 0.5, 1.0))
    count = sum(map(len, groups))

    def waiting(one: PlannedJob) -> PlannedJob:
        awaits = random.randrange(count) if random.random() < share else None
        return evolve(one, awaits=None if awaits == one.number else awaits)

    return tuple(tuple(map(waiting, group)) for group in groups)


def _actions(random: Random) -> tuple[Action, ...]:
    kinds: tuple[Action, ...] = (
        "raise",
        "raise",
        "give up",
        "snooze",
        "discard",
        "crash",
        "raise in transaction",
    )
    return tuple(kind for kind in kinds if random.random() < 0.4)


def _planned_job(
    random: Random, number: int, actions: tuple[Action, ...], keys: int, durations: Durations
) -> PlannedJob:
    least, most = durations
    kinds: tuple[Action, ...] = ("return", "return", *actions)
    count = random.choice((1, 1, 2, 3))
    steps = (
        Step(random.choice(kinds), least + (most - least) * random.random() ** 2)
        for _ in range(count)
    )
    return PlannedJob(
        number=number,
        worker=random.choice(("plain", "plain", "timed")),
        steps=tuple(steps),
        writes=random.random() < 0.5,
        key=f"key {random.randrange(keys)}" if keys and random.random() < 0.7 else None,
        delay=random.choice((0.0, 0.0, 0.0, 3.0, 12.0)),
        priority=random.choice((0, 0, -1, 5)),
    )

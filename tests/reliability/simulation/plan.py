"""What a seed means: the size of the world, the jobs, and the faults.

Every seed leaves most kinds of fault out and exaggerates others, so that each kind is met alone
and in company: faults that hide each other in one seed do not in the next.
"""

from itertools import islice
from random import Random
from typing import Literal, TypeVar, final

from attrs import field, frozen

T = TypeVar("T")

LEASE = 20.0
"""Seconds, as in the default settings; all other times are told by it."""
TIMEOUT = 8.0
"""Seconds that the worker `timed` has."""

CUT_OFF = 0.15
"""The share of worlds in which a node is cut off while it works."""
LONGEST = (0.1, 2.0, 6.0, 1.5 * LEASE)
"""Seconds that the handlers of a world take at most."""

Deed = Literal["return", "raise", "discard", "snooze", "crash", "spoil"]
"""What a handler does at its end; `spoil` lets the work given to `complete_with` raise."""
Harm = Literal["freeze", "kill", "stop", "jump", "outage"]


@final
@frozen
class Step:
    """One run of a handler: how long it takes, and what it does then."""

    deed: Deed = "return"
    seconds: float = 0.0


@final
@frozen(kw_only=True)
class Order:
    """One job to enqueue, and what its runs do one after the other; any further run returns."""

    number: int
    worker: str
    steps: tuple[Step, ...] = ()
    writes: bool = False
    """Whether its runs give work to `complete_with`."""
    key: str | None = None
    delay: float = 0.0
    priority: int = 0


@final
@frozen
class Blow:
    """Something that happens to a node, or to all, at one moment of the storm."""

    at: float
    harm: Harm
    node: int | None
    """None means all of them."""
    size: float
    """Seconds: how long it lasts, or by how much the clock jumps."""


@final
@frozen(kw_only=True)
class Faults:
    """How likely it is that a call of the store goes wrong."""

    before: float = 0.0
    """The store is away, and nothing was done."""
    after: float = 0.0
    """All was done, and the answer is lost."""
    slow: float = 0.0
    """The call takes its time, on the way there, on the way back or both."""
    longest: float = 0.0
    """Seconds that a way may take."""
    silence: float = 0.0
    """Seconds that may pass before it is noticed that an answer is lost."""
    ghosts: bool = False
    """Whether a call that was under way when its process was killed still arrives."""


@final
@frozen(kw_only=True)
class Plan:
    """One world."""

    seed: int
    nodes: int
    storm: float
    """Seconds until faults end."""
    orders: tuple[tuple[Order, ...], ...]
    """Those in one tuple are enqueued together."""
    schedules: int
    late: Literal["once", "never"] | int
    """The `catch_up` of the scheduled jobs."""
    queues: int
    concurrency: int
    poll: float
    store_timeout: float
    max_crashes: int
    max_retries: int
    connections: int
    skews: tuple[float, ...]
    """By how much the clock of each node differs from the store's."""
    fates: tuple[Literal["stay", "stop", "kill"], ...]
    """What becomes of each node when the storm is over; the first stays."""
    faults: Faults = field(factory=Faults)
    blows: tuple[Blow, ...] = ()

    @property
    def crashes(self) -> bool:
        """Whether a handler takes its queue down."""
        return any(
            step.deed == "crash" for group in self.orders for one in group for step in one.steps
        )

    @property
    def leases_may_end(self) -> bool:
        """Whether a queue may lose its lease without a fault of its own."""
        faults = self.faults
        slow = faults.slow > 0 and faults.longest > LEASE / 4
        harmed = any(blow.harm in ("freeze", "jump", "outage") for blow in self.blows)
        return bool(harmed or faults.before or faults.after or slow)


def cuts_off(seed: int) -> bool:
    """Say whether a node of this seed's world is cut off while it works."""
    return Random(seed).random() < CUT_OFF


def plan_of(seed: int) -> Plan:
    """Draw the world of a seed."""
    random = Random(seed)
    is_cut_off = random.random() < CUT_OFF
    nodes = 2 if is_cut_off else random.choice((1, 2, 2, 2, 3, 4))
    storm = (2.5 if is_cut_off else random.choice((0.5, 1.0, 1.5, 2.5))) * LEASE
    return Plan(
        seed=seed,
        nodes=nodes,
        storm=storm,
        orders=_orders(random, 2.0 * LEASE if is_cut_off else random.choice(LONGEST)),
        schedules=random.choice((0, 0, 1, 1, 2)),
        late=random.choice(("once", "once", "never", 3)),
        queues=random.choice((1, 1, 1, 2)),
        concurrency=random.choice((1, 2, 3, 5)),
        poll=random.choice((4.0, 10.0, 20.0)),
        store_timeout=random.choice((1.0, 10.0, 30.0)),
        max_crashes=random.choice((0, 1, 3, 3, 100)),
        max_retries=random.choice((0, 1, 3)),
        connections=random.choice((1, 2, 4)),
        skews=_skews(random, nodes),
        fates=("stay", *(random.choice(("stay", "stop", "kill")) for _ in range(nodes - 1))),
        faults=_faults(random),
        blows=(_cut_off(random),) if is_cut_off else _blows(random, nodes, storm),
    )


def _maybe(random: Random, otherwise: T, *likely: T) -> T:
    """Leave it out in half of the worlds, and choose in the others."""
    return random.choice(likely) if random.random() < 0.5 else otherwise


def _skews(random: Random, nodes: int) -> tuple[float, ...]:
    widest = _maybe(random, 0.0, 0.5, 30.0, 4000.0)
    return tuple(random.uniform(-widest, widest) for _ in range(nodes))


def _faults(random: Random) -> Faults:
    return Faults(
        before=_maybe(random, 0.0, 0.02, 0.1, 0.3),
        after=_maybe(random, 0.0, 0.02, 0.1, 0.3),
        slow=_maybe(random, 0.0, 0.05, 0.3),
        longest=random.choice((0.05, 1.0, 1.0, 8.0, 30.0)),
        silence=_maybe(random, 0.0, 1.0, 5.0, 15.0),
        ghosts=random.random() < 0.3,
    )


def _blows(random: Random, nodes: int, storm: float) -> tuple[Blow, ...]:
    blows: list[Blow] = []
    for harm in ("freeze", "kill", "stop", "jump", "outage"):
        for _ in range(_maybe(random, 0, 1, 1, 3)):
            node = None if random.random() < 0.2 else random.randrange(nodes)
            blows.append(Blow(random.uniform(0, storm), harm, node, _size(random, harm)))
    return tuple(sorted(blows, key=lambda blow: blow.at))


def _size(random: Random, harm: Harm) -> float:
    if harm == "jump":
        # Back by little only, as nothing is due before the clock is there again.
        return random.choice((-LEASE, -1.0, 1.0, LEASE, 3600.0)) * random.random()
    if harm == "outage":
        return random.choice((0.1, 0.5, 1.5, 3.0)) * LEASE * random.random()
    return random.choice((0.1, 0.5, 1.0, 2.0)) * LEASE * random.random()


def _cut_off(random: Random) -> Blow:
    """Let one node lose its lease while it works: the store is away for it alone, and long."""
    return Blow(random.uniform(0.3, 1.0) * LEASE, "outage", 0, random.uniform(1.2, 2.0) * LEASE)


def _orders(random: Random, longest: float) -> tuple[tuple[Order, ...], ...]:
    deeds = _deeds(random)
    keys = _maybe(random, 0, 1, 3)
    numbers = iter(range(random.randint(1, 7)))
    groups: list[tuple[Order, ...]] = []
    for number in numbers:
        together = random.choice((0, 0, 0, 2)) if not keys else 0
        group = [number, *islice(numbers, together)]
        groups.append(tuple(_order(random, one, deeds, keys, longest) for one in group))
    return tuple(groups)


def _deeds(random: Random) -> tuple[Deed, ...]:
    kinds: tuple[Deed, ...] = ("raise", "raise", "snooze", "discard", "crash", "spoil")
    return tuple(kind for kind in kinds if random.random() < 0.4)


def _order(
    random: Random, number: int, deeds: tuple[Deed, ...], keys: int, longest: float
) -> Order:
    kinds: tuple[Deed, ...] = ("return", "return", *deeds)
    count = random.choice((1, 1, 2, 3))
    steps = (Step(random.choice(kinds), longest * random.random() ** 2) for _ in range(count))
    return Order(
        number=number,
        worker=random.choice(("plain", "plain", "timed")),
        steps=tuple(steps),
        writes=random.random() < 0.5,
        key=f"key {random.randrange(keys)}" if keys and random.random() < 0.7 else None,
        delay=random.choice((0.0, 0.0, 0.0, 3.0, 12.0)),
        priority=random.choice((0, 0, -1, 5)),
    )

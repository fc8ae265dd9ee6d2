"""What a seed determines about children: which planned jobs open nurseries, and what for."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from random import Random
from typing import final

from attrs import evolve

from tests.reliability.simulation.planned import (
    Action,
    OrderKind,
    PlannedJob,
    PlannedOrder,
    Step,
)

Groups = tuple[tuple[PlannedJob, ...], ...]

FIRST_CHILD = 1_000
"""The number of the first child; jobs without a parent have smaller ones."""
MOST_CHILDREN = 9
"""The most planned children of a seed: each may be stored again at each run of its parent."""
DEPTH = 3
"""The most levels below a job without a parent."""
ACTIONS: tuple[Action, ...] = ("raise", "snooze", "discard", "give up", "crash")
_LONGEST = (0.0, 0.5, 4.0)
"""The most seconds of a child, and between two requests of its parent."""


BLOCKS = 0.2
"""The share of groups without unique keys that the application stores in a nursery."""


def with_trees(seed: int, groups: Groups) -> Groups:
    """Add children to some jobs of half of the seeds."""
    random = Random(f"trees {seed}")
    share = random.choice((0.0, 0.0, 0.4, 1.0))
    if not share:
        return groups
    grower = _Grower(random)
    grown = (
        tuple(grower.grown(one, DEPTH) if random.random() < share else one for one in group)
        for group in groups
    )
    return tuple(
        tuple(evolve(one, belongs_to_block=in_block) for one in group)
        for group in grown
        for in_block in [random.random() < BLOCKS and not any(one.key for one in group)]
    )


@final
class _Grower:
    """Makes the children of one seed."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._numbers: Iterator[int] = count(FIRST_CHILD)
        self._left = MOST_CHILDREN
        self._actions = [one for one in ACTIONS if random.random() < 0.4]
        self._longest = random.choice(_LONGEST)

    def grown(self, planned: PlannedJob, depth: int) -> PlannedJob:
        """Return a job with children, which may have children, too."""
        random = self._random
        children = [self._child(depth) for _ in range(random.randint(1, 3)) if self._takes()]
        return evolve(
            planned,
            children=tuple(children),
            pause=self._longest * random.random() ** 2,
            goes_on=random.random() < 0.3,
            catches=random.random() < 0.1,
            forgets=random.random() < 0.15,
            is_keyed=random.random() < 0.3,
            waits_inside=random.random() < 0.3,
            acts_inside=random.random() < 0.7,
        )

    def _takes(self) -> bool:
        self._left -= 1
        return self._left >= 0

    def _child(self, depth: int) -> PlannedJob:
        random = self._random
        kinds: Sequence[Action] = ("return", "return", *self._actions)
        child = PlannedJob(
            number=next(self._numbers),
            worker=random.choice(("plain", "plain", "plain", "timed")),
            steps=tuple(
                Step(random.choice(kinds), self._longest * random.random())
                for _ in range(random.choice((1, 1, 2)))
            ),
            writes=random.random() < 0.3,
            delay=random.choice((0.0, 0.0, 0.0, 3.0, 12.0)),
            priority=random.choice((0, 0, 0, 5)),
        )
        return self.grown(child, depth - 1) if depth > 1 and random.random() < 0.5 else child


def descendants_of(planned: PlannedJob) -> Iterator[PlannedJob]:
    """Yield the children of a planned job, and theirs."""
    for child in planned.children:
        yield child
        yield from descendants_of(child)


def all_of(groups: Iterable[Iterable[PlannedJob]]) -> Iterator[PlannedJob]:
    """Yield all planned jobs, also those that are children."""
    for group in groups:
        for one in group:
            yield one
            yield from descendants_of(one)


def orders_for(
    seed: int, nodes: int, duration: float, groups: Groups
) -> tuple[PlannedOrder, ...]:
    """Return orders about parents and children, for some of the seeds that have any."""
    random = Random(f"orders of trees {seed}")
    family = [one.number for one in all_of(groups) if one.children or one.number >= FIRST_CHILD]
    kinds: tuple[OrderKind, ...] = ("cancel", "cancel", "retry")
    return tuple(
        PlannedOrder(
            at=random.uniform(0, duration),
            kind=random.choice(kinds),
            node=random.randrange(nodes),
            numbers=tuple(one for one in family if random.random() < 0.4),
            runs=False,
        )
        for _ in range(random.choice((0, 0, 2, 6)) if family else 0)
    )


def total_of(planned: PlannedJob) -> int | None:
    """Return what each successful run of a job adds up; None if runs may differ."""
    total = planned.number
    for child in planned.children:
        if child.worker == "plain":
            found = total_of(child)
            if found is None:
                return None
            total += found
    return None if planned.catches or planned.forgets else total

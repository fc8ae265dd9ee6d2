"""Harm to processes: killed, stopped for longer than their lease, told to end, at any time."""

from collections.abc import Collection, Sequence
from itertools import cycle
from random import Random
from typing import final

from attrs import evolve, frozen

from tests.reliability.chaos.arena import LONG_PAUSE, SHORT_PAUSE, Arena, Vary
from tests.reliability.chaos.faults import Fault
from tests.reliability.chaos.harm import PRODUCER_POINTS, STALE_POINTS, WORKER_POINTS
from tests.reliability.chaos.storm_orders import Orders

BOTH = ("sqlite", "postgres")
_PAUSED = {"sqlite": 0.05, "postgres": 0.5}
"""How likely a strike is to stop a worker that would stop by itself.

Who is stopped while he writes to a SQLite file holds up everybody else.
"""
_STOPPING = 0.7
"""The share of workers that stop themselves with a job in their hands."""
_HOG, _BUSY = "tests.reliability.chaos.hog:main", 8
_KILLED_AT_ANY_MOMENT = 0.1
"""How likely a strike is to kill a producer that would die by itself."""


@frozen
class _Harm:
    """What is the same for most faults: both stores, no orders, and nothing to undo."""

    name: str
    stores: Collection[str] = BOTH

    def orders(self, orders: Orders) -> Orders:
        return orders

    def end(self, arena: Arena) -> None:
        """Leave it to the arena, which resumes everybody and replaces who has ended."""


@final
@frozen
class Kill(_Harm):
    """Workers are killed at any moment."""

    def strike(self, arena: Arena) -> None:
        victim = arena.running_worker()
        if victim is not None:
            victim.kill()
            arena.count("kills")


@final
@frozen
class Pause(_Harm):
    """Workers stand still for longer than their lease: at any moment, or where it is worst."""

    def strike(self, arena: Arena) -> None:
        arena.vary(self.name, _stopping(arena.random))
        victim = arena.running_worker()
        if victim is not None and arena.random.random() < _PAUSED[arena.store]:
            victim.pause(arena.random.uniform(SHORT_PAUSE, LONG_PAUSE))
            arena.count("pauses")


@final
@frozen
class KillProducers(_Harm):
    """Producers die between two statements, and now and then at any other moment."""

    def strike(self, arena: Arena) -> None:
        arena.vary_producers(self.name, _dying(arena.random, PRODUCER_POINTS))
        victim = arena.running_producer()
        if victim is not None and arena.random.random() < _KILLED_AT_ANY_MOMENT:
            victim.kill()
            arena.count("kills")


@final
@frozen
class KillPoints(_Harm):
    """Every worker dies by itself, each at the next of the named points."""

    def strike(self, arena: Arena) -> None:
        arena.vary(self.name, _dying(arena.random, WORKER_POINTS))
        victim = arena.running_worker()
        # At the last point passes only who ends; those without a point make room.
        if victim is not None and victim.orders.deadly in ("", "released"):
            victim.terminate()


@final
@frozen
class Shutdowns(_Harm):
    """Workers are told to end: once, twice, or with a kill right after."""

    def strike(self, arena: Arena) -> None:
        victim = arena.running_worker()
        if victim is None:
            return
        victim.terminate()
        arena.count("TERM")
        chance = arena.random.random()
        if chance < 0.3:
            arena.later(arena.random.uniform(0, 0.3), victim.terminate)
            arena.count("TERM twice")
        elif chance < 0.6:
            arena.later(arena.random.uniform(0, 0.5), victim.kill)
            arena.count("TERM, KILL")


@final
@frozen
class BusyStorm(_Harm):
    """Eight workers and others that hold the file's write lock for a while, again and again."""

    stores: Collection[str] = ("sqlite",)

    def strike(self, arena: Arena) -> None:
        if not any(one.orders.program == _HOG for one in arena.others):
            arena.start_other(_HOG)
        if len(arena.workers) < _BUSY:
            arena.start_worker()

    def end(self, arena: Arena) -> None:
        for one in arena.others:
            if one.orders.program == _HOG:
                one.kill()


@final
@frozen
class Zoo(_Harm):
    """Handlers and listeners that do what none should."""

    def orders(self, orders: Orders) -> Orders:
        return evolve(orders, zoo=True)

    def strike(self, arena: Arena) -> None:
        """Leave the harm to them."""


def _dying(random: Random, points: Sequence[str]) -> Vary:
    """Give each process the next of these points to die at."""
    following = cycle(random.sample(points, len(points)))

    def vary(orders: Orders) -> Orders:
        point = next(following)
        is_rare = point == "released" or "monitor" in point
        return evolve(orders, deadly=point, nth=1 if is_rare else random.randint(1, 8))

    return vary


def _stopping(random: Random) -> Vary:
    """Let most processes stop where they hold a job and are about to write about it."""

    def vary(orders: Orders) -> Orders:
        if random.random() > _STOPPING:
            return orders
        return evolve(orders, still=STALE_POINTS, nth=random.randint(2, 15))

    return vary


FAULTS: tuple[Fault, ...] = (
    Kill("kill"),
    Pause("pause"),
    KillProducers("producer"),
    KillPoints("points"),
    Shutdowns("shutdown"),
    BusyStorm("busy"),
    Zoo("zoo"),
)

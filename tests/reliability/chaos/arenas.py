"""Arenas without processes, for tests to let faults strike in."""

from pathlib import Path
from random import Random
from typing import Any, final

from tests.fixtures.databases import Database, PostgresSchema
from tests.reliability.chaos.arena import Arena
from tests.reliability.chaos.faults import Fault
from tests.reliability.chaos.storm_orders import Orders, orders_on

_MANY = 100
"""Strikes; whatever is up to chance has happened by then."""


@final
class StillNursery:
    """Starts nothing, and says that what it started runs."""

    def __init__(self) -> None:
        self.started: list[Orders] = []

    def start(self, orders: Orders) -> int:
        self.started.append(orders)
        return 1

    def reap(self, pid: int) -> int | None:
        return None


def arena_on(database: Database, folder: Path, fault: Fault, **others: Any) -> Arena:
    """Give an arena in which nothing happens but what this fault does."""
    nursery: Any = StillNursery()
    calm = orders_on(database, str(folder / "journal"), details=others.pop("details", {}))
    return Arena(
        store="postgres" if isinstance(database, PostgresSchema) else "sqlite",
        database=database,
        folder=folder,
        random=Random(1),
        orders=fault.orders(calm),
        nursery=nursery,
        **others,
    )


def strike_until(fault: Fault, arena: Arena, what: str) -> None:
    """Let it strike until it has told of this harm."""
    before = arena.counts[what]
    for _ in range(_MANY):
        fault.strike(arena)
        if arena.counts[what] > before:
            return
    raise AssertionError(f"{_MANY} strikes without {what}")

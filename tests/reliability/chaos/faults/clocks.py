"""Wrong clocks: of single nodes, or of the machine that all of them share."""

import os
import random
import time
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import final

from attrs import evolve, frozen

import bgjobs
from tests.reliability.chaos.arena import Arena
from tests.reliability.chaos.dressing import dressed, inner_store
from tests.reliability.chaos.faults import Fault
from tests.reliability.chaos.storm_orders import Orders

WRONG = (-3600.0, -60.0, -0.5, 0.0, 0.5, 60.0, 3600.0)
"""Seconds by which a node's clock may be off."""
_STEADY = 1.0
"""Seconds between two steps of it."""
_FORWARD, _BACK = 60.0, 1.0
"""Seconds that the machine's clock steps at most.

A step back lets the lease of somebody who died last longer by as much, so that it has to be
short here. All steps forward together stay below what scheduled jobs catch up with.
"""
_MOST = 600.0


@final
@frozen
class WrongClock:
    """The clock of a node that is off and steps, each process in its own way."""

    seed: int
    inline: bool = False

    def now(self) -> datetime:
        off = self.off(int(time.monotonic() / _STEADY))
        return datetime.now(UTC) + timedelta(seconds=off)

    def off(self, step: int) -> float:
        """Give by how many seconds it is wrong after so many steps."""
        return random.Random(f"{self.seed} {step}").choice(WRONG)

    def store_now(self) -> datetime | None:
        return None

    def monotonic(self) -> float:
        return time.monotonic()


@final
@frozen
class MachineClock:
    """The clock of a machine, as far off as a file says that all its processes read."""

    offset: Path
    inline: bool = False

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=read_offset(self.offset))

    def store_now(self) -> datetime | None:
        return None

    def monotonic(self) -> float:
        return time.monotonic()


def wrong_clock(config: bgjobs.Config, _: Orders) -> bgjobs.Config:
    """Let the node's own clock be wrong; the store's is right."""
    return evolve(config, clock=WrongClock(os.getpid()))


def machine_clock(config: bgjobs.Config, orders: Orders) -> bgjobs.Config:
    """Let the node and its store take the time from the machine that steps."""
    clock = MachineClock(offset_of(orders))
    store = inner_store(config)
    store._calls = evolve(store._calls, clock=clock.now)
    return evolve(config, clock=clock)


def offset_of(orders: Orders) -> Path:
    """Name the file with the seconds that the machine is ahead."""
    return Path(orders.journal).with_name("offset")


def read_offset(file: Path) -> float:
    """Give how far the machine is ahead."""
    try:
        return float(file.read_text())
    except FileNotFoundError:
        return 0.0


@final
@frozen
class NodeClocks:
    """Every worker's own clock is wrong and steps; that of the store is right."""

    name: str
    stores: Collection[str] = ("sqlite", "postgres")

    def orders(self, orders: Orders) -> Orders:
        return dressed(orders, wrong_clock)

    def strike(self, arena: Arena) -> None:
        """Leave the harm to the workers."""

    def end(self, arena: Arena) -> None:
        """Leave their clocks as they are: work has to go on all the same."""


@final
@frozen
class MachineSteps:
    """The clock of the machine steps, for all workers at once; then it goes on from there."""

    name: str
    stores: Collection[str] = ("sqlite",)

    def orders(self, orders: Orders) -> Orders:
        return dressed(orders, machine_clock)

    def strike(self, arena: Arena) -> None:
        if arena.random.random() > 0.2:
            return
        file = offset_of(arena.orders)
        before = read_offset(file)
        forward = min(_FORWARD, _MOST - before)
        after = before + arena.random.choice([-_BACK, forward]) * arena.random.random()
        written = file.with_name("next offset")
        written.write_text(repr(after))
        written.rename(file)  # so that nobody reads half of it
        arena.count("clock steps")

    def end(self, arena: Arena) -> None:
        """Let the clock stay ahead: who set it right would keep all rows waiting."""


FAULTS: tuple[Fault, ...] = (NodeClocks("clocks"), MachineSteps("clock-steps"))

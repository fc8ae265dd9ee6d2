"""Faults of clocks: of single processes, or of the machine that all processes share."""

import os
import random
import time
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import final

from attrs import evolve, frozen

import bgjobs
from tests.reliability.chaos.cluster import Cluster, Fault
from tests.reliability.chaos.settings import ProcessSettings, inner_store, with_config_hook

OFFSETS = (-3600.0, -60.0, -0.5, 0.0, 0.5, 60.0, 3600.0)
"""The offsets of the clock of a process, in seconds."""
_STEP_INTERVAL = 1.0
"""Seconds between two steps of the clock of a process."""
_FORWARD, _BACK = 60.0, 1.0
"""The largest steps of the clock of the machine, in seconds.

A step back extends the leases of dead processes, so it is short. All steps forward together
stay below `_MOST`, so that scheduled jobs can catch up.
"""
_MOST = 600.0


@final
@frozen
class SkewedClock:
    """The clock of a process, which is wrong and steps as the seed determines."""

    seed: int
    inline: bool = False

    def now(self) -> datetime:
        off = self.off(int(time.monotonic() / _STEP_INTERVAL))
        return datetime.now(UTC) + timedelta(seconds=off)

    def off(self, step: int) -> float:
        """Return the offset in seconds after so many steps."""
        return random.Random(f"{self.seed} {step}").choice(OFFSETS)

    def store_now(self) -> datetime | None:
        return None

    def monotonic(self) -> float:
        return time.monotonic()


@final
@frozen
class MachineClock:
    """The clock of a machine; its offset is in a file that all processes read."""

    offset: Path
    inline: bool = False

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=read_offset(self.offset))

    def store_now(self) -> datetime | None:
        return None

    def monotonic(self) -> float:
        return time.monotonic()


def with_skewed_clock(config: bgjobs.Config, _: ProcessSettings) -> bgjobs.Config:
    """Set the clock of the process wrong; the store's clock stays right."""
    return evolve(config, clock=SkewedClock(os.getpid()))


def with_machine_clock(config: bgjobs.Config, settings: ProcessSettings) -> bgjobs.Config:
    """Set the clocks of the process and of its store to the machine's clock."""
    clock = MachineClock(offset_of(settings))
    store = inner_store(config)
    store._executor = evolve(store._executor, clock=clock.now)
    return evolve(config, clock=clock)


def offset_of(settings: ProcessSettings) -> Path:
    """Return the path of the file with the offset of the machine."""
    return Path(settings.journal).with_name("offset")


def read_offset(file: Path) -> float:
    """Return the offset of the machine in seconds."""
    try:
        return float(file.read_text())
    except FileNotFoundError:
        return 0.0


@final
@frozen
class NodeClocks:
    """Set the clock of every worker wrong, with steps; the store's clock stays right."""

    name: str
    stores: Collection[str] = ("sqlite", "postgres")

    def configure(self, settings: ProcessSettings) -> ProcessSettings:
        return with_config_hook(settings, with_skewed_clock)

    def inject(self, cluster: Cluster) -> None:
        """Do nothing: the clocks step by themselves."""

    def undo(self, cluster: Cluster) -> None:
        """Do nothing: workers have to finish the jobs with wrong clocks."""


@final
@frozen
class MachineSteps:
    """Step the clock of the machine, for all workers at once."""

    name: str
    stores: Collection[str] = ("sqlite",)

    def configure(self, settings: ProcessSettings) -> ProcessSettings:
        return with_config_hook(settings, with_machine_clock)

    def inject(self, cluster: Cluster) -> None:
        if cluster.random.random() > 0.2:
            return
        file = offset_of(cluster.settings)
        before = read_offset(file)
        forward = min(_FORWARD, _MOST - before)
        after = before + cluster.random.choice([-_BACK, forward]) * cluster.random.random()
        written = file.with_name("next offset")
        written.write_text(repr(after))
        written.rename(file)  # atomically, for the processes that read it
        cluster.count("clock steps")

    def undo(self, cluster: Cluster) -> None:
        """Do nothing: if the clock were set back, all waiting jobs would be delayed."""


FAULTS: tuple[Fault, ...] = (NodeClocks("clocks"), MachineSteps("clock-steps"))

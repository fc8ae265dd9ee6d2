"""Faults of processes: SIGKILL, SIGSTOP for longer than a lease, SIGTERM, and held locks."""

import sqlite3
import time
from collections.abc import Collection, Sequence
from itertools import cycle
from random import Random
from typing import final

from attrs import evolve, frozen

from tests.reliability.chaos.cluster import LONG_PAUSE, SHORT_PAUSE, Cluster, Fault, Variation
from tests.reliability.chaos.processes.stores import (
    PRODUCER_POINTS,
    STALE_POINTS,
    WORKER_POINTS,
)
from tests.reliability.chaos.settings import Journal, ProcessSettings

_LONGEST_HOLD = 0.15
"""Seconds; short enough that each heartbeat is written before its lease ends."""


def hold_write_lock(settings: ProcessSettings) -> None:
    """Take the write lock of a SQLite file repeatedly, and read for long, until killed."""
    random, journal = Random(), Journal(settings.journal)
    writer, reader = (
        sqlite3.connect(settings.location, timeout=30, isolation_level=None) for _ in range(2)
    )
    while True:
        writer.execute("begin immediate")
        reader.execute("begin")
        reader.execute("select count(*) from bgjobs_jobs").fetchall()
        journal.write("misbehaved", "lock held")
        time.sleep(random.uniform(0, _LONGEST_HOLD))  # the fault: both locks are held
        writer.execute("rollback")
        time.sleep(random.uniform(0, _LONGEST_HOLD))  # the fault: the log cannot be reset
        reader.execute("rollback")
        time.sleep(random.uniform(0, _LONGEST_HOLD))  # the others go on for a while


BOTH = ("sqlite", "postgres")
_PAUSED = {"sqlite": 0.05, "postgres": 0.5}
"""The probability that an injection stops a worker, in addition to those that stop themselves.

It is low for SQLite, where a process that is stopped while it writes blocks all others.
"""
_STOPPING_SHARE = 0.7
"""The share of workers that stop themselves while they hold a job."""
_LOCK_HOLDER, _BUSY = "tests.reliability.chaos.faults.processes:hold_write_lock", 8
_KILLED_AT_ANY_MOMENT = 0.1
"""The probability that an injection kills a producer, besides those that kill themselves."""


@frozen
class _ProcessFault:
    """The common part of these faults: for both stores, with nothing to configure or undo."""

    name: str
    stores: Collection[str] = BOTH

    def configure(self, settings: ProcessSettings) -> ProcessSettings:
        return settings

    def undo(self, cluster: Cluster) -> None:
        """Do nothing: the cluster resumes processes, and replaces those that have ended."""


@final
@frozen
class Kill(_ProcessFault):
    """Kill a worker at any moment."""

    def inject(self, cluster: Cluster) -> None:
        victim = cluster.running_worker()
        if victim is not None:
            victim.kill()
            cluster.count("kills")


@final
@frozen
class Pause(_ProcessFault):
    """Stop workers for longer than their lease: at any moment, or at a fault point."""

    def inject(self, cluster: Cluster) -> None:
        cluster.vary_workers(self.name, _stop_points(cluster.random))
        victim = cluster.running_worker()
        if victim is not None and cluster.random.random() < _PAUSED[cluster.store]:
            victim.pause(cluster.random.uniform(SHORT_PAUSE, LONG_PAUSE))
            cluster.count("pauses")


@final
@frozen
class KillProducers(_ProcessFault):
    """Make producers kill themselves between two statements, and kill some at any moment."""

    def inject(self, cluster: Cluster) -> None:
        cluster.vary_producers(self.name, _kill_points(cluster.random, PRODUCER_POINTS))
        victim = cluster.running_producer()
        if victim is not None and cluster.random.random() < _KILLED_AT_ANY_MOMENT:
            victim.kill()
            cluster.count("kills")


@final
@frozen
class KillPoints(_ProcessFault):
    """Make every worker kill itself, each at the next of the fault points."""

    def inject(self, cluster: Cluster) -> None:
        cluster.vary_workers(self.name, _kill_points(cluster.random, WORKER_POINTS))
        victim = cluster.running_worker()
        # Only a worker that ends reaches the last point; those without a point are replaced.
        if victim is not None and victim.settings.kill_at in ("", "owner closed"):
            victim.terminate()


@final
@frozen
class Shutdowns(_ProcessFault):
    """Send SIGTERM to a worker: once, twice, or with SIGKILL soon after."""

    def inject(self, cluster: Cluster) -> None:
        victim = cluster.running_worker()
        if victim is None:
            return
        victim.terminate()
        cluster.count("TERM")
        chance = cluster.random.random()
        if chance < 0.3:
            cluster.call_later(cluster.random.uniform(0, 0.3), victim.terminate)
            cluster.count("TERM twice")
        elif chance < 0.6:
            cluster.call_later(cluster.random.uniform(0, 0.5), victim.kill)
            cluster.count("TERM, KILL")


@final
@frozen
class WriteLockContention(_ProcessFault):
    """Run eight workers, and a process that holds the write lock repeatedly."""

    stores: Collection[str] = ("sqlite",)

    def inject(self, cluster: Cluster) -> None:
        if not any(one.settings.program == _LOCK_HOLDER for one in cluster.others):
            cluster.start_other(_LOCK_HOLDER)
        if len(cluster.workers) < _BUSY:
            cluster.start_worker()

    def undo(self, cluster: Cluster) -> None:
        for one in cluster.others:
            if one.settings.program == _LOCK_HOLDER:
                one.kill()


@final
@frozen
class Misbehaviour(_ProcessFault):
    """Run handlers and listeners that misbehave."""

    def configure(self, settings: ProcessSettings) -> ProcessSettings:
        return evolve(settings, misbehaviour=True)

    def inject(self, cluster: Cluster) -> None:
        """Do nothing: the handlers do it."""


def _kill_points(random: Random, fault_points: Sequence[str]) -> Variation:
    """Return a variation that gives each process the next of these points to die at."""
    following = cycle(random.sample(fault_points, len(fault_points)))

    def vary_workers(settings: ProcessSettings) -> ProcessSettings:
        point = next(following)
        is_rare = point == "owner closed" or "monitor" in point
        return evolve(settings, kill_at=point, nth=1 if is_rare else random.randint(1, 8))

    return vary_workers


def _stop_points(random: Random) -> Variation:
    """Return a variation that makes most processes stop while they hold a job."""

    def vary_workers(settings: ProcessSettings) -> ProcessSettings:
        if random.random() > _STOPPING_SHARE:
            return settings
        return evolve(settings, stop_at=STALE_POINTS, nth=random.randint(2, 15))

    return vary_workers


FAULTS: tuple[Fault, ...] = (
    Kill("kill"),
    Pause("pause"),
    KillProducers("kill-producers"),
    KillPoints("kill-points"),
    Shutdowns("shutdown"),
    WriteLockContention("lock-contention"),
    Misbehaviour("misbehaviour"),
)

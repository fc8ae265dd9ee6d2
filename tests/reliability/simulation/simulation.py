"""The simulation of a seed, from its plan to its result."""

from collections.abc import Sequence
from contextlib import nullcontext
from contextvars import copy_context
from typing import final, get_args
from uuid import UUID

import trio
from attrs import frozen
from trio.testing import MockClock

from bgjobs._core.hooks import HOOK_OWNER
from bgjobs._core.jobs import EndState
from tests.fixtures.looks import slow_looks
from tests.reliability.simulation.cluster import Cluster, run_scenario
from tests.reliability.simulation.database import Database, shared_database
from tests.reliability.simulation.determinism import deterministic
from tests.reliability.simulation.network import calls_without_threads
from tests.reliability.simulation.plan import plan_of
from tests.reliability.simulation.process import SharedClock, make_pausable
from tests.reliability.simulation.records import fingerprint


@final
@frozen
class Result:
    """The result of a seed."""

    seed: int
    problems: Sequence[str]
    steps: Sequence[tuple[object, ...]]
    calls: int
    """The number of calls of the store."""
    seconds: float
    """The simulated time in seconds."""

    @property
    def fingerprint(self) -> str:
        """A digest of every step."""
        return fingerprint(self.steps)

    def __str__(self) -> str:
        lines = [f"seed {self.seed}: {len(self.problems)} problems", *self.problems]
        lines.append(f"replay: python -m tests.reliability.simulation --seed {self.seed}")
        return "\n".join(lines)


class SimulationError(AssertionError):
    """A seed has failed."""


def simulate(seed: int) -> Result:
    """Simulate a seed, and return its result."""
    shared_clock, database = SharedClock(), shared_database()
    database.reset(shared_clock)
    slow = slow_looks() if seed % 3 == 0 else nullcontext()
    with deterministic(seed, shared_clock), calls_without_threads(), slow:
        return copy_context().run(_simulate, seed, database, shared_clock)


def check(seed: int) -> Result:
    """Simulate a seed, and raise `SimulationError` if it has problems."""
    result = simulate(seed)
    if result.problems:
        raise SimulationError(str(result))
    return result


def _simulate(seed: int, database: Database, shared_clock: SharedClock) -> Result:
    cluster = Cluster(plan_of(seed), database, shared_clock)
    try:
        seconds = trio.run(_main, cluster, clock=MockClock(autojump_threshold=0))
    except Exception as error:  # noqa: BLE001 - every error is a problem of this seed
        if not cluster.journal.problems:  # a simulation that is cancelled may raise any error
            cluster.journal.problems.append(f"the simulation raised {error!r}")
        seconds = 0.0
    journal = cluster.journal
    return Result(seed, journal.problems, journal.steps, journal.calls, seconds)


async def _main(cluster: Cluster) -> float:
    make_pausable()
    async with trio.open_nursery() as nursery:
        cluster.journal.stop = nursery.cancel_scope.cancel
        await run_scenario(cluster, nursery)
        if not cluster.journal.problems:
            _check_the_end(cluster)
    return trio.current_time()


def _check_the_end(cluster: Cluster) -> None:
    """Check the database after all processes have stopped."""
    checker, expect = cluster.checker, cluster.journal.expect
    reserved = [row.id for row in checker.live.values() if row.owner is not None]
    expect(not reserved, f"still reserved: {reserved}")
    expect(not checker.owners.open, f"owners of {checker.owners.open} are left")
    all_ended = {**checker.pruned, **checker.ended}
    cluster.enqueue_log.check([UUID(job) for job in all_ended])
    ended = sum(row.kind == "succeeded" for row in all_ended.values())
    counted = cluster.database.counted_successes()
    expect(counted <= ended, f"{counted} jobs are counted as succeeded, of {ended}")
    for table, rows in (
        ("bgjobs_jobs", checker.live),
        ("effects", checker.effects),
        ("ends", checker.hooks.effects),
        ("bgjobs_marked_ends", ()),
        ("bgjobs_children", range(checker.children.rows)),
        ("bgjobs_owners", [*checker.owners.rows, *[HOOK_OWNER] * checker.hooks.has_owner]),
        ("bgjobs_past_owners", checker.owners.past),
        *((f"bgjobs_jobs_{state}", checker.ended_as(state)) for state in get_args(EndState)),
    ):
        found = cluster.database.count(table)
        expect(found == len(rows), f"{table}: {found} rows, not {len(rows)}")

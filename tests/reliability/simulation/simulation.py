"""One seed, from its beginning to its verdict."""

from collections.abc import Sequence
from contextvars import copy_context
from typing import final
from uuid import UUID

import trio
from attrs import frozen
from trio.testing import MockClock

from tests.reliability.simulation.disk import Disk, shared_disk
from tests.reliability.simulation.entropy import entropy_of
from tests.reliability.simulation.journal import fingerprint
from tests.reliability.simulation.line import lines_for_threads
from tests.reliability.simulation.machine import Machine
from tests.reliability.simulation.plan import plan_of
from tests.reliability.simulation.process import make_freezable
from tests.reliability.simulation.storm import play
from tests.reliability.simulation.world import World


@final
@frozen
class Result:
    """What became of a seed."""

    seed: int
    problems: Sequence[str]
    steps: Sequence[tuple[object, ...]]
    calls: int
    """How often the store was called."""
    seconds: float
    """How long it was in the time of the world."""

    @property
    def fingerprint(self) -> str:
        """Give a digest of every step."""
        return fingerprint(self.steps)

    def __str__(self) -> str:
        lines = [f"seed {self.seed}: {len(self.problems)} problems", *self.problems]
        lines.append(f"replay: python -m tests.reliability.simulation --seed {self.seed}")
        return "\n".join(lines)


class SimulationError(AssertionError):
    """A seed has failed."""


def simulate(seed: int) -> Result:
    """Live through the world of a seed."""
    machine, disk = Machine(), shared_disk()
    disk.wipe(machine)
    with entropy_of(seed, machine), lines_for_threads():
        return copy_context().run(_simulate, seed, disk, machine)


def check(seed: int) -> Result:
    """Do the same, and raise when something is wrong."""
    result = simulate(seed)
    if result.problems:
        raise SimulationError(str(result))
    return result


def _simulate(seed: int, disk: Disk, machine: Machine) -> Result:
    world = World(plan_of(seed), disk, machine)
    try:
        seconds = trio.run(_main, world, clock=MockClock(autojump_threshold=0))
    except Exception as error:  # noqa: BLE001 - whatever leaves is a problem of this seed
        if not world.journal.problems:  # a world that is ended at once may raise anything
            world.journal.problems.append(f"the world raised {error!r}")
        seconds = 0.0
    journal = world.journal
    return Result(seed, journal.problems, journal.steps, journal.calls, seconds)


async def _main(world: World) -> float:
    make_freezable()
    async with trio.open_nursery() as nursery:
        world.journal.stop = nursery.cancel_scope.cancel
        await play(world, nursery)
        if not world.journal.problems:
            _check_the_end(world)
    return trio.current_time()


def _check_the_end(world: World) -> None:
    """Check what is left when all processes have stopped."""
    witness, expect = world.witness, world.journal.expect
    reserved = [row.id for row in witness.live.values() if row.owner is not None]
    expect(not reserved, f"still reserved: {reserved}")
    expect(not witness.owners.open, f"owners of {witness.owners.open} are left")
    world.ledger.check([UUID(job) for job in witness.ended])
    for table, rows in (
        ("bgjobs_jobs", witness.live),
        ("effects", witness.effects),
        ("bgjobs_owners", witness.owners.rows),
    ):
        found = world.disk.count(table)
        expect(found == len(rows), f"{table}: {found} rows, not {len(rows)}")
    found = world.disk.count("bgjobs_jobs_succeeded") + world.disk.count("bgjobs_jobs_failed")
    expect(found == len(witness.ended), f"{found} ended jobs, not {len(witness.ended)}")

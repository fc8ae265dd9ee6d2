"""One seed, from its world to what is wrong with it."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from bgjobs import SQLiteStore, Store
from tests.reliability.clock_jumps.liveness import no_standstill, on_time
from tests.reliability.clock_jumps.play import Loop, play
from tests.reliability.clock_jumps.promises import PROMISES, no_errors
from tests.reliability.clock_jumps.reading import history_of
from tests.reliability.clock_jumps.trace import Trace
from tests.reliability.clock_jumps.worlds import AGES, World, world_of


def problems_of(world: World, trace: Trace) -> Sequence[str]:
    """Check all promises on a trace."""
    problems: list[str] = []
    for job in world.jobs:
        history = history_of(job, trace, world)
        checks = [*PROMISES, no_standstill, on_time]
        if world.lease == AGES:
            checks.append(no_errors)
        for check in checks:
            problems += [f"{job.name}: {text}" for text in check(history)]
    return problems


class BrokenPromiseError(AssertionError):
    """A seed has failed."""


def verdict(seed: int, loop: Loop = "trio") -> tuple[Trace, Sequence[str]]:
    """Live through a seed over a store in memory."""
    store = SQLiteStore(":memory:")
    store.open()
    try:
        store.migrate()
        return verdict_on(store, seed, loop)
    finally:
        store.close()


def verdict_on(store: Store, seed: int, loop: Loop) -> tuple[Trace, Sequence[str]]:
    """Live through a seed over a store that is open; no two seeds have a job in common."""
    world = world_of(seed)
    with TemporaryDirectory() as folder:
        trace = play(world, store, Path(folder), loop)
    return trace, problems_of(world, trace)


def check(seed: int, loop: Loop = "trio") -> None:
    """Raise when something is wrong, and say how to see it again."""
    raise_if_wrong(seed, loop, verdict(seed, loop)[1])


def raise_if_wrong(seed: int, loop: Loop, problems: Sequence[str]) -> None:
    """Raise `BrokenPromiseError` if there are problems."""
    if problems:
        replay = f"replay: python -m tests.reliability.clock_jumps --seed {seed} --loop {loop}"
        raise BrokenPromiseError("\n".join([*problems, replay]))

"""One phase: a new database, processes at work, faults, a calm end, and the checks."""

import signal
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from pathlib import Path
from random import Random
from time import sleep
from typing import final

from attrs import evolve, field, frozen

from tests.reliability.chaos import audit, gather
from tests.reliability.chaos.arena import Arena
from tests.reliability.chaos.faults import Fault
from tests.reliability.chaos.ground import Ground
from tests.reliability.chaos.journal import lines_of
from tests.reliability.chaos.nursery import nursery
from tests.reliability.chaos.orders import moment
from tests.reliability.chaos.storm_orders import Orders, orders_on
from tests.reliability.chaos.verdicts import Outcome, judge

WORKERS, PRODUCERS = 6, 2
_PACE = 0.02
"""Seconds between two looks at what happens."""
_SHORTEST, _LONGEST = 0.05, 0.35
"""Seconds between two strikes of one fault, or of all together where there are many."""
_AT_ONCE = 2
"""So many faults strike as often as each alone would; with more of them each is rarer."""
DRAIN = 30.0
"""Seconds in which calm workers end one job more; a safety net, not a measure."""
_PATIENCE = 60.0
"""Seconds that a storm may last longer on a machine that has other things to do."""
_LEAST_RUNS = 50
_ENDING = 20.0
"""Seconds for processes to end in order; a safety net, too."""


def has_begun(arena: Arena) -> bool:
    """Say whether handlers were called as often as makes a storm worth while."""
    words = [what for what, *_ in lines_of(Path(arena.orders.journal))]
    return words.count("run") >= _LEAST_RUNS


@final
@frozen(kw_only=True)
class Plan:
    """What one phase shall do."""

    name: str
    faults: Sequence[Fault]
    seconds: float
    seed: int
    unfenced: bool = False
    enough: Callable[[Arena], bool] = field(default=has_begun)
    """It lasts on until this holds, but not for much longer."""


def run_phase(plan: Plan, ground: Ground) -> Outcome:
    """Run one phase and judge what it has left behind."""
    database = ground.new_database()
    folder = ground.folder / f"phase-{plan.name}-{moment():.0f}"
    folder.mkdir()
    journal, details = str(folder / "journal"), ground.details()
    calm = orders_on(database, journal, unfenced=plan.unfenced, details=details)
    _prepare(calm)
    with nursery(folder) as started:
        arena = Arena(
            store=ground.store,
            database=database,
            folder=folder,
            random=Random(plan.seed),
            orders=_changed(calm, plan.faults),
            nursery=started,
            server=ground.server,
            proxy=ground.proxy,
        )
        problems = _weather(arena, plan, calm)
        return judge(arena, calm, plan.name, plan.faults, problems, started.errors())


def _weather(arena: Arena, plan: Plan, calm: Orders) -> Sequence[str]:
    """Let the storm rage and the calm follow; says what went wrong with the calm."""
    try:
        _rage(arena, plan)
        return [*_calm_down(arena, plan), *_drain(arena, calm), *_stop(arena)]
    finally:
        _kill_all(arena)


def _prepare(orders: Orders) -> None:
    store = orders.store()
    store.open()
    try:
        store.migrate()
    finally:
        store.close()
    audit.install(orders)


def _changed(orders: Orders, faults: Iterable[Fault]) -> Orders:
    for fault in faults:
        orders = fault.orders(orders)
    return orders


def _rage(arena: Arena, plan: Plan) -> None:
    """Let all faults strike, each at its own random times."""
    until, latest = moment() + plan.seconds, moment() + plan.seconds + _PATIENCE
    longest = _LONGEST * max(1.0, len(plan.faults) / _AT_ONCE)
    due = [moment() for _ in plan.faults]
    while moment() < until or (moment() < latest and not plan.enough(arena)):
        # They strike first of all, so that even the first workers are as they want them.
        for number, fault in enumerate(plan.faults):
            if moment() >= due[number]:
                fault.strike(arena)
                due[number] = moment() + arena.random.uniform(_SHORTEST, longest)
        _replenish(arena)
        arena.tend()
        sleep(_PACE)


def _replenish(arena: Arena, producers: int = PRODUCERS) -> None:
    while len(arena.workers) < WORKERS:
        arena.start_worker()
    while len(arena.producers) < producers:
        arena.start_producer()


def _calm_down(arena: Arena, plan: Plan) -> Sequence[str]:
    """Undo all faults; those who were told to harm themselves make room for others."""
    for fault in plan.faults:
        fault.end(arena)
    arena.forget_plans()
    arena.resume_all()
    for one in arena.everybody:
        if one.orders.deadly or one.orders.still:
            one.kill()
    for one in arena.producers:
        one.terminate()
    return _wait(arena, arena.producers, "a producer")


def _drain(arena: Arena, calm: Orders) -> Sequence[str]:
    """Wait until calm workers have ended all jobs; give up once nothing ends any more."""
    arena.orders = evolve(arena.orders, place=calm.place)
    least, deadline = float("inf"), 0.0
    with closing(calm.database.connect()) as connection:
        if calm.schema:
            connection.autocommit = True
        while left := gather.unfinished(connection, calm):
            if left < least:
                least, deadline = left, moment() + DRAIN
            if moment() > deadline:
                return [_stuck(arena, left)]
            _replenish(arena, producers=0)
            arena.tend()
            sleep(_PACE)
    return []


def _stuck(arena: Arena, left: int) -> str:
    """Tell that there is no progress, and let all write down what they are doing."""
    for one in arena.workers:
        one.signal(signal.SIGUSR1)
    return f"{left} jobs were left, and for {DRAIN:g} s of calm nothing ended"


def _stop(arena: Arena) -> Sequence[str]:
    for one in arena.workers:
        one.terminate()
    return _wait(arena, [*arena.workers, *arena.others], "a process")


def _wait(arena: Arena, processes: Sequence[object], what: str) -> Sequence[str]:
    waited_for = [one for one in arena.everybody if one in processes]
    if arena.wait_ended(waited_for, _ENDING):
        return []
    return [f"{what} did not end within {_ENDING:g} s of being told to"]


def _kill_all(arena: Arena) -> None:
    for one in arena.everybody:
        one.kill()
    arena.wait_ended(arena.everybody, _ENDING)

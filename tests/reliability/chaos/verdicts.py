"""What a phase has come to: the evidence put together, and the figures of its row."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import final

from attrs import frozen

from tests.reliability.chaos import gather, history, zoo
from tests.reliability.chaos.arena import Arena, Process
from tests.reliability.chaos.checks import Evidence, Fate, Finding, findings
from tests.reliability.chaos.faults import Fault, processes
from tests.reliability.chaos.gather import Rows, Told
from tests.reliability.chaos.ground import broken
from tests.reliability.chaos.handlers import REASON
from tests.reliability.chaos.storm_orders import Orders
from tests.reliability.chaos.worker import STORE_AWAY

_DIED = "its worker died"
"""How the reason begins that the monitor gives for a job that crashed too often."""
_TROUBLE = ("ChildCrashed", "StoreFailed", "QueueError")
_WEATHER = ("LeaseLostError", "StoreUnavailableError")
"""Errors that are a matter of waiting."""
_REFUSED = "SchemaMismatchError"
"""What an older process meets that begins after a newer one has changed the schema."""


@final
@frozen(kw_only=True)
class Outcome:
    """One row of the table, and what is behind it."""

    phase: str
    store: str
    jobs: int
    strikes: Mapping[str, int]
    refused: int
    """Ends of runs that were not written because the reservation had gone to another one."""
    stall: float
    found: Sequence[Finding]
    ends: Mapping[str, int]
    errors: str = ""
    """What the processes wrote as errors."""

    def count(self, kind: str) -> int:
        """Count findings of one kind."""
        return sum(one.kind == kind for one in self.found)


def judge(
    arena: Arena,
    orders: Orders,
    phase: str,
    faults: Sequence[Fault],
    problems: Sequence[str],
    errors: str,
) -> Outcome:
    """Gather everything and check it."""
    rows, told = gather.rows(orders), gather.told(Path(orders.journal))
    is_ours = all(fault in processes.FAULTS for fault in faults)
    names = [fault.name for fault in faults]
    others = [
        *problems,
        *(f"the database is damaged: {text}" for text in broken(orders)),
        *events(told, is_wild=arena.orders.zoo, is_upgrade="upgrade" in names),
        *_processes(arena, rows, told, is_ours=is_ours),
        *(f"stderr: {line}" for line in gather.tracebacks(errors)),
        *_connections(orders),
    ]
    is_time_true = "clock-steps" not in names
    return Outcome(
        phase=phase,
        store=arena.store,
        jobs=len(rows.fates),
        strikes=Counter(arena.counts) + Counter(told.harm),
        refused=sum(n for what, n in told.heard.items() if what[0] == "ReservationLost"),
        stall=history.longest_stall(rows.entries),
        found=findings(_evidence(rows, told, others, is_time_true=is_time_true)),
        ends=Counter(_end(fate) for fate in rows.fates),
        errors=errors,
    )


def _evidence(rows: Rows, told: Told, others: Sequence[str], *, is_time_true: bool) -> Evidence:
    return Evidence(
        fates=rows.fates,
        acknowledged=told.acknowledged,
        entries=rows.entries,
        runs=told.runs,
        snoozes=told.snoozes,
        effects=rows.effects,
        sales=rows.sales,
        reasons=may_fail,
        culprits=zoo.CULPRITS,
        is_time_true=is_time_true,
        others=others,
    )


def _end(fate: Fate) -> str:
    return "given up" if fate.error.startswith(_DIED) else fate.state


def may_fail(name: str, error: str) -> bool:
    """Say whether a job may have ended so: its process died, or it was meant to fail."""
    if error.startswith(_DIED):
        return True
    return (name == "discarder" and REASON in error) or (name == "slow" and "Timeout" in error)


def events(told: Told, *, is_wild: bool, is_upgrade: bool = False) -> Iterator[str]:
    """Events that no fault explains; wild handlers explain all but the end of everything."""
    expected = (*_WEATHER, _REFUSED) if is_upgrade else _WEATHER
    for what, count in told.heard.items():
        name, _, *errors = what
        is_weather = all(one.startswith(expected) for one in errors)
        is_trouble = name in _TROUBLE and not is_wild and not is_weather
        if name == "RestartLimitExceeded" or is_trouble:
            yield f"{count} times {' '.join(what)}"


def _processes(arena: Arena, rows: Rows, told: Told, *, is_ours: bool) -> Iterator[str]:
    for one in arena.ended:
        if not may_end(one, is_ours=is_ours):
            yield f"process {one.pid} ended with {one.code}, with orders {one.orders}"
    for pid, left in told.left.items():
        if left:
            yield f"process {pid} left {left}"
    # Where the store was away when it ended, its lease had to end by itself.
    orderly = {one.pid for one in arena.ended if one.code == 0 and is_ours}
    for pid in orderly & set(rows.living):
        yield f"process {pid} ended in order and left an owner"


def may_end(one: Process, *, is_ours: bool) -> bool:
    """Say whether it was brought about that it ended so."""
    if one.code == 0:
        return one.is_told
    if one.code == -9:
        return one.is_killed or one.orders.deadly != "" or one.orders.zoo
    if one.code == -15:  # it was told to end before it could listen
        return one.is_told
    return one.code == STORE_AWAY and not is_ours


def _connections(orders: Orders) -> Iterator[str]:
    left = gather.connections_left(orders)
    if left:
        yield f"{left} connections were left"

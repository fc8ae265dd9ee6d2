"""The outcome of a phase: all observations checked, and the report of several phases."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import final

from attrs import frozen

from tests.reliability.chaos.checker import history, observations, trees
from tests.reliability.chaos.checker.invariants import (
    JobRecord,
    Observations,
    Violation,
    violations,
)
from tests.reliability.chaos.checker.observations import DatabaseRows, JournalRecords
from tests.reliability.chaos.cluster import Cluster, Fault, Process
from tests.reliability.chaos.environment import database_damage
from tests.reliability.chaos.faults import processes
from tests.reliability.chaos.processes import misbehaviour
from tests.reliability.chaos.processes.handlers import EXPECTED_ERROR, TREE
from tests.reliability.chaos.processes.worker import STORE_UNAVAILABLE
from tests.reliability.chaos.settings import ProcessSettings

_DIED = "its worker died"
"""The start of the error of a job that has crashed too often."""
UNSUCCESSFUL = "children have ended without success"
"""A part of the error of a job whose children did not succeed."""
_ERROR_EVENTS = ("ChildCrashed", "StoreFailed", "QueueError")
_TRANSIENT_ERRORS = ("LeaseLostError", "StoreUnavailableError")
"""Errors that faults explain, and after which the library recovers."""
_SCHEMA_ERROR = "SchemaMismatchError"
"""The error of an older process that starts after a newer one has migrated the schema."""


@final
@frozen(kw_only=True)
class PhaseOutcome:
    """One row of the report, and its details."""

    phase: str
    store: str
    jobs: int
    injections: Mapping[str, int]
    refused: int
    """Ends of runs that were refused because the reservation was no longer valid."""
    stall: float
    violations: Sequence[Violation]
    ends: Mapping[str, int]
    errors: str = ""
    """The stderr of the processes."""

    def count(self, kind: str) -> int:
        """Count violations of one kind."""
        return sum(one.kind == kind for one in self.violations)


def evaluate(
    cluster: Cluster,
    settings: ProcessSettings,
    phase: str,
    faults: Sequence[Fault],
    problems: Sequence[str],
    errors: str,
    *,
    deadlocks_before: int,
) -> PhaseOutcome:
    """Read everything that a phase has left behind, and check it."""
    rows, records = (
        observations.rows(settings),
        observations.journal_records(Path(settings.journal)),
    )
    is_ours = all(fault in processes.FAULTS for fault in faults)
    names = [fault.name for fault in faults]
    others = [
        *problems,
        *(f"the database is damaged: {text}" for text in database_damage(settings)),
        *event_violations(
            records, is_misbehaving=cluster.settings.misbehaviour, is_upgrade="upgrade" in names
        ),
        *_processes(cluster, rows, records, is_ours=is_ours),
        *(f"stderr: {line}" for line in observations.tracebacks(errors)),
        *_connections(settings),
        *_deadlocks(settings, deadlocks_before),
    ]
    is_time_true = "clock-steps" not in names
    return PhaseOutcome(
        phase=phase,
        store=cluster.store,
        jobs=len(rows.jobs),
        injections=Counter(cluster.counts) + Counter(records.process_faults),
        refused=sum(n for what, n in records.events.items() if what[0] == "ReservationLost"),
        stall=history.longest_stall(rows.entries),
        violations=[
            *violations(_observations(rows, records, others, is_time_true=is_time_true)),
            *trees.violations(rows.jobs, rows.entries),
        ],
        ends=Counter(_end(job) for job in rows.jobs),
        errors=errors,
    )


def _observations(
    rows: DatabaseRows, records: JournalRecords, others: Sequence[str], *, is_time_true: bool
) -> Observations:
    return Observations(
        jobs=rows.jobs,
        acknowledged=records.acknowledged,
        entries=rows.entries,
        runs=records.runs,
        snoozes=records.snoozes,
        effects=rows.effects,
        ends=rows.ends,
        sales=rows.sales,
        reasons=may_fail,
        crashing_workers=misbehaviour.CRASHING_WORKERS,
        is_time_true=is_time_true,
        others=others,
    )


def _end(job: JobRecord) -> str:
    return "crashed too often" if job.error.startswith(_DIED) else job.state


def may_fail(name: str, error: str) -> bool:
    """Whether a job may have failed with this error: by crashes, or on purpose."""
    if error.startswith(_DIED):
        return True
    if name == TREE and UNSUCCESSFUL in error:  # a child has crashed too often, each time anew
        return True
    return (name == "discarder" and EXPECTED_ERROR in error) or (
        name == "slow" and "Timeout" in error
    )


def event_violations(
    records: JournalRecords, *, is_misbehaving: bool, is_upgrade: bool = False
) -> Iterator[str]:
    """Yield events that no fault explains; misbehaving handlers explain all except one."""
    expected = (*_TRANSIENT_ERRORS, _SCHEMA_ERROR) if is_upgrade else _TRANSIENT_ERRORS
    for what, count in records.events.items():
        name, _, *errors = what
        is_transient = all(one.startswith(expected) for one in errors)
        is_error = name in _ERROR_EVENTS and not is_misbehaving and not is_transient
        if name == "RestartLimitExceeded" or is_error:
            yield f"{count} times {' '.join(what)}"


def _processes(
    cluster: Cluster, rows: DatabaseRows, records: JournalRecords, *, is_ours: bool
) -> Iterator[str]:
    for one in cluster.ended:
        if not may_end(one, is_ours=is_ours):
            yield f"process {one.pid} ended with {one.code}, with settings {one.settings}"
    for pid, left in records.left.items():
        if left:
            yield f"process {pid} has ended, and {left} remain"
    # If the store was unavailable when a process ended, its owner remains until its lease ends.
    orderly = {one.pid for one in cluster.ended if one.code == 0 and is_ours}
    for pid in orderly & set(rows.owner_pids):
        yield f"process {pid} ended with code 0, but its owner remains"


def may_end(one: Process, *, is_ours: bool) -> bool:
    """Whether the faults explain how a process has ended."""
    if one.code == 0:
        return one.was_terminated
    if one.code == -9:
        return one.was_killed or one.settings.kill_at != "" or one.settings.misbehaviour
    if one.code == -15:  # SIGTERM came before it had a handler
        return one.was_terminated
    return one.code == STORE_UNAVAILABLE and not is_ours


def _connections(settings: ProcessSettings) -> Iterator[str]:
    left = observations.connections_left(settings)
    if left:
        yield f"{left} connections remain"


def _deadlocks(settings: ProcessSettings, before: int) -> Iterator[str]:
    found = observations.deadlocks(settings) - before
    if found > 0:  # a server that crashed counts from zero
        yield f"{found} deadlocks in the server"


_SHOWN = 30
"""The number of violations of a phase that are printed."""
_ERRORS = 10_000
"""The number of characters of stderr that are printed."""
_HEAD = ("store", "fault", "jobs", "faults", "lost", "duplicated", "wrong", "refused", "stall")


def lines(outcomes: Sequence[PhaseOutcome]) -> Iterator[str]:
    """Yield a table with a row for each phase, and then the violations."""
    rows = [_HEAD, *(_cells(one) for one in outcomes)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
    for one in outcomes:
        yield from _violations(one)


def summary(outcome: PhaseOutcome) -> str:
    """Return how many faults were injected, and how many jobs ended in each state."""
    return ", ".join(
        f"{what} {count}"
        for counts in (outcome.injections, outcome.ends)
        for what, count in sorted(counts.items())
    )


def _cells(one: PhaseOutcome) -> Sequence[str]:
    return (
        one.store,
        one.phase,
        str(one.jobs),
        str(sum(one.injections.values())),
        str(one.count("lost")),
        str(one.count("duplicated")),
        str(one.count("wrong")),
        str(one.refused),
        f"{one.stall:.1f} s",
    )


def _violations(one: PhaseOutcome) -> Iterator[str]:
    for found in one.violations[:_SHOWN]:
        yield f"{one.store}, {one.phase}: {found.kind.upper()}: {found.text}"
    more = len(one.violations) - _SHOWN
    if more > 0:
        yield f"{one.store}, {one.phase}: and {more} more"
    if one.violations and one.errors:
        yield f"{one.store}, {one.phase}, stderr: {one.errors[-_ERRORS:]}"

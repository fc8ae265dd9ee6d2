"""A phase: start processes on a new database, inject faults, undo them, drain, and check."""

import signal
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from pathlib import Path
from random import Random
from time import sleep
from typing import final

from attrs import evolve, field, frozen

from tests.fixtures.stores import migrated
from tests.reliability.chaos.checker import audit, observations
from tests.reliability.chaos.checker.report import PhaseOutcome, evaluate
from tests.reliability.chaos.cluster import Cluster, Fault
from tests.reliability.chaos.environment import Environment
from tests.reliability.chaos.processes.fork_server import running_fork_server
from tests.reliability.chaos.settings import ProcessSettings, lines_of, monotonic, settings_for

WORKERS, PRODUCERS = 6, 2
_PACE = 0.02
"""Seconds between two polls of the cluster."""
_SHORTEST, _LONGEST = 0.05, 0.35
"""The range of seconds between two injections of a fault."""
_AT_ONCE = 2
"""The number of faults from which on each is injected more rarely than alone."""
DRAIN_TIMEOUT = 30.0
"""Seconds within which workers without faults have to end another job."""
_PATIENCE = 60.0
"""Seconds by which injection may take longer on a busy machine."""
_LEAST_RUNS = 50
_STOP_TIMEOUT = 20.0
"""Seconds within which processes have to end after SIGTERM."""


def has_run_enough(cluster: Cluster) -> bool:
    """Whether enough handlers have run for the phase to prove something."""
    words = [what for what, *_ in lines_of(Path(cluster.settings.journal))]
    return words.count("run") >= _LEAST_RUNS


@final
@frozen(kw_only=True)
class PhasePlan:
    """The faults of a phase, and how long they are injected."""

    name: str
    faults: Sequence[Fault]
    seconds: float
    seed: int
    unfenced: bool = False
    until: Callable[[Cluster], bool] = field(default=has_run_enough)
    """Injection continues after `seconds` until this holds, for `_PATIENCE` at most."""


def run_phase(plan: PhasePlan, environment: Environment) -> PhaseOutcome:
    """Run a phase and return what the checker found."""
    database = environment.new_database()
    folder = environment.folder / f"phase-{plan.name}-{monotonic():.0f}"
    folder.mkdir()
    journal, details = str(folder / "journal"), environment.details()
    calm = settings_for(database, journal, unfenced=plan.unfenced, details=details)
    _prepare(calm)
    deadlocks_before = observations.deadlocks(calm)
    with running_fork_server(folder) as started:
        cluster = Cluster(
            store=environment.store,
            database=database,
            folder=folder,
            random=Random(plan.seed),
            settings=_configured(calm, plan.faults),
            fork_server=started,
            server=environment.server,
            proxy=environment.proxy,
        )
        problems = _run_and_drain(cluster, plan, calm)
        return evaluate(
            cluster,
            calm,
            plan.name,
            plan.faults,
            problems,
            started.errors(),
            deadlocks_before=deadlocks_before,
        )


def _run_and_drain(cluster: Cluster, plan: PhasePlan, calm: ProcessSettings) -> Sequence[str]:
    """Inject faults, undo them and drain the queue; return the problems of the drain."""
    try:
        _inject_faults(cluster, plan)
        return [*_undo_faults(cluster, plan), *_drain(cluster, calm), *_stop(cluster)]
    finally:
        _kill_all(cluster)


def _prepare(settings: ProcessSettings) -> None:
    with migrated(settings.store()):
        audit.install(settings)


def _configured(settings: ProcessSettings, faults: Iterable[Fault]) -> ProcessSettings:
    for fault in faults:
        settings = fault.configure(settings)
    return settings


def _inject_faults(cluster: Cluster, plan: PhasePlan) -> None:
    """Inject all faults, each at its own random times."""
    until, latest = monotonic() + plan.seconds, monotonic() + plan.seconds + _PATIENCE
    longest = _LONGEST * max(1.0, len(plan.faults) / _AT_ONCE)
    due = [monotonic() for _ in plan.faults]
    while monotonic() < until or (monotonic() < latest and not plan.until(cluster)):
        # Faults come first, so that they determine the settings of the first workers, too.
        for number, fault in enumerate(plan.faults):
            if monotonic() >= due[number]:
                fault.inject(cluster)
                due[number] = monotonic() + cluster.random.uniform(_SHORTEST, longest)
        _start_missing(cluster)
        cluster.poll()
        sleep(_PACE)


def _start_missing(cluster: Cluster, producers: int = PRODUCERS) -> None:
    while len(cluster.workers) < WORKERS:
        cluster.start_worker()
    while len(cluster.producers) < producers:
        cluster.start_producer()


def _undo_faults(cluster: Cluster, plan: PhasePlan) -> Sequence[str]:
    """Undo all faults, and kill the processes that would kill or stop themselves."""
    for fault in plan.faults:
        fault.undo(cluster)
    cluster.forget_pending()
    cluster.resume_all()
    for one in cluster.processes:
        if one.settings.kill_at or one.settings.stop_at:
            one.kill()
    for one in cluster.producers:
        one.terminate()
    return _wait(cluster, cluster.producers, "a producer")


def _drain(cluster: Cluster, calm: ProcessSettings) -> Sequence[str]:
    """Wait until workers without faults have ended all jobs, or end none any more."""
    cluster.settings = evolve(cluster.settings, location=calm.location)
    least, deadline = float("inf"), 0.0
    with closing(calm.database.connect()) as connection:
        if calm.schema:
            connection.autocommit = True
        while left := observations.unfinished(connection, calm):
            if left < least:
                least, deadline = left, monotonic() + DRAIN_TIMEOUT
            if monotonic() > deadline:
                return [_stuck(cluster, left)]
            _start_missing(cluster, producers=0)
            cluster.poll()
            sleep(_PACE)
    return []


def _stuck(cluster: Cluster, left: int) -> str:
    """Make all workers write their stacks to stderr, and return the problem."""
    for one in cluster.workers:
        one.signal(signal.SIGUSR1)
    return f"{left} jobs were left, and none ended within {DRAIN_TIMEOUT:g} s without faults"


def _stop(cluster: Cluster) -> Sequence[str]:
    for one in cluster.workers:
        one.terminate()
    return _wait(cluster, [*cluster.workers, *cluster.others], "a process")


def _wait(cluster: Cluster, processes: Sequence[object], what: str) -> Sequence[str]:
    waited_for = [one for one in cluster.processes if one in processes]
    if cluster.wait_ended(waited_for, _STOP_TIMEOUT):
        return []
    return [f"{what} did not end within {_STOP_TIMEOUT:g} s of SIGTERM"]


def _kill_all(cluster: Cluster) -> None:
    for one in cluster.processes:
        one.kill()
    cluster.wait_ended(cluster.processes, _STOP_TIMEOUT)

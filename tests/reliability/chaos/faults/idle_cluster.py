"""Clusters without processes, for the tests of faults."""

from pathlib import Path
from random import Random
from typing import Any, final

from tests.fixtures.databases import Database, PostgresSchema
from tests.reliability.chaos.cluster import Cluster, Fault
from tests.reliability.chaos.settings import ProcessSettings, settings_for

_MANY = 100
"""The number of injections within which every random choice has been made."""


@final
class IdleForkServer:
    """A fork server that starts nothing, and reports its processes as running."""

    def __init__(self) -> None:
        self.started: list[ProcessSettings] = []

    def start(self, settings: ProcessSettings) -> int:
        self.started.append(settings)
        return 1

    def reap(self, pid: int) -> int | None:
        return None


def idle_cluster_on(database: Database, folder: Path, fault: Fault, **others: Any) -> Cluster:
    """Return a cluster in which nothing happens except this fault."""
    fork_server: Any = IdleForkServer()
    calm = settings_for(database, str(folder / "journal"), details=others.pop("details", {}))
    return Cluster(
        store="postgres" if isinstance(database, PostgresSchema) else "sqlite",
        database=database,
        folder=folder,
        random=Random(1),
        settings=fault.configure(calm),
        fork_server=fork_server,
        **others,
    )


def inject_until(fault: Fault, cluster: Cluster, what: str) -> None:
    """Inject a fault until it has counted `what`."""
    before = cluster.counts[what]
    for _ in range(_MANY):
        fault.inject(cluster)
        if cluster.counts[what] > before:
            return
    raise AssertionError(f"{_MANY} injections without {what}")

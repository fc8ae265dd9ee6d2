"""Two versions of bgjobs on one database: the newer one migrates it while the older one runs.

The newer version is this code with one more migration, which only adds columns and a table.
Running processes must continue; an older process that starts afterwards must refuse to run.
"""

import sys
import time
from collections.abc import Collection
from typing import Any, final

import anyio
from attrs import evolve, frozen

import bgjobs
from bgjobs.errors import SchemaMismatchError, StoreError
from bgjobs.stores.sql import Statements
from bgjobs.stores.types import SCHEMA_VERSION
from tests.reliability.chaos.cluster import Cluster, Fault
from tests.reliability.chaos.processes import producer, worker
from tests.reliability.chaos.settings import ProcessSettings

NEWER = SCHEMA_VERSION + 1
_RETRY_DELAY = 0.05
"""Seconds between two starts."""
MIGRATION = f"{NEWER:04}_remarks"
_ADDS = """
alter table {jobs} add column remark text;
alter table {jobs_succeeded} add column remark text;
create table {remarks} (id integer);
"""


def become_newer() -> None:
    """Make this process one of the newer version, permanently."""
    migrations, migration = Statements.migrations, Statements.migration

    def newer_migrations(statements: Statements) -> list[str]:
        return [*migrations(statements), f"{MIGRATION}.sql"]

    def newer_migration(statements: Statements, file: str) -> tuple[str, ...]:
        if file != f"{MIGRATION}.sql":
            return migration(statements, file)
        return statements.filled(_ADDS)

    changed: Any = Statements
    changed.migrations, changed.migration = newer_migrations, newer_migration
    for name, module in tuple(sys.modules.items()):
        if name.startswith("bgjobs.") and "SCHEMA_VERSION" in vars(module):
            vars(module)["SCHEMA_VERSION"] = NEWER


def newer_worker(settings: ProcessSettings) -> int:
    """Run a worker of the newer version."""
    become_newer()
    return worker.main(settings)


def newer_producer(settings: ProcessSettings) -> int:
    """Run a producer of the newer version."""
    become_newer()
    return producer.main(settings)


def start_until_refused(settings: ProcessSettings) -> None:
    """Start the application of this version repeatedly, until the schema is refused."""
    while True:
        try:
            anyio.run(_run_once, settings)
        except SchemaMismatchError as error:
            if error.found == NEWER:
                return
            raise
        except StoreError:  # caused by another fault
            pass
        time.sleep(_RETRY_DELAY)


async def _run_once(settings: ProcessSettings) -> None:
    async with bgjobs.run(bgjobs.Config(store=settings.store(), enqueue_only=[_nothing])):
        pass


@bgjobs.worker
async def _nothing() -> None:
    """Do nothing; an application needs a worker."""


@final
@frozen
class Upgrade:
    """Start only workers of the newer version from some moment on, beside the older ones."""

    name: str
    stores: Collection[str] = ("sqlite", "postgres")

    def configure(self, settings: ProcessSettings) -> ProcessSettings:
        return settings

    def inject(self, cluster: Cluster) -> None:
        newer = f"{__name__}:{newer_worker.__name__}"
        if cluster.settings.program == newer or cluster.random.random() < 0.5:
            return
        # From now on all new processes are newer: an older one would refuse the schema.
        cluster.settings = evolve(cluster.settings, program=newer)
        cluster.vary_producers(self.name, _newer_producer)
        cluster.start_worker()
        refused = cluster.start_other(f"{__name__}:{start_until_refused.__name__}")
        refused.was_terminated = True  # it ends with code 0 by itself
        cluster.count("upgrades")

    def undo(self, cluster: Cluster) -> None:
        """Do nothing: the workers that drain the queue are of the newer version, too."""


def _newer_producer(settings: ProcessSettings) -> ProcessSettings:
    return evolve(settings, program=f"{__name__}:{newer_producer.__name__}")


FAULTS: tuple[Fault, ...] = (Upgrade("upgrade"),)

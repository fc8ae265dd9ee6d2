"""Two versions of bgjobs on one database: the newer one migrates it while the older one works.

The newer one is this code with one migration more, which only adds. Whoever runs goes on;
an older process that begins afterwards has to refuse.
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
from tests.reliability.chaos import producer, worker
from tests.reliability.chaos.arena import Arena
from tests.reliability.chaos.faults import Fault
from tests.reliability.chaos.storm_orders import Orders

NEWER = SCHEMA_VERSION + 1
_PACE = 0.05
"""Seconds between two tries."""
MIGRATION = f"{NEWER:04}_remarks"
_ADDS = """
alter table {jobs} add column remark text;
alter table {jobs_succeeded} add column remark text;
create table {remarks} (id integer);
"""


def become_newer() -> None:
    """Make this process one of the next version; nothing leads back."""
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


def newer_worker(orders: Orders) -> int:
    """Work as the next version would."""
    become_newer()
    return worker.main(orders)


def newer_producer(orders: Orders) -> int:
    """Enqueue as the next version would."""
    become_newer()
    return producer.main(orders)


def too_late(orders: Orders) -> None:
    """Begin again and again as this version, until that is refused."""
    while True:
        try:
            anyio.run(_begin_and_end, orders)
        except SchemaMismatchError as error:
            if error.found == NEWER:
                return
            raise
        except StoreError:  # another fault's doing
            pass
        time.sleep(_PACE)


async def _begin_and_end(orders: Orders) -> None:
    async with bgjobs.run(bgjobs.Config(store=orders.store(), enqueue_only=[_nothing])):
        pass


@bgjobs.worker
async def _nothing() -> None:
    """Stand for a worker, as no application is without one."""


@final
@frozen
class Upgrade:
    """After a while newer workers are started beside the older ones, and no more older ones."""

    name: str
    stores: Collection[str] = ("sqlite", "postgres")

    def orders(self, orders: Orders) -> Orders:
        return orders

    def strike(self, arena: Arena) -> None:
        newer = f"{__name__}:{newer_worker.__name__}"
        if arena.orders.program == newer or arena.random.random() < 0.5:
            return
        # Those who begin from now on are newer: an older one would refuse.
        arena.orders = evolve(arena.orders, program=newer)
        arena.vary_producers(self.name, _newer_producer)
        arena.start_worker()
        refused = arena.start_other(f"{__name__}:{too_late.__name__}")
        refused.is_told = True  # it ends by itself
        arena.count("upgrades")

    def end(self, arena: Arena) -> None:
        """Let it be: whoever cleans up is of the newer version, too."""


def _newer_producer(orders: Orders) -> Orders:
    return evolve(orders, program=f"{__name__}:{newer_producer.__name__}")


FAULTS: tuple[Fault, ...] = (Upgrade("upgrade"),)

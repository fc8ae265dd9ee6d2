"""The contract of `Store` as checks, for authors of stores.

Each check is a plain function that takes a new store, open, migrated and empty. A check raises
`AssertionError` if the store breaks the contract. Run all `CHECKS`, for example with pytest::

    @pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
    def test_contract(check, my_store):
        check(my_store)

`TRANSACTION_CHECKS` take a second argument, `connect`. ``connect()`` is a context manager for a
new connection of your database driver to the same database, without an open transaction. The
methods ``commit()`` and ``rollback()`` of the connection end the transaction of `enqueue_in`.
Leave these checks out for a store that a second connection cannot reach, such as one in memory.

`OPERATIONS_CHECKS` take a store that also has `operations`, and `NURSERY_CHECKS` one that has
`operations` and `nurseries`. `NONBLOCKING_CHECKS` take one that also has `nonblocking`. Leave
them out for other stores.

No check sleeps: the argument `now` moves the time. The functions passed to `complete` call
``connection.execute(sql).fetchall()`` with plain SQL; `execute` may return any cursor.
"""

from collections.abc import Callable
from types import ModuleType
from typing import Any

from bgjobs.stores.operations import OperatedStore
from bgjobs.stores.port import Store
from bgjobs.testing.contract import (
    activity,
    audit,
    cancellations,
    caps,
    changes,
    completions,
    concurrency,
    counts,
    enqueue,
    families,
    family_changes,
    filters,
    followers,
    histories,
    hooks,
    leases,
    lifecycle,
    listings,
    marked_ends,
    neighbours,
    nonblocking_reservations,
    nonblocking_writes,
    nurseries,
    operated_listings,
    operated_neighbours,
    owners,
    positions,
    progress,
    reservations,
    results,
    retention,
    retries,
    searches,
    settlements,
    states,
    transactions,
    unique_keys,
    values,
    waits,
)
from bgjobs.testing.contract.nonblocking_reservations import without_thread
from bgjobs.testing.contract.nonblocking_steps import NonBlockingStore
from bgjobs.testing.contract.nurseries import ParentStore
from bgjobs.testing.contract.transactions import Connect

__all__ = [
    "CHECKS",
    "NONBLOCKING_CHECKS",
    "NURSERY_CHECKS",
    "OPERATIONS_CHECKS",
    "TRANSACTION_CHECKS",
    "Connect",
    "NonBlockingStore",
    "ParentStore",
]


def _checks(*modules: ModuleType) -> tuple[Callable[..., Any], ...]:
    return tuple(
        member
        for module in modules
        for name, member in vars(module).items()
        if name.startswith("check_")
    )


CHECKS: tuple[Callable[[Store], None], ...] = _checks(
    lifecycle,
    enqueue,
    values,
    unique_keys,
    reservations,
    caps,
    settlements,
    progress,
    histories,
    completions,
    hooks,
    results,
    followers,
    leases,
    owners,
    positions,
    states,
    listings,
    filters,
    searches,
    counts,
    retention,
    neighbours,
    concurrency,
)
TRANSACTION_CHECKS: tuple[Callable[[Store, Connect], None], ...] = _checks(transactions)
OPERATIONS_CHECKS: tuple[Callable[[OperatedStore], None], ...] = _checks(
    audit,
    cancellations,
    retries,
    changes,
    marked_ends,
    operated_listings,
    operated_neighbours,
    activity,
)
NURSERY_CHECKS: tuple[Callable[[ParentStore], None], ...] = _checks(
    nurseries, waits, families, family_changes
)
NONBLOCKING_CHECKS: tuple[Callable[[NonBlockingStore], None], ...] = (
    *_checks(nonblocking_writes, nonblocking_reservations),
    *map(without_thread, _checks(reservations, positions)),
)

"""The contract of `Store` as checks, for authors of adapters.

Each check is a plain function that gets a store of its own, open, migrated and empty. Run all
of `CHECKS`, for example with pytest::

    @pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
    def test_contract(check, my_store):
        check(my_store)

Those of `TRANSACTION_CHECKS` get a second argument: `connect()`, a context manager that gives
a new connection of your database's driver, with no transaction open, to the same database. Its
`commit()` and `rollback()` end what `enqueue_in` wrote. Leave them out for a store that no
second connection can reach, such as one in memory.

Those of `OPERATIONS_CHECKS` are for a store that has the second port, too, as its `operations`;
leave them out for another.

No check sleeps: time is stepped by the argument `now`. The functions given to `complete` call
`connection.execute(sql).fetchall()` with plain SQL; `execute` may give back any cursor.
"""

from collections.abc import Callable
from types import ModuleType
from typing import Any

from bgjobs.stores.operations import OperatedStore
from bgjobs.stores.port import Store
from bgjobs.testing.contract import (
    cancelling,
    capping,
    changing,
    completing,
    concurrency,
    counting,
    deleting,
    enqueueing,
    fences,
    following,
    leases,
    lifecycle,
    listing,
    neighbours,
    occurrences,
    operated_neighbours,
    priorities,
    pruning,
    replacing,
    reserving,
    retrying,
    searching,
    settling,
    transactions,
    unique_keys,
    unreadable,
    values,
)
from bgjobs.testing.contract.transactions import Connect

__all__ = ["CHECKS", "OPERATIONS_CHECKS", "TRANSACTION_CHECKS", "Connect"]


def _checks(*modules: ModuleType) -> tuple[Callable[..., Any], ...]:
    return tuple(
        member
        for module in modules
        for name, member in vars(module).items()
        if name.startswith("check_")
    )


CHECKS: tuple[Callable[[Store], None], ...] = _checks(
    lifecycle,
    enqueueing,
    values,
    unique_keys,
    reserving,
    priorities,
    capping,
    settling,
    fences,
    completing,
    following,
    occurrences,
    replacing,
    leases,
    listing,
    counting,
    pruning,
    neighbours,
    concurrency,
)
TRANSACTION_CHECKS: tuple[Callable[[Store, Connect], None], ...] = _checks(transactions)
OPERATIONS_CHECKS: tuple[Callable[[OperatedStore], None], ...] = _checks(
    cancelling,
    deleting,
    retrying,
    changing,
    searching,
    unreadable,
    operated_neighbours,
)

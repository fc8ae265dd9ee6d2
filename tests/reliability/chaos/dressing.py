"""Changes of a worker's configuration that faults ask for; they travel by name."""

from collections.abc import Callable
from typing import Any

from attrs import evolve

import bgjobs
from tests.reliability.chaos.storm_orders import Orders


def dressed(
    orders: Orders, function: Callable[[bgjobs.Config, Orders], bgjobs.Config]
) -> Orders:
    """Let every worker hand its configuration to this function of a module."""
    # Any, as mypy cannot tell what the field's converter takes.
    functions: Any = [*orders.dress, f"{function.__module__}:{function.__name__}"]
    return evolve(orders, dress=functions)


def inner_store(config: bgjobs.Config) -> Any:
    """Give the store below whatever tests have put around it.

    What is done to it is no part of its interface, hence Any.
    """
    store: Any = config.store
    while not isinstance(store, bgjobs.SQLiteStore | bgjobs.PostgresStore):
        store = store._store
    return store

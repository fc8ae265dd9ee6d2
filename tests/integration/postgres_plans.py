"""The plans of statements on a server."""

from collections.abc import Iterator
from typing import Any

import psycopg

from bgjobs.stores.postgres import PostgresStore


def explained(
    store: PostgresStore, dsn: str, name: str, values: dict[str, Any]
) -> list[dict[str, Any]]:
    """Run a statement, roll it back, and return the nodes of its plan."""
    with psycopg.connect(dsn) as connection:
        text = b"explain (analyze, format json) " + store._sql[name]
        [[[found]]] = connection.execute(text, values, prepare=False).fetchall()
        connection.rollback()
    return list(_nodes(found["Plan"]))


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", []):
        yield from _nodes(part)

"""The plans of statements on a server."""

import re
from collections.abc import Iterator
from typing import Any

import psycopg
from psycopg.sql import SQL, Literal

from bgjobs.stores.postgres import PostgresStore

_PARAMETER = re.compile(rb"%\((\w+)\)s")


def explained(
    store: PostgresStore, dsn: str, name: str, values: dict[str, Any]
) -> list[dict[str, Any]]:
    """Run a statement, roll it back, and return the nodes of its plan."""
    with psycopg.connect(dsn) as connection:
        text = b"explain (analyze, buffers, format json) " + store._sql[name]
        [[[found]]] = connection.execute(text, values, prepare=False).fetchall()
        connection.rollback()
    return list(_nodes(found["Plan"]))


def explained_in_general(
    store: PostgresStore, dsn: str, name: str, values: dict[str, Any]
) -> list[dict[str, Any]]:
    """Do the same with the plan that a prepared statement may have for any values."""
    names = list(dict.fromkeys(_PARAMETER.findall(store._sql[name])))
    text = _PARAMETER.sub(lambda found: b"$%d" % (names.index(found[1]) + 1), store._sql[name])
    given = SQL(", ").join(Literal(values[one.decode()]) for one in names)
    with psycopg.connect(dsn) as connection:
        connection.execute("set local plan_cache_mode = force_generic_plan")
        connection.execute(b"prepare asked as " + text)
        query = SQL("explain (analyze, format json) execute asked ({})").format(given)
        [[[found]]] = connection.execute(query).fetchall()
        connection.rollback()
    return list(_nodes(found["Plan"]))


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", []):
        yield from _nodes(part)

"""What is wrong with the tables and indexes of a server, as its clients can see it.

With the extension amcheck, what that says. Without it every table is read whole, and counted
once through each of its indexes: an entry too many or too few is seen so, a wrong order within
an index is not.
"""

from collections.abc import Iterator
from typing import Any, final

import psycopg
from attrs import frozen

_Connection = psycopg.Connection[Any]

_AMCHECK = "select 1 from pg_available_extensions where name = 'amcheck'"
_INDEXES = """
    select i.indexrelid, i.indexrelid::regclass::text, i.indrelid, i.indrelid::regclass::text,
        coalesce(pg_get_expr(i.indpred, i.indrelid), 'true')
    from pg_index i
    join pg_class c on c.oid = i.indexrelid
    join pg_namespace n on n.oid = c.relnamespace
    join pg_am a on a.oid = c.relam
    where a.amname = 'btree' and c.relpersistence = 'p'
    and n.nspname not like 'pg\\_%' and n.nspname <> 'information_schema'
    order by 2
"""
_TABLES = """
    select c.oid::regclass::text
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind = 'r' and c.relpersistence = 'p'
    and n.nspname not like 'pg\\_%' and n.nspname <> 'information_schema'
"""
_BY_SCAN = {"heap": ("on", "off"), "index": ("off", "on")}


@final
@frozen
class _Index:
    oid: int
    name: str
    table_oid: int
    table: str
    predicate: str


def problems(dsn: str) -> list[str]:
    """Tell what is wrong, with nothing."""
    with psycopg.connect(dsn) as connection:
        if connection.execute(_AMCHECK).fetchone():
            return list(_told_by_amcheck(connection))
        return list(_told_by_counting(connection))


def _told_by_amcheck(connection: _Connection) -> Iterator[str]:
    connection.execute("create extension if not exists amcheck")
    for index in _indexes(connection):
        try:
            with connection.transaction():
                connection.execute("select bt_index_parent_check(%s, true)", [index.oid])
        except psycopg.Error as error:
            yield f"{index.name}: {error}"
    for (table,) in connection.execute(_TABLES).fetchall():
        found = connection.execute("select * from verify_heapam(%s)", [table])
        yield from (f"{table}: {row}" for row in found)


def _told_by_counting(connection: _Connection) -> Iterator[str]:
    for (table,) in connection.execute(_TABLES).fetchall():
        try:
            with connection.transaction():
                connection.execute(f"select sum(length(t::text)) from {table} t".encode())
        except psycopg.Error as error:
            yield f"{table}: {error}"
    for index in _indexes(connection):
        try:
            rows, entries = (
                _count(connection, index, "heap"),
                _count(connection, index, "index"),
            )
        except psycopg.Error as error:
            yield f"{index.name}: {error}"
            continue
        if rows != entries:
            yield f"{index.name}: {entries} entries for {rows} rows of {index.table}"


def _indexes(connection: _Connection) -> list[_Index]:
    return [_Index(*row) for row in connection.execute(_INDEXES).fetchall()]


def _count(connection: _Connection, index: _Index, by: str) -> int:
    """Count the rows of an index, in its table or through itself and no other."""
    with connection.transaction(force_rollback=True):
        connection.execute(
            "update pg_index set indisvalid = indexrelid = %s where indrelid = %s",
            [index.oid, index.table_oid],
        )
        through_table, through_index = _BY_SCAN[by]
        connection.execute(f"set local enable_seqscan = {through_table}".encode())
        for way in ("indexscan", "indexonlyscan"):
            connection.execute(f"set local enable_{way} = {through_index}".encode())
        connection.execute("set local enable_bitmapscan = off")
        query = f"select count(*) from {index.table} where {index.predicate}"
        plan = connection.execute(f"explain {query}".encode()).fetchall()
        assert (by == "index") == any(index.name.split(".")[-1] in row[0] for row in plan), plan
        [[count]] = connection.execute(query.encode()).fetchall()
    return int(count)

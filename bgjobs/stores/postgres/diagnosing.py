"""What may be wrong with a PostgreSQL server, its statistics and its settings."""

import select
from collections.abc import Callable, Sequence

from bgjobs.stores.abc import Watcher
from bgjobs.stores.operations import Finding, Level
from bgjobs.stores.postgres import writing
from bgjobs.stores.postgres.calls import Calls
from bgjobs.stores.postgres.rows import Parameters, Row
from bgjobs.stores.postgres.watcher import NO_NEWS

MANY_DEAD = 100_000
"""Dead rows; beyond these, and more than the living, claims read more than they take."""
LONG_TRANSACTION = 600
"""Seconds; while one is open nothing that died since it began can be cleaned up."""
HEARING = 5.0
"""Seconds that a notification may take."""

INDEXES = (
    *("jobs_ready", "jobs_reserved", "jobs_unique"),
    *(
        "jobs_succeeded_at",
        "jobs_failed_at",
        "jobs_succeeded_by_name",
        "jobs_failed_by_name",
        "jobs_failed_words",
    ),
)

_SERVER = b"""
select
    pg_catalog.current_setting('server_version'),
    pg_catalog.pg_is_in_recovery(),
    pg_catalog.current_setting('fsync'),
    pg_catalog.current_setting('synchronous_commit')
"""
_INDEXES = b"""
select index_name.relname::text
from pg_catalog.pg_index as index_of
join pg_catalog.pg_class as index_name on index_name.oid = index_of.indexrelid
join pg_catalog.pg_namespace as place on place.oid = index_name.relnamespace
where place.nspname = %(schema)s and index_of.indisvalid
"""
_TUPLES = b"""
select n_live_tup, n_dead_tup, coalesce(last_autovacuum::text, 'never')
from pg_catalog.pg_stat_user_tables
where schemaname = %(schema)s and relname = 'jobs'
"""
_OLDEST = b"""
select coalesce(
    extract(epoch from pg_catalog.clock_timestamp() - min(xact_start))::double precision, 0
)
from pg_catalog.pg_stat_activity
where datname = pg_catalog.current_database() and pid <> pg_catalog.pg_backend_pid()
"""


def diagnose(calls: Calls, watch: Callable[[], Watcher | None]) -> Sequence[Finding]:
    """Look at the server, the indexes, the dead rows, other transactions and LISTEN."""
    schema = {"schema": calls.sql.schema}
    return [
        *_server(_row(calls, _SERVER, {})),
        _indexes(calls.alone(lambda raw: calls.sql.run(raw, _INDEXES, schema))),
        dead_tuples(_row(calls, _TUPLES, schema)),
        oldest_transaction(_row(calls, _OLDEST, {})[0]),
        _listening(calls, watch),
    ]


def _row(calls: Calls, statement: bytes, values: Parameters) -> Row:
    found = calls.alone(lambda raw: calls.sql.run(raw, statement, values))
    return found[0] if found else (0, 0, "never")


def _server(row: Row) -> Sequence[Finding]:
    version, in_recovery, fsync, synchronous = row
    settings = f"fsync {fsync}, synchronous_commit {synchronous}"
    safe = (fsync, synchronous != "off") == ("on", True)
    standing = "a standby, which takes no writes" if in_recovery else "takes writes"
    return [
        Finding("server", "problem" if in_recovery else "ok", f"{version}, {standing}"),
        Finding(
            "durability",
            "ok" if safe else "warning",
            settings if safe else f"{settings}: a crash of the server may lose commits",
        ),
    ]


def _indexes(found: Sequence[Row]) -> Finding:
    missing = sorted(set(INDEXES).difference(row[0] for row in found))
    if missing:
        return Finding("index use", "problem", f"missing or invalid: {', '.join(missing)}")
    return Finding("index use", "ok", f"all {len(INDEXES)} indexes are there and valid")


def dead_tuples(row: Row) -> Finding:
    """Judge the statistics of the table of live jobs."""
    live, dead, vacuumed = row
    level: Level = "warning" if dead > max(MANY_DEAD, live) else "ok"
    return Finding(
        "dead tuples", level, f"{dead:,} beside {live:,} live ones; last autovacuum {vacuumed}"
    )


def oldest_transaction(seconds: float) -> Finding:
    """Judge how long the oldest transaction of this database has been open."""
    text = f"the oldest has been open for {seconds:,.0f} s"
    if seconds > LONG_TRANSACTION:
        return Finding(
            "transactions", "warning", f"{text}; what died since cannot be cleaned up"
        )
    return Finding("transactions", "ok", text)


def _listening(calls: Calls, watch: Callable[[], Watcher | None]) -> Finding:
    watcher = watch()
    if watcher is None:
        return Finding("LISTEN", "ok", "switched off; queues poll")
    try:
        step = writing.notifying(calls.sql, (NO_NEWS,))
        calls.alone(lambda raw: calls.sql.run(raw, *step))
        heard, _, _ = select.select([watcher.fileno()], [], [], HEARING)
    finally:
        watcher.close()
    if heard:
        return Finding("LISTEN", "ok", "notifications arrive")
    text = "no notification arrives: behind a transaction pooler give listen_dsn=..."
    return Finding("LISTEN", "problem", text)

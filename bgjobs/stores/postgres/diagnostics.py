"""What may be wrong with a PostgreSQL server, its statistics and its settings."""

import select
from collections.abc import Sequence

from bgjobs.stores.operations import Finding, Level
from bgjobs.stores.postgres import horizon, writes
from bgjobs.stores.postgres.calls import Calls
from bgjobs.stores.postgres.codec import Parameters, Row
from bgjobs.stores.postgres.listener import OFF, Listening
from bgjobs.stores.postgres.pool import AnyConnection
from bgjobs.stores.postgres.watcher import NO_NEWS

MANY_DEAD = 100_000
"""Dead rows; beyond these, and more than the living, claims read more than they take."""
HEARING = 5.0
"""Seconds that a notification may take."""

INDEXES = (
    *("jobs_ready", "jobs_reserved", "jobs_unique", "jobs_prompt", "jobs_delayed"),
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


def diagnose(calls: Calls, listening: Listening) -> Sequence[Finding]:
    """Look at the server, the way there, indexes, dead rows, what keeps them, and LISTEN."""
    schema = {"schema": calls.sql.schema}
    found = _rows(calls, _TUPLES, schema)
    tuples = found[0] if found else (0, 0, "never")
    return [
        *_server(_rows(calls, _SERVER, {})[0]),
        _way(calls),
        _indexes(_rows(calls, _INDEXES, schema)),
        dead_tuples(tuples),
        *horizon.findings(_rows(calls, horizon.HOLDERS, {}), tuples[1]),
        _listening(calls, listening),
    ]


def _rows(calls: Calls, statement: bytes, values: Parameters) -> Sequence[Row]:
    return calls.alone(lambda raw: calls.run_all(raw, [(statement, values)]))[0]


def _way(calls: Calls) -> Finding:
    def look(connection: AnyConnection) -> bool:
        return calls.session(connection).is_direct

    if calls.alone(look):
        return Finding("connections", "ok", "lead to the server itself")
    return Finding(
        "connections", "ok", "lead through a pooler; what it cannot bear is not used"
    )


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


def _listening(calls: Calls, listening: Listening) -> Finding:
    watcher = listening.open(calls.live)
    if watcher is None:
        level: Level = "ok" if listening.off_because == OFF else "warning"
        return Finding("LISTEN", level, f"queues poll: {listening.off_because}")
    try:
        step = writes.notifying(calls.sql, (NO_NEWS,))
        calls.alone(lambda raw: calls.sql.run(raw, *step))
        heard, _, _ = select.select([watcher.fileno()], [], [], HEARING)
    finally:
        watcher.close()
    if heard:
        return Finding("LISTEN", "ok", "notifications arrive")
    text = "no notification arrives: give listen_dsn=... that leads to the server itself"
    return Finding("LISTEN", "problem", text)

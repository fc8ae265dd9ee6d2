"""Checks of a PostgreSQL server, its statistics and settings, and of what delays vacuum.

A dead row stays as long as a transaction may want to see it, and every reservation reads past
it: see https://www.postgresql.org/docs/current/routine-vacuuming.html. No statement of another
session is shown, since it may contain a payload.
"""

import select
from collections.abc import Sequence

from attrs import frozen

from bgjobs.stores.operations import Finding, Level
from bgjobs.stores.postgres.codec import Parameters, Row
from bgjobs.stores.postgres.connections import PostgresDatabase
from bgjobs.stores.postgres.listener import OFF, ListenConnector
from bgjobs.stores.postgres.pool import AnyConnection
from bgjobs.stores.types import Notice

MANY_DEAD = 100_000
"""Dead rows. With more, and more than live ones, reservations mostly read dead rows."""
NOTIFICATION_TIMEOUT = 5.0
"""Seconds that a notification may take."""
LONG = 60.0
"""Seconds; jobs that end meanwhile leave dead rows where each reservation begins to read."""
OLD = 100_000
"""Transactions; for holders whose duration is not known."""
_LONGEST_NAME = 60

INDEXES = (
    *("jobs_ready", "jobs_reserved", "jobs_unique", "jobs_prompt", "jobs_delayed"),
    *(
        "jobs_succeeded_at",
        "jobs_failed_at",
        "jobs_succeeded_by_name",
        "jobs_failed_by_name",
        "jobs_failed_words",
        "jobs_cancelled_at",
        "jobs_cancelled_by_name",
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
# Vacuum itself does not want to see old rows.
_HOLDERS = b"""
select held.kind, held.name, held.state, held.seconds, held.age
from (
    select
        case when backend_type = 'walsender' then 'standby' else 'session' end as kind,
        pid::text as name,
        pg_catalog.concat_ws(
            ', ', nullif(application_name, ''), 'user ' || usename, state
        ) as state,
        extract(epoch from pg_catalog.clock_timestamp() - xact_start)::double precision
            as seconds,
        greatest(pg_catalog.age(backend_xid), pg_catalog.age(backend_xmin)) as age
    from pg_catalog.pg_stat_activity
    where (datname is null or datname = pg_catalog.current_database())
        and (backend_xid is not null or backend_xmin is not null)
        and pid <> pg_catalog.pg_backend_pid()
        and leader_pid is null
        and pid not in (select pid from pg_catalog.pg_stat_progress_vacuum)
    union all
    select
        'prepared transaction', gid, 'user ' || owner,
        extract(epoch from pg_catalog.clock_timestamp() - prepared)::double precision,
        pg_catalog.age(transaction)
    from pg_catalog.pg_prepared_xacts
    where database = pg_catalog.current_database()
    union all
    select
        'replication slot', slot_name, case when active then 'active' else 'inactive' end,
        null, pg_catalog.age(xmin)
    from pg_catalog.pg_replication_slots
    where xmin is not null
) as held
order by held.age desc
limit 3
"""
_REMEDIES = {
    "session": "make it commit more often, or end it with pg_terminate_backend(pid), and set "
    "idle_in_transaction_session_timeout",
    "standby": "end its long queries, or switch its hot_standby_feedback off",
    "prepared transaction": "commit prepared or rollback prepared",
    "replication slot": "let its standby catch up, or remove it if it is not needed",
}


def diagnose(database: PostgresDatabase, listen: ListenConnector) -> Sequence[Finding]:
    """Check the server, the connection, indexes, dead rows, what keeps them, and LISTEN."""
    schema = {"schema": database.sql.schema}
    found = _rows(database, _TUPLES, schema)
    tuples = found[0] if found else (0, 0, "never")
    return [
        *_server(_rows(database, _SERVER, {})[0]),
        _connections(database),
        _indexes(_rows(database, _INDEXES, schema)),
        dead_tuples(tuples),
        *old_transactions(_rows(database, _HOLDERS, {}), tuples[1]),
        _notifications(database, listen),
    ]


def _rows(database: PostgresDatabase, statement: bytes, values: Parameters) -> Sequence[Row]:
    return database.read((statement, values))


def _connections(database: PostgresDatabase) -> Finding:
    def is_direct(connection: AnyConnection) -> bool:
        return database.session(connection).is_direct

    if database.alone(is_direct):
        return Finding("connections", "ok", "lead to the server itself")
    return Finding(
        "connections", "ok", "lead through a pooler; features that need a session are not used"
    )


def _server(row: Row) -> Sequence[Finding]:
    version, in_recovery, fsync, synchronous = row
    settings = f"fsync {fsync}, synchronous_commit {synchronous}"
    safe = (fsync, synchronous != "off") == ("on", True)
    role = "a standby, which takes no writes" if in_recovery else "takes writes"
    return [
        Finding("server", "problem" if in_recovery else "ok", f"{version}, {role}"),
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


@frozen
class _SnapshotHolder:
    """A session, transaction or slot that may still want to see dead rows."""

    kind: str
    name: str
    state: str | None
    seconds: float | None
    """For how long; None if the server does not tell, to this role or at all."""
    age: int
    """How many transactions have begun since."""

    @property
    def is_old(self) -> bool:
        """Whether it is old enough to make reservations slow."""
        if self.seconds is None:
            return self.age > OLD
        return self.seconds > LONG

    def __str__(self) -> str:
        name = self.name[:_LONGEST_NAME]
        known = "for an unknown time" if self.seconds is None else f"for {self.seconds:,.0f} s"
        about = f" ({self.state[: 3 * _LONGEST_NAME]})" if self.state else ""
        return f"{self.kind} {name}{about} {known}, {self.age:,} transactions"


def old_transactions(held: Sequence[Row], dead: int) -> Sequence[Finding]:
    """Judge what delays vacuum, the oldest first."""
    old = [one for one in (_SnapshotHolder(*row) for row in held) if one.is_old]
    if not old:
        text = f"none has kept dead rows from being removed for longer than {LONG:.0f} s"
        return [Finding("transactions", "ok", text)]
    return [Finding("transactions", "warning", _warning(one, dead)) for one in old]


def _warning(holder: _SnapshotHolder, dead: int) -> str:
    return (
        f"{holder}: no row that died since can be removed, and each reservation reads past "
        f"them ({dead:,} dead rows now); {_REMEDIES[holder.kind]}"
    )


def _notifications(database: PostgresDatabase, listen: ListenConnector) -> Finding:
    source = listen.open(database.live)
    if source is None:
        level: Level = "ok" if listen.off_because == OFF else "warning"
        return Finding("LISTEN", level, f"queues poll: {listen.off_because}")
    try:
        step = database.sql.notification(Notice())
        database.alone(lambda connection: database.sql.run(connection, *step))
        arrived, _, _ = select.select([source.fileno()], [], [], NOTIFICATION_TIMEOUT)
    finally:
        source.close()
    if arrived:
        return Finding("LISTEN", "ok", "notifications arrive")
    text = "no notification arrives: give listen_dsn=... that leads to the server itself"
    return Finding("LISTEN", "problem", text)

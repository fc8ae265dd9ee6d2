"""What keeps vacuum from removing dead rows: whatever may still want to see them.

See "Routine Vacuuming" in PostgreSQL's documentation. No statement of another session is shown:
it may hold a payload.
"""

from collections.abc import Sequence

from attrs import frozen

from bgjobs.stores.operations import Finding
from bgjobs.stores.postgres.codec import Row

LONG = 60.0
"""Seconds; jobs that end meanwhile leave dead rows where each claim begins to read."""
OLD = 100_000
"""Transactions; for what does not tell since when it holds."""
_LONGEST_NAME = 60

HOLDERS = b"""
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
        -- Those that clean up do not want to see them.
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
    "session": "let it commit more often, or end it with pg_terminate_backend(pid), and set "
    "idle_in_transaction_session_timeout",
    "standby": "let it end its long queries, or switch its hot_standby_feedback off",
    "prepared transaction": "commit prepared or rollback prepared",
    "replication slot": "let its standby catch up, or remove it if nothing needs it",
}


@frozen
class Holder:
    """Something that may still want to see dead rows."""

    kind: str
    name: str
    state: str | None
    seconds: float | None
    """Since when; None where the server does not tell, to this role or at all."""
    age: int
    """How many transactions began since."""

    @property
    def is_old(self) -> bool:
        """Whether it holds for so long that claims get slow."""
        if self.seconds is None:
            return self.age > OLD
        return self.seconds > LONG

    def __str__(self) -> str:
        name = self.name[:_LONGEST_NAME]
        known = "for an unknown time" if self.seconds is None else f"for {self.seconds:,.0f} s"
        about = f" ({self.state[: 3 * _LONGEST_NAME]})" if self.state else ""
        return f"{self.kind} {name}{about} {known}, {self.age:,} transactions"


def findings(held: Sequence[Row], dead: int) -> Sequence[Finding]:
    """Judge what holds back vacuum, the oldest first; `dead` rows are in the table of jobs."""
    old = [one for one in (Holder(*row) for row in held) if one.is_old]
    if not old:
        text = f"none has kept dead rows from being removed for longer than {LONG:.0f} s"
        return [Finding("transactions", "ok", text)]
    return [Finding("transactions", "warning", _warning(one, dead)) for one in old]


def _warning(holder: Holder, dead: int) -> str:
    return (
        f"{holder}: no row that died since can be removed, and each claim reads past them "
        f"({dead:,} dead rows now); {_REMEDIES[holder.kind]}"
    )

"""Triggers that write down every change of a job, in the transaction that makes it.

A row of a job is locked from its change to the commit, so the numbers of one job's entries are
in the order of its commits.
"""

from typing import Any, final

from attrs import frozen

from tests.reliability.chaos.handlers import EFFECTS
from tests.reliability.chaos.producer import SALES
from tests.reliability.chaos.storm_orders import Orders

AUDIT = "storm_audit"
_NAMES = "what, job, owner, number, attempts, crashes, interruptions, due, lease_left, moment"
_COLUMNS = """
    what text, job text, owner text, number integer, attempts integer, crashes integer,
    interruptions integer, due double precision, lease_left double precision,
    moment double precision
"""


@final
@frozen
class Entry:
    """One change of one job."""

    what: str
    """"stored", "claimed", "robbed", "freed", "deleted", "succeeded" or "failed"."""
    job: str
    owner: str | None
    """Who holds it from now on, or did until now."""
    number: int
    attempts: int
    crashes: int
    interruptions: int
    due: float
    lease_left: float | None
    """Seconds that the owner's lease had left; None without an owner's row."""
    moment: float


def install(orders: Orders) -> None:
    """Make the tables of a storm, and the triggers."""
    serial = "bigserial" if orders.schema else "integer primary key autoincrement"
    tables = {
        EFFECTS: "job text, number integer, process integer",
        SALES: "key text",
        AUDIT: f"entry {serial}, {_COLUMNS}",
    }
    connection = orders.database.connect()
    try:
        with connection:
            for table, columns in tables.items():
                connection.execute(f"create table {orders.table(table)} ({columns})")
            for statement in _postgres(orders) if orders.schema else _sqlite():
                connection.execute(statement)
    finally:
        connection.close()


def entries(connection: Any, orders: Orders) -> list[Entry]:
    """Give all that was written down; a driver's connection is Any."""
    query = f"select {_NAMES} from {orders.table(AUDIT)} order by entry"
    return [Entry(*row) for row in connection.execute(query).fetchall()]


_SQLITE_NOW = "(julianday('now') - 2440587.5) * 86400.0"
_SQLITE_CHANGE = """case
    when new.reserved_by is null then 'freed'
    when old.reserved_by is null then 'claimed' else 'robbed' end"""
_IS_RESERVATION = "new.reserved_by is not null or old.reserved_by is not null"


def _sqlite() -> list[str]:
    holder = "coalesce(new.reserved_by, old.reserved_by)"
    return [
        _sqlite_trigger("insert on bgjobs_jobs", "'stored'"),
        _sqlite_trigger("delete on bgjobs_jobs", "'deleted'", "old.reserved_by", row="old"),
        _sqlite_trigger("insert on bgjobs_jobs_succeeded", "'succeeded'"),
        _sqlite_trigger("insert on bgjobs_jobs_failed", "'failed'"),
        _sqlite_trigger(
            f"update on bgjobs_jobs when {_IS_RESERVATION}", _SQLITE_CHANGE, holder
        ),
    ]


def _sqlite_trigger(
    change: str, word: str, owner: str = "new.reserved_by", *, row: str = "new"
) -> str:
    name = f"{change.split(maxsplit=1)[0]}_{change.split()[2]}"
    return f"""
        create trigger storm_{name} after {change} begin
            insert into {AUDIT} ({_NAMES}) values (
                {word}, {row}.id, {owner}, {row}.reservations, {row}.attempts, {row}.crashes,
                {row}.interruptions, {row}.available_at / 1e6,
                (select lease_expires_at / 1e6 - {_SQLITE_NOW}
                    from bgjobs_owners where id = {owner}),
                {_SQLITE_NOW}
            );
        end
    """


def _postgres(orders: Orders) -> list[str]:
    note = orders.table("storm_note")
    audit, owners, jobs = (orders.table(name) for name in (AUDIT, "owners", "jobs"))
    function = f"""
        create function {note}() returns trigger language plpgsql as $$
        declare
            word text = tg_argv[0];
            holder uuid = case tg_op when 'DELETE' then old.reserved_by
                else new.reserved_by end;
            was uuid = case tg_op when 'UPDATE' then old.reserved_by end;
            row record;
        begin
            if tg_op = 'UPDATE' and holder is null and was is null then
                return null;
            elsif tg_op = 'UPDATE'
                and to_jsonb(old) - 'unique_key' = to_jsonb(new) - 'unique_key'
            then  -- its key is free for what is stored in the transaction that ends it
                return null;
            elsif tg_op = 'UPDATE' then
                word = case when holder is null then 'freed'
                    when was is null then 'claimed' else 'robbed' end;
            end if;
            if tg_op = 'DELETE' then row = old; else row = new; end if;
            holder = coalesce(holder, was);
            insert into {audit} ({_NAMES}) values (
                word, row.id, holder, row.reservations, row.attempts, row.crashes,
                row.interruptions, extract(epoch from row.available_at),
                (select extract(epoch from lease_expires_at - clock_timestamp())
                    from {owners} where id = holder),
                extract(epoch from clock_timestamp())
            );
            return null;
        end $$
    """
    changes = [
        ("stored", "insert or update", jobs),
        ("deleted", "delete", jobs),
        ("succeeded", "insert", orders.table("jobs_succeeded")),
        ("failed", "insert", orders.table("jobs_failed")),
    ]
    return [function, *(_postgres_trigger(note, *change) for change in changes)]


def _postgres_trigger(function: str, word: str, change: str, table: str) -> str:
    return f"""
        create trigger storm_{word} after {change} on {table}
        for each row execute function {function}('{word}')
    """

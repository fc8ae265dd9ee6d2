"""An audit log: triggers record every change of a job, in the transaction that makes it.

The row of a job is locked from its change to the commit, so the entries of a job are numbered
in the order of its commits.
"""

from typing import Any, final

from attrs import frozen

from bgjobs._core.hooks import HOOK_OWNER
from tests.reliability.chaos.processes.handlers import EFFECTS, ENDS
from tests.reliability.chaos.processes.producer import SALES
from tests.reliability.chaos.settings import ProcessSettings

AUDIT = "chaos_audit"
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
    """"stored", "reserved", "marked", "stolen", "released", "deleted", or an end."""
    job: str
    owner: str | None
    """The owner of the reservation after the change, or else before it."""
    number: int
    attempts: int
    crashes: int
    interruptions: int
    due: float
    lease_left: float | None
    """Seconds until the lease of the owner ends; None if the owner has no row."""
    monotonic: float


def install(settings: ProcessSettings) -> None:
    """Create the tables of a phase, and the triggers."""
    serial = "bigserial" if settings.schema else "integer primary key autoincrement"
    tables = {
        EFFECTS: "job text, number integer, process integer",
        ENDS: "job text",
        SALES: "key text",
        AUDIT: f"entry {serial}, {_COLUMNS}",
    }
    connection = settings.database.connect()
    try:
        with connection:
            for table, columns in tables.items():
                connection.execute(f"create table {settings.table(table)} ({columns})")
            for statement in _postgres(settings) if settings.schema else _sqlite():
                connection.execute(statement)
    finally:
        connection.close()


def entries(connection: Any, settings: ProcessSettings) -> list[Entry]:
    """Return all entries; `connection` is one of either driver, hence Any."""
    query = f"select {_NAMES} from {settings.table(AUDIT)} order by entry"
    return [Entry(*row) for row in connection.execute(query).fetchall()]


_SQLITE_NOW = "(julianday('now') - 2440587.5) * 86400.0"
_SQLITE_CHANGE = f"""case
    when new.reserved_by is null then 'released'
    when new.reserved_by = '{HOOK_OWNER}' then 'marked'
    when old.reserved_by is null then 'reserved' else 'stolen' end"""
_IS_RESERVATION = """
    new.reserved_by is not old.reserved_by or new.reservations <> old.reservations"""


def _sqlite() -> list[str]:
    holder = "coalesce(new.reserved_by, old.reserved_by)"
    return [
        _sqlite_trigger("insert on bgjobs_jobs", "'stored'"),
        _sqlite_trigger("delete on bgjobs_jobs", "'deleted'", "old.reserved_by", row="old"),
        _sqlite_trigger("insert on bgjobs_jobs_succeeded", "'succeeded'"),
        _sqlite_trigger("insert on bgjobs_jobs_failed", "'failed'"),
        _sqlite_trigger("insert on bgjobs_jobs_cancelled", "'cancelled'"),
        _sqlite_trigger(
            f"update on bgjobs_jobs when {_IS_RESERVATION}", _SQLITE_CHANGE, holder
        ),
    ]


def _sqlite_trigger(
    change: str, word: str, owner: str = "new.reserved_by", *, row: str = "new"
) -> str:
    name = f"{change.split(maxsplit=1)[0]}_{change.split()[2]}"
    return f"""
        create trigger chaos_{name} after {change} begin
            insert into {AUDIT} ({_NAMES}) values (
                {word}, {row}.id, {owner}, {row}.reservations, {row}.attempts, {row}.crashes,
                {row}.interruptions, {row}.available_at / 1e6,
                (select lease_expires_at / 1e6 - {_SQLITE_NOW}
                    from bgjobs_owners where id = {owner}),
                {_SQLITE_NOW}
            );
        end
    """


_KEPT = "'{unique_key, progress, has_children, parent_id}'::text[]"
"""The columns of a job that may change while its reservation stays as it is."""


def _postgres(settings: ProcessSettings) -> list[str]:
    note = settings.table("chaos_note")
    audit, owners, jobs = (settings.table(name) for name in (AUDIT, "owners", "jobs"))
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
                and to_jsonb(old) - {_KEPT} = to_jsonb(new) - {_KEPT}
            then  -- its key is free for what is stored in the transaction that ends it
                return null;
            elsif tg_op = 'UPDATE' then
                word = case when holder is null then 'released'
                    when holder = '{HOOK_OWNER}' then 'marked'
                    when was is null then 'reserved' else 'stolen' end;
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
        ("succeeded", "insert", settings.table("jobs_succeeded")),
        ("failed", "insert", settings.table("jobs_failed")),
        ("cancelled", "insert", settings.table("jobs_cancelled")),
    ]
    return [function, *(_postgres_trigger(note, *change) for change in changes)]


def _postgres_trigger(function: str, word: str, change: str, table: str) -> str:
    return f"""
        create trigger chaos_{word} after {change} on {table}
        for each row execute function {function}('{word}')
    """

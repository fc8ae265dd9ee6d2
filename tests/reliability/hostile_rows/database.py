"""A database with its roles: writes rows without the library, and reads what is in it."""

import re
import secrets
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Literal, final
from uuid import UUID

import psycopg
from attrs import define, field
from psycopg.conninfo import make_conninfo

import bgjobs
from bgjobs._core.ids import new_id
from bgjobs.stores.sqlite.codec import DECODER
from tests.fixtures.databases import PostgresSchema, SQLiteFile
from tests.fixtures.hostile_rows import HostileRows
from tests.reliability.hostile_rows.rows import HOLDERS, QUEUES, Role, Row
from tests.reliability.hostile_rows.values import NOW

Kind = Literal["sqlite", "postgres"]
GRANTS = Path(__file__).parents[3] / "docs" / "operate" / "postgres-roles.sql"
ROLES: Sequence[Role | Literal["reader", "migrator"]] = (
    *("producer", "worker", "operator", "reader", "migrator"),
)
_REFUSED = (sqlite3.Error, psycopg.Error, UnicodeError, OverflowError)


@final
@define(eq=False)
class TestedDatabase:
    """The database of a run."""

    location: SQLiteFile | PostgresSchema
    store: Callable[[Role], bgjobs.Store]
    connect: Callable[[Role], Any]
    rows: HostileRows
    dsn_of_operator: str = ""
    """The connection string of the operator, on PostgreSQL."""
    taken: Counter[Role] = field(factory=Counter[Role], init=False)
    """The number of inserts and updates of each role that succeeded."""
    refused: int = field(default=0, init=False)
    """The number of rows that the database refused."""
    jobs: set[str] = field(factory=set[str], init=False)
    """The ids of the jobs of the application."""
    droppable: set[str] = field(factory=set[str], init=False)
    """The ids of the occurrences, which may be dropped."""
    shown_ids: dict[str, str] = field(factory=dict[str, str], init=False)
    """By the id of a job, the one that commands show and take: another one if it is no UUID."""
    _writers: dict[Role, Any] = field(factory=dict[Role, Any], init=False)
    _dead_owner: str = field(factory=lambda: str(new_id()), init=False)
    _living_owner: str = field(factory=lambda: str(new_id()), init=False)

    @property
    def is_postgres(self) -> bool:
        """Whether it is a schema of PostgreSQL."""
        return isinstance(self.location, PostgresSchema)

    def prepare(self) -> None:
        """Open the connections of all roles, and store the owners that rows refer to."""
        self._writers = {
            role: self.connect(role) for role in ("producer", "worker", "operator")
        }
        past, future = (
            ("1990-01-01 00:00:00+00", "9000-01-01 00:00:00+00")
            if self.is_postgres
            else (0, 221_845_392_000_000_000)
        )
        for key, at in ((self._dead_owner, past), (self._living_owner, future)):
            owner = {"id": key, "name": "stranger", "node": "n", "opened_at": past}
            self.rows.execute("owners", {**owner, "lease_expires_at": at})

    def close(self) -> None:
        """Close the connections of all roles."""
        for writer in self._writers.values():
            writer.close()

    def write(self, rows: Iterable[Row]) -> None:
        """Write rows without the library, each with its role, and count the accepted ones."""
        with self._transaction():
            for row in rows:
                is_taken = False
                with suppress(*_REFUSED):
                    is_taken = self._write_one(row)
                if is_taken:
                    self._note(row)
                else:
                    self.refused += 1

    def remove_limits(self) -> None:
        """Remove the limits of the schema, which an older version did not have."""
        self.rows.remove_limits()
        if not self.is_postgres:
            self._writers["worker"].execute("pragma ignore_check_constraints = on")

    def free_all(self) -> None:
        """Delete all owners; no application may run."""
        self.rows.run(f"delete from {self.rows.prefix}owners")

    def keys(self, table: str, column: str = "id", where: str = "true") -> set[str]:
        """Return the ids in a table as `key_of` writes them."""
        shown = f"{column}::text" if self.is_postgres else f"hex(cast({column} as blob))"
        query = f"select {shown} from {self.rows.prefix}{table} where {where}"
        return {row[0] for row in self.rows.run(query)}

    def key_of(self, found: Any) -> str:
        """Return an id in the form in which ids are compared here."""
        if self.is_postgres:
            return str(UUID(found)) if isinstance(found, str) else str(found)
        return (found if isinstance(found, bytes) else str(found).encode()).hex().upper()

    def unfinished(self, names: Sequence[str]) -> set[str]:
        """Return the ids of due and reserved jobs of these workers."""
        now = "now()" if self.is_postgres else str(time.time_ns() // 1000)
        quoted = ", ".join(f"'{name}'" for name in names)
        return self.keys("jobs", where=f"name in ({quoted}) and available_at <= {now}")

    def _note(self, row: Row) -> None:
        self.taken[row.role] += 1
        if row.is_counted:
            key = self.key_of(row.job_id)
            self.jobs.add(key)
            self.shown_ids[key] = self._shown_id(row.job_id)
        if row.may_vanish:
            self.droppable.add(self.key_of(row.job_id))

    def _shown_id(self, stored: Any) -> str:
        # PostgreSQL stores a UUID, in whatever form it was written; SQLite stores any text.
        return self.key_of(stored if self.is_postgres else str(DECODER.id_of(str(stored))))

    @contextmanager
    def _transaction(self) -> Generator[None]:
        if self.is_postgres:
            yield
            return
        writer = self._writers["worker"]
        writer.execute("begin immediate")
        try:
            yield
        finally:
            writer.execute("commit")

    def _write_one(self, row: Row) -> bool:
        if row.key is not None:
            return self._execute(row, row.columns, row.key)
        is_stored = self._execute(row, row.columns)
        if row.changed:
            with suppress(*_REFUSED):
                self._execute(row, row.changed, row.job_id)
        return is_stored

    def _execute(self, row: Row, columns: Mapping[str, Any], key: Any = None) -> bool:
        values = {name: self._value(value) for name, value in columns.items()}
        if values.get("reserved_by") in HOLDERS:
            values["reserved_by"] = self._holder(values["reserved_by"])
        table = self.rows.prefix + row.table
        marks = [self._mark(value) for value in values.values()]
        if key is None:
            statement = f"insert into {table} ({', '.join(values)}) values ({', '.join(marks)})"
            given = [*values.values()]
        else:
            sets = ", ".join(
                f"{name} = {mark}" for name, mark in zip(values, marks, strict=True)
            )
            statement = f"update {table} set {sets} where id = {self._mark(key)}"
            given = [*values.values(), key]
        writer = self._writers[row.role if self.is_postgres else "worker"]
        return bool(writer.execute(statement, given).rowcount)

    def _mark(self, value: Any) -> str:
        if self.is_postgres:
            return "%s"
        return "cast(? as text)" if isinstance(value, bytes) else "?"

    def _value(self, value: Any) -> Any:
        is_now = value == NOW and not self.is_postgres
        return time.time_ns() // 1000 if is_now else value

    def _holder(self, kind: str) -> str:
        if kind == "own":
            names = ", ".join(f"'{name}'" for name in QUEUES)
            found = self._writers["worker"].execute(
                f"select id from {self.rows.prefix}owners where name in ({names}) limit 1"
            )
            return next((str(row[0]) for row in found.fetchall()), str(new_id()))
        return {"dead": self._dead_owner, "living": self._living_owner}.get(kind, str(new_id()))


@contextmanager
def sqlite_database(folder: Path) -> Generator[TestedDatabase]:
    """Create a file, which every role may write."""
    file = SQLiteFile(folder / "jobs.db")

    def connect(role: Role) -> Any:
        connection = sqlite3.connect(
            file.path, timeout=60, isolation_level=None, check_same_thread=False
        )
        connection.execute("pragma synchronous = off")
        return connection

    def store(role: Role) -> bgjobs.Store:
        return bgjobs.SQLiteStore(file.path, synchronous="NORMAL")

    with _prepared(TestedDatabase(file, store, connect, HostileRows(file))) as database:
        yield database


@contextmanager
def postgres_database(dsn: str) -> Generator[TestedDatabase]:
    """Create a schema with the documented roles, under names of its own."""
    schema = PostgresSchema(dsn, f"hostile_{secrets.token_hex(6)}")

    def dsn_of(role: Role) -> str:
        return make_conninfo(dsn, options=f"-c role={schema.schema}_{role}")

    def connect(role: Role) -> Any:
        return psycopg.connect(dsn_of(role), autocommit=True)

    def store(role: Role) -> bgjobs.Store:
        return bgjobs.PostgresStore(dsn_of(role), schema=schema.schema)

    rows = HostileRows(schema)
    with ExitStack() as cleaning:
        for role in ROLES:
            rows.run(f"create role {schema.schema}_{role}")
            cleaning.callback(rows.run, f"drop role {schema.schema}_{role}")
        cleaning.callback(schema.drop)
        database = TestedDatabase(schema, store, connect, rows, dsn_of("operator"))
        with _prepared(database, _granted(schema)):
            yield database


def _granted(schema: PostgresSchema) -> str:
    text = re.sub(r"\bbgjobs_(?=\w)", f"{schema.schema}_", GRANTS.read_text("utf-8"))
    return re.sub(r"\bbgjobs\b", schema.schema, text)


@contextmanager
def _prepared(database: TestedDatabase, grants: str = "") -> Generator[TestedDatabase]:
    store = database.location.store()
    store.open()
    store.migrate()
    store.close()
    if grants:
        database.rows.run(grants)
    database.prepare()
    try:
        yield database
    finally:
        database.close()

"""The statements of one schema, as the driver takes them, and how they are run."""

import re
from collections.abc import Sequence
from contextlib import nullcontext
from functools import lru_cache
from typing import Any, final

import psycopg
from psycopg.adapt import AdaptersMap, Transformer
from psycopg.pq import Format
from psycopg.pq.abc import PGresult
from psycopg.rows import TupleRow, tuple_row
from psycopg.types.numeric import Int8BinaryLoader

from bgjobs.stores.columns import ColumnLists
from bgjobs.stores.postgres.arrays import Array, ArrayDumper, parameter, texts
from bgjobs.stores.postgres.codec import Parameters, Row
from bgjobs.stores.postgres.errors import translated
from bgjobs.stores.postgres.notices import payloads_of
from bgjobs.stores.sql import Statements, check_identifier
from bgjobs.stores.types import Notice

_PACKAGE = "bgjobs.stores.postgres"
# Neither function fetches a text that is stored outside its row.
# https://www.postgresql.org/docs/current/storage-toast.html
COLUMNS = ColumnLists(
    length="pg_catalog.octet_length({})".format,
    in_calendar="({0} >= '0001-01-01 00:00:00+00' and {0} < '10000-01-01 00:00:00+00')".format,
    beginning="pg_catalog.substr({}, 1, %(longest)s + 1)".format,
    total="least(pg_catalog.sum({}), 9223372036854775807)::bigint".format,
    value=parameter,
)
NOTIFY = (
    b"select pg_catalog.pg_notify(%(channel)s, sent.payload)"
    b" from pg_catalog.unnest(%(payloads)s::text[]) as sent (payload)"
)
LOCK_NAMES = (
    b"select pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended("
    b"%(schema)s || '.' || locked.name, 4711))"
    b" from pg_catalog.unnest(%(names)s::text[]) as locked (name)"
)
"""Locks these names until the transaction ends; they are given in sorted order."""
CLOCK = b"select coalesce(%(now)s::timestamptz, pg_catalog.statement_timestamp())"

Step = tuple[bytes, Parameters]
"""A statement to run, and its values."""
BEGIN: Step = (b"begin isolation level read committed", {})
COMMIT: Step = (b"commit", {})
SHOW_JIT: Step = (b"select pg_catalog.current_setting('jit', true)", {})
JIT_OFF: Step = (b"select pg_catalog.set_config('jit', 'off', true)", {})
"""No compilation until the transaction ends: it takes longer than it saves.

See https://www.postgresql.org/docs/current/jit-decision.html.
"""
ONE_PLAN: Step = (
    b"select pg_catalog.set_config('plan_cache_mode', 'force_generic_plan', true)",
    {},
)
"""No new plan for the values of a prepared statement until the transaction ends.

See https://www.postgresql.org/docs/current/runtime-config-query.html#GUC-PLAN-CACHE-MODE.
"""
KEEP_ONE_PLAN: Step = (
    b"select pg_catalog.set_config('plan_cache_mode', 'force_generic_plan', false)",
    {},
)
"""The same until the session ends."""
JIT_ON: Step = (b"select pg_catalog.set_config('jit', 'on', true)", {})

_ADAPTERS = AdaptersMap(psycopg.adapters)
"""How values are written and read. Making it takes a quarter of a small statement's time."""
_ADAPTERS.register_loader("timestamptz", Int8BinaryLoader)
_ADAPTERS.register_dumper(Array, ArrayDumper)

_COMMENT = re.compile(r"^\s*--.*\n", re.MULTILINE)
_PARAMETER = re.compile(rb"%\((\w+)\)s")


@lru_cache(maxsize=1024)
def numbered(statement: bytes) -> tuple[bytes, tuple[str, ...]]:
    """Return a statement with parameters $1, $2 and so on, and their names.

    The driver would do the same, but only keeps the result for statements below 4 KiB: for
    `reserve` it would take longer each time than everything else on this side.
    """
    numbers: dict[bytes, int] = {}
    numbered = _PARAMETER.sub(
        lambda found: b"$%d" % numbers.setdefault(found[1], len(numbers) + 1), statement
    )
    return numbered, tuple(name.decode() for name in numbers)


@final
class _Cursor(psycopg.RawCursor[TupleRow]):
    """Uses the binary format and our adapters, whatever the connection's settings are."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        super().__init__(connection, row_factory=tuple_row)
        self.format = Format.BINARY

    @property
    def adapters(self) -> AdaptersMap:
        """Ours, not those of the connection."""
        return _ADAPTERS


@final
class _AsyncCursor(psycopg.AsyncRawCursor[TupleRow]):
    """The same on an async connection."""

    def __init__(self, connection: psycopg.AsyncConnection[Any]) -> None:
        super().__init__(connection, row_factory=tuple_row)
        self.format = Format.BINARY

    @property
    def adapters(self) -> AdaptersMap:
        """Ours, not those of the connection."""
        return _ADAPTERS


def lock_timeout(seconds: float) -> Step:
    """Return the statement that limits each wait for a lock until the transaction ends.

    See https://www.postgresql.org/docs/current/runtime-config-client.html#GUC-LOCK-TIMEOUT.
    """
    milliseconds = str(max(1, round(1000 * seconds)))
    return (
        b"select pg_catalog.set_config('lock_timeout', %(milliseconds)s, true)",
        {"milliseconds": milliseconds},
    )


@final
class Dialect:
    """The statements of one schema, and how to run them.

    They run on cursors of their own class, so that neither the settings of a caller's
    connection nor the session's DateStyle and time zone change the results.
    """

    def __init__(
        self, schema: str, label: str, *, prepared_statements: bool | None = None
    ) -> None:
        self.schema: str = check_identifier("schema", schema)
        self.label = label
        # None: the connection's own `prepare_threshold` decides.
        self._prepare = False if prepared_statements is False else None
        self._statements = Statements(_PACKAGE, self._quote, COLUMNS)
        self._encoded: dict[str, bytes] = {}

    def unprepared(self) -> "Dialect":
        """Return the same statements, none of which is ever prepared."""
        return Dialect(self.schema, self.label, prepared_statements=False)

    def _quote(self, name: str) -> str:
        return f'"{self.schema}"' if name == "schema" else f'"{self.schema}"."{name}"'

    def __getitem__(self, name: str) -> bytes:
        encoded = self._encoded.get(name)
        if encoded is None:
            [statement] = self._statements[name]
            encoded = self._encoded[name] = _COMMENT.sub("", statement).encode()
        return encoded

    def migrations(self) -> list[str]:
        """Return the file names of all migrations, in their order."""
        return self._statements.migrations()

    def migration(self, file: str) -> list[bytes]:
        """Return the statements of one migration."""
        return [statement.encode() for statement in self._statements.migration(file)]

    def script(self, file: str) -> str:
        """Return one migration as a script."""
        return self._statements.script(self._statements.migration(file))

    def notification(self, notice: Notice) -> Step:
        """Return the statement that sends a notice to all listeners of the schema.

        The server sends it when the transaction commits, and a payload once for each
        transaction: see https://www.postgresql.org/docs/current/sql-notify.html.
        """
        payloads = texts(payloads_of(notice))
        return NOTIFY, {"channel": channel_of(self.schema), "payloads": payloads}

    def run(
        self, connection: psycopg.Connection[Any], statement: bytes, values: Parameters
    ) -> list[Row]:
        """Run one statement and return its rows."""
        with translated(self.label):
            return self._executed(connection, statement, values).fetchall()

    def execute(
        self,
        connection: psycopg.Connection[Any],
        statement: bytes,
        values: Parameters | None = None,
    ) -> None:
        """Run one statement that returns no rows."""
        with translated(self.label):
            self._executed(connection, statement, values or {})

    def run_all(
        self, connection: psycopg.Connection[Any], steps: Sequence[Step]
    ) -> list[list[Row]]:
        """Run statements in one round trip, and return the rows of each."""
        if len(steps) == 1:
            return [self.run(connection, *steps[0])]
        # Before version 14, libpq has no pipelines: then each statement is a round trip.
        # https://www.postgresql.org/docs/current/libpq-pipeline-mode.html
        piped = connection.pipeline() if psycopg.Pipeline.is_supported() else nullcontext()
        with translated(self.label):
            with piped:
                cursors = [self._executed(connection, *step) for step in steps]
            return [one.fetchall() if one.description else [] for one in cursors]

    def _executed(
        self, connection: psycopg.Connection[Any], statement: bytes, values: Parameters
    ) -> _Cursor:
        query, names = numbered(statement)
        cursor = _Cursor(connection)
        cursor.execute(query, [values[name] for name in names], prepare=self._prepare)
        return cursor

    def rows_of(self, connection: psycopg.Connection[Any], result: PGresult) -> list[Row]:
        """Return the rows of a result in binary format that no cursor has received."""
        transformer = Transformer.from_context(_Cursor(connection))
        transformer.set_pgresult(result)
        return transformer.load_rows(0, result.ntuples, tuple)

    async def run_async(
        self, connection: psycopg.AsyncConnection[Any], statement: bytes, values: Parameters
    ) -> list[Row]:
        """Run one statement on an async connection and return its rows."""
        query, names = numbered(statement)
        with translated(self.label):
            cursor = _AsyncCursor(connection)
            await cursor.execute(query, [values[name] for name in names], prepare=self._prepare)
            return await cursor.fetchall()


def channel_of(schema: str) -> str:
    """Return the name of a schema's channel; channels belong to the whole database."""
    return f"bgjobs_{schema}"

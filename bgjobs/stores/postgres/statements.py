"""Statements as the driver takes them, and the one place where they are run."""

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any, final

import psycopg
from psycopg.adapt import AdaptersMap
from psycopg.pq import Format
from psycopg.rows import TupleRow, tuple_row
from psycopg.types.numeric import Int8BinaryLoader

from bgjobs.stores.columns import ColumnLists
from bgjobs.stores.postgres.arrays import Array, ArrayDumper
from bgjobs.stores.postgres.codec import Parameters, Row
from bgjobs.stores.postgres.errors import translated
from bgjobs.stores.sql import Statements, check_identifier

_PACKAGE = "bgjobs.stores.postgres"
# Neither reads a text that is stored apart from its row.
COLUMNS = ColumnLists(
    length="pg_catalog.octet_length({})".format,
    in_calendar="({0} >= '0001-01-01 00:00:00+00' and {0} < '10000-01-01 00:00:00+00')".format,
    beginning="pg_catalog.substr({}, 1, %(longest)s + 1)".format,
)
NOTIFY = (
    b"select pg_catalog.pg_notify(%(channel)s, told.name)"
    b" from pg_catalog.unnest(%(names)s::text[]) as told (name)"
)
LOCK_NAMES = (
    b"select pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended("
    b"%(schema)s || '.' || locked.name, 4711))"
    b" from pg_catalog.unnest(%(names)s::text[]) as locked (name)"
)
"""Until the transaction ends; the names go in sorted."""
CLOCK = b"select coalesce(%(now)s::timestamptz, pg_catalog.statement_timestamp())"

Step = tuple[bytes, Parameters]
"""A statement that shall be run, and its values."""
BEGIN: Step = (b"begin isolation level read committed", {})
COMMIT: Step = (b"commit", {})
SHOW_JIT: Step = (b"select pg_catalog.current_setting('jit', true)", {})
JIT_OFF: Step = (b"select pg_catalog.set_config('jit', 'off', true)", {})
"""Until the transaction ends the server compiles nothing: that takes longer than it saves."""
JIT_ON: Step = (b"select pg_catalog.set_config('jit', 'on', true)", {})

_ADAPTERS = AdaptersMap(psycopg.adapters)
"""How our values are written and read: made once, it took a quarter of a small statement."""
_ADAPTERS.register_loader("timestamptz", Int8BinaryLoader)
_ADAPTERS.register_dumper(Array, ArrayDumper)


@final
class _Cursor(psycopg.Cursor[TupleRow]):
    """Speaks binary, whatever the connection's settings are, and leaves these as they are."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        super().__init__(connection, row_factory=tuple_row)
        self.format = Format.BINARY

    @property
    def adapters(self) -> AdaptersMap:
        """Ours, not those of the connection."""
        return _ADAPTERS


@final
class _AsyncCursor(psycopg.AsyncCursor[TupleRow]):
    """The same on an async connection."""

    def __init__(self, connection: psycopg.AsyncConnection[Any]) -> None:
        super().__init__(connection, row_factory=tuple_row)
        self.format = Format.BINARY

    @property
    def adapters(self) -> AdaptersMap:
        """Ours, not those of the connection."""
        return _ADAPTERS


def lock_wait(seconds: float) -> Step:
    """Give the statement that bounds each wait for a lock, until the transaction ends."""
    milliseconds = str(max(1, round(1000 * seconds)))
    return (
        b"select pg_catalog.set_config('lock_timeout', %(milliseconds)s, true)",
        {"milliseconds": milliseconds},
    )


@final
class Dialect:
    """The statements of one schema, and how to run them.

    On cursors of our own, so that neither a caller's settings nor the session's DateStyle and
    time zone change what comes out.
    """

    def __init__(
        self, schema: str, label: str, *, prepared_statements: bool | None = None
    ) -> None:
        self.schema: str = check_identifier("schema", schema)
        self.label = label
        # Unless it is forbidden, each connection has its own rule; a caller's has the caller's.
        self._prepare = False if prepared_statements is False else None
        self._statements = Statements(_PACKAGE, self._quote, COLUMNS)

    def unprepared(self) -> "Dialect":
        """Return the same statements, of which none is ever prepared."""
        return Dialect(self.schema, self.label, prepared_statements=False)

    def _quote(self, name: str) -> str:
        return f'"{self.schema}"' if name == "schema" else f'"{self.schema}"."{name}"'

    def __getitem__(self, verb: str) -> bytes:
        return self.part(verb, 0)

    def part(self, verb: str, number: int) -> bytes:
        """Give one statement of a file that has several."""
        return self._statements[verb][number].encode()

    def migrations(self) -> list[str]:
        """Give the file names of all migrations, in their order."""
        return self._statements.migrations()

    def migration(self, file: str) -> list[bytes]:
        """Give the statements of one migration."""
        return [statement.encode() for statement in self._statements.migration(file)]

    def script(self, file: str) -> str:
        """Write one migration as a file that could be executed."""
        return self._statements.script(self._statements.migration(file))

    def run(
        self, connection: psycopg.Connection[Any], statement: bytes, values: Parameters
    ) -> list[Row]:
        """Run one statement and give its rows."""
        with translated(self.label):
            cursor = _Cursor(connection)
            cursor.execute(statement, values, prepare=self._prepare)
            return cursor.fetchall()

    def run_all(
        self, connection: psycopg.Connection[Any], steps: Sequence[Step]
    ) -> list[list[Row]]:
        """Run statements one after the other in one round trip, and give the rows of each."""
        if len(steps) == 1:
            return [self.run(connection, *steps[0])]
        cursors: list[_Cursor] = []
        # An old libpq knows no pipelines; there it takes a round trip for each.
        piped = connection.pipeline() if psycopg.Pipeline.is_supported() else nullcontext()
        with translated(self.label):
            with piped:
                for statement, values in steps:
                    cursors.append(_Cursor(connection))
                    cursors[-1].execute(statement, values, prepare=self._prepare)
            return [one.fetchall() if one.description else [] for one in cursors]

    async def run_async(
        self, connection: psycopg.AsyncConnection[Any], statement: bytes, values: Parameters
    ) -> list[Row]:
        """Do the same on an async connection."""
        with translated(self.label):
            cursor = _AsyncCursor(connection)
            await cursor.execute(statement, values, prepare=self._prepare)
            return await cursor.fetchall()

    def execute(
        self,
        connection: psycopg.Connection[Any],
        statement: bytes,
        values: Parameters | None = None,
    ) -> None:
        """Run one statement that gives no rows."""
        with translated(self.label):
            cursor = _Cursor(connection)
            cursor.execute(statement, values, prepare=self._prepare)

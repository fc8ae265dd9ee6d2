"""What one process of a storm is told, as text that passes from process to process."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, final

from attrs import asdict, field, frozen

import bgjobs
from bgjobs.stores.postgres import PostgresStore
from bgjobs.stores.sqlite import SQLiteStore
from tests.fixtures.databases import Database, PostgresSchema, SQLiteFile


def _texts(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(values)


@final
@frozen(kw_only=True)
class Orders:
    """Where to run, what, how fast leases end, and which harm to do to oneself."""

    place: str
    """A file, or a connection string."""
    schema: str = ""
    """Empty for SQLite."""
    journal: str
    """The file that every process appends what it saw to."""
    program: str = "tests.reliability.chaos.worker:main"
    """``module:function``, called with these orders in a process of its own."""
    backend: str = "trio"
    concurrency: int = 4
    lease: float = 1.0
    grace: float = 1.0
    busy_timeout: float = 10.0
    unfenced: bool = False
    """Take the fence away, so that the checks can be seen to find what it prevents."""
    zoo: bool = False
    """Produce jobs whose handlers do what no handler should, and let such listeners listen."""
    deadly: str = ""
    """Die at this point; see `tests.reliability.chaos.harm`."""
    still: tuple[str, ...] = field(default=(), converter=_texts)
    """Stop oneself at these points, as SIGSTOP does, until the arena resumes the process."""
    nth: int = 1
    """Do so each time that so many of the points were passed."""
    dress: tuple[str, ...] = field(default=(), converter=_texts)
    """``module:function``s that a worker's configuration passes, and the orders with it."""
    details: Mapping[str, Any] = field(factory=dict[str, Any])
    """What a fault wants to tell its own functions, as JSON."""

    def text(self) -> str:
        """Write them down."""
        return json.dumps(asdict(self))

    @property
    def database(self) -> Database:
        """The database that `place` leads to."""
        if self.schema:
            return PostgresSchema(self.place, self.schema)
        return SQLiteFile(Path(self.place))

    def table(self, name: str) -> str:
        """Name a table of the storm's own beside those of the store."""
        return f'"{self.schema}".{name}' if self.schema else name

    def store(self) -> bgjobs.Store:
        """Give the store, not open; many processes share a server's hundred connections."""
        if self.schema:
            return PostgresStore(self.place, schema=self.schema, pool_size=2)
        return SQLiteStore(self.place, busy_timeout=self.busy_timeout)


def orders_from(text: str) -> Orders:
    """Read what `Orders.text` wrote."""
    return Orders(**json.loads(text))


def orders_on(database: Database, journal: str, **others: Any) -> Orders:
    """Give orders to run on one of the databases that tests have."""
    if isinstance(database, PostgresSchema):
        return Orders(place=database.dsn, schema=database.schema, journal=journal, **others)
    assert isinstance(database, SQLiteFile)
    return Orders(place=str(database.path), journal=journal, **others)

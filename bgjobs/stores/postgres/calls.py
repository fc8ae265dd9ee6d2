"""How the verbs of a store reach the server: on a borrowed connection, one statement mostly."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar, final

from attrs import define

from bgjobs.errors import StoreError
from bgjobs.stores.pages import Page
from bgjobs.stores.postgres.codec import Parameters, Row
from bgjobs.stores.postgres.connections import Connections
from bgjobs.stores.postgres.errors import run_again
from bgjobs.stores.postgres.pool import AnyConnection
from bgjobs.stores.postgres.sessions import Session, Sessions
from bgjobs.stores.postgres.source import Source
from bgjobs.stores.postgres.statements import JIT_OFF, Dialect, Step

T = TypeVar("T")


@final
@define(eq=False)
class Calls:
    """The statements of one store, and its connections while it is open."""

    source: Source
    sql: Dialect
    sessions: Sessions
    timeout: float
    """Seconds that a call may take."""
    _opened: Connections | None = None

    def open(self) -> None:
        """Connect; `StoreError` when it is open already."""
        if self._opened is not None:
            self._opened.check_process()
            raise StoreError(f"{self.source.label}: open already")
        self._opened = Connections(self.source, self.sessions, self.timeout)

    def close(self) -> None:
        """Give back every connection; harmless when not open."""
        opened, self._opened = self._opened, None
        if opened is not None:
            opened.close()

    @property
    def live(self) -> Connections:
        """The connections; `StoreError` when it is not open."""
        if self._opened is None:
            raise StoreError(f"{self.source.label}: not open; call open() first")
        self._opened.check_process()
        return self._opened

    def rows(self, verb: str, values: Parameters, part: int = 0) -> list[Row]:
        """Give the rows of one statement."""
        steps = [(self.sql.part(verb, part), values)]
        return self.alone(lambda connection: self.run_all(connection, steps))[0]

    def execute(self, verb: str, values: Parameters, part: int = 0) -> None:
        """Run one statement that gives no rows."""
        statement = self.sql.part(verb, part)

        def work(connection: AnyConnection) -> None:
            if self.session(connection).compiles:
                self.sql.run_all(connection, [JIT_OFF, (statement, values)])
            else:
                self.sql.execute(connection, statement, values)

        self.alone(work)

    def all_rows(self, steps: Sequence[Step]) -> list[list[Row]]:
        """Run statements in one transaction and one round trip, and give the rows of each."""
        return self.together(lambda connection: self.run_all(connection, steps))

    def run_all(self, connection: AnyConnection, steps: Sequence[Step]) -> list[list[Row]]:
        """Run statements whose cost grows with the tables, none of them compiled (JIT)."""
        if not self.session(connection).compiles:
            return self.sql.run_all(connection, steps)
        # What goes in one round trip is one transaction, outside of a longer one, too.
        return self.sql.run_all(connection, [JIT_OFF, *steps])[1:]

    def session(self, connection: AnyConnection) -> Session:
        """Return what is behind a borrowed connection."""
        return self.sessions.of(connection, ours=self.source.is_ours)

    def alone(self, work: Callable[[AnyConnection], T], *, extra: float = 0.0) -> T:
        """Run `work` on a connection in autocommit mode."""

        def once() -> T:
            with self.live.borrowed(extra=extra) as connection:
                return work(connection)

        return run_again(once)

    def together(self, work: Callable[[AnyConnection], T], *, extra: float = 0.0) -> T:
        """Run `work` in one transaction."""

        def once() -> T:
            with self.live.transaction(extra=extra) as connection:
                return work(connection)

        return run_again(once)


def paged(page: Page) -> dict[str, Any]:
    """Return the parameters of a page."""
    return {"limit": max(0, page.limit), "after": page.after_id}

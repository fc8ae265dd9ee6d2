"""How the verbs of a store reach its connections: one statement file each, mostly."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import final

from attrs import frozen

from bgjobs._core.timestamps import as_instant, to_microseconds
from bgjobs.stores.pages import Page
from bgjobs.stores.sql import Statements
from bgjobs.stores.sqlite.connection import Parameters, Row, run
from bgjobs.stores.sqlite.errors import translated
from bgjobs.stores.sqlite.executor import Roles

Clock = Callable[[], datetime]


def machine_clock() -> datetime:
    """Tell the time of this machine."""
    return datetime.now(UTC)


@final
@frozen(eq=False)
class Calls:
    """The connections of one store, its statements and its clock."""

    roles: Roles
    sql: Statements
    clock: Clock

    def microseconds(self, now: datetime | None) -> int:
        """Give the instant that a verb goes by, the clock's unless said."""
        return to_microseconds(as_instant("now", self.clock() if now is None else now))

    def read(self, verb: str, parameters: Parameters, part: int = -1) -> list[Row]:
        """Give the rows of one statement that only reads."""
        [rows] = self.roles.reader.snapshot([self.sql[verb][part]], parameters)
        return rows

    def page(
        self, verb: str, wanted: Page, parameters: Parameters, part: int = -1
    ) -> list[Row]:
        """Return one page of a listing."""
        last = wanted.after_id
        after = None if last is None else str(last)
        paged = {**parameters, "after": after, "limit": max(0, wanted.limit)}
        return self.read(verb, paged, part)

    def write(self, verb: str, now: datetime | None, parameters: Parameters) -> list[Row]:
        """Run one statement in a transaction of its own, and give what it returns."""
        with self.roles.writer.writing() as raw, translated(self.roles.label):
            # The clock is read behind the wait for other writers: a lease may end meanwhile.
            timed = {**parameters, "now": self.microseconds(now)}
            return run(raw, self.sql[verb][0], timed)

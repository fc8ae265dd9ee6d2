"""What a trace says of one scheduled job: its runs, what was missed, and what followed what."""

from collections.abc import Sequence
from datetime import datetime, tzinfo
from typing import final
from uuid import UUID

from attrs import define, field, frozen

from bgjobs.events import JobReserved, OccurrenceReplanned
from tests.reliability.clock_jumps.trace import Entry, Jumped
from tests.reliability.clock_jumps.worlds import Timed, World


@final
@frozen
class Run:
    """A job whose handler was called, once or several times."""

    at: datetime
    """The occurrence that it serves."""
    began: int
    """The number of the entry of its first call."""
    was: datetime
    """What the store's clock showed then, or a little later."""
    zone: tzinfo
    """In force then."""


@final
@frozen
class Told:
    """Some occurrences were told as missed."""

    first: datetime
    count: int
    number: int
    """Of the entry."""
    was: datetime
    """The highest that the store's clock has shown since the run before had ended."""
    zone: tzinfo


@final
@frozen(kw_only=True)
class Link:
    """What was planned, and told as missed, when the run before had ended."""

    ended: datetime
    dropped: bool
    """Whether that was not run, as it was too late."""
    told: Told | None
    at: datetime
    """The occurrence planned."""
    number: int
    """Of the entry that tells it."""
    earliest: datetime
    """The lowest that the store's clock has shown while the end was written."""
    zone: tzinfo
    began_in: tzinfo
    """The zone in force when the run began."""


@final
@define(eq=False)
class History:
    """All that was heard of one scheduled job."""

    job: Timed
    world: World
    entries: Sequence[Entry]
    zones: list[tzinfo] = field(factory=list[tzinfo], init=False)
    """In force at each entry."""
    runs: dict[UUID, Run] = field(factory=dict[UUID, Run], init=False)
    """By the ids of their jobs."""
    finished: set[UUID] = field(factory=set[UUID], init=False)
    """The jobs that have succeeded or failed for good; any other run was given up."""
    across: set[datetime] = field(factory=set[datetime], init=False)
    """The occurrences of runs that went on after a start with other zones."""
    starts: list[tuple[int, datetime]] = field(factory=list[tuple[int, datetime]], init=False)
    """All calls of the handler: the number of the entry, and the occurrence."""
    reserved: list[tuple[int, JobReserved]] = field(
        factory=list[tuple[int, JobReserved]], init=False
    )
    told: list[Told] = field(factory=list[Told], init=False)
    links: list[Link] = field(factory=list[Link], init=False)
    moves: list[tuple[int, OccurrenceReplanned]] = field(
        factory=list[tuple[int, OccurrenceReplanned]], init=False
    )

    def shown(self, since: int, until: int) -> tuple[datetime, datetime]:
        """Return the lowest and the highest that the store's clock has shown meanwhile."""
        found: list[datetime] = []
        for entry in self.entries[since : until + 1]:
            found.append(entry.shown)
            if isinstance(entry.what, Jumped):
                found.append(entry.what.before)
        return min(found), max(found)

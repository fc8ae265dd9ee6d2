"""What the row of a scheduled job knows: which occurrence it serves, and how to plan the next.

One live row per scheduled job is the lock: whatever the number of processes, one occurrence is
waiting or running, never two. The row carries its plan, so that processes of different settings
do not undo each other's: the next occurrence is planned by what the row says.
"""

from datetime import datetime, timedelta
from typing import final

from attrs import frozen

KEY_PREFIX = "schedule:"
"""Begins the unique keys of scheduled jobs; no other key may begin so."""


@final
@frozen(kw_only=True)
class Recurrence:
    """How a scheduled job recurs, as its rows carry it."""

    name: str
    """The name of the scheduled job."""
    schedule: str
    """The text of its schedule; see `bgjobs.schedules.from_text`."""
    catch_up: int = 0
    """How many missed occurrences in a row are made up one by one; with 0 they coalesce."""
    misfire_grace: timedelta | None = None
    """An occurrence that could not start for longer than this is missed; None: never."""
    jitter: timedelta = timedelta(0)
    """Each run waits for a random time up to this."""

    @property
    def unique_key(self) -> str:
        """The unique key of its one live row."""
        return KEY_PREFIX + self.name


@final
@frozen(kw_only=True)
class Occurrence:
    """One time of a schedule, and what came before it."""

    recurrence: Recurrence
    at: datetime
    """When the schedule wants it, without jitter."""
    previous: datetime | None = None
    """The occurrence that was served before; None for the first."""
    made_up: int = 0
    """How many missed occurrences in a row have been made up, this one included."""
    paused: bool = False
    """It waits until the scheduled job is resumed."""

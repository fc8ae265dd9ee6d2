"""The part of a scheduled job that is stored in its row: the occurrence and the recurrence.

A scheduled job has one live row, which is the lock: with any number of processes, at most one
occurrence is waiting or running. The next occurrence is planned by the recurrence in the row,
so that processes with different settings do not undo each other's changes.
"""

from datetime import datetime, timedelta
from typing import final

from attrs import frozen

KEY_PREFIX = "schedule:"
"""The beginning of the unique keys of scheduled jobs; other keys must not begin so."""


@final
@frozen(kw_only=True)
class Recurrence:
    """When a scheduled job recurs, as it is stored in its row."""

    name: str
    """The name of the scheduled job."""
    schedule: str
    """The text of its schedule; see `bgjobs.schedules.from_text`."""
    catch_up: int = 0
    """How many missed occurrences in a row are run one by one; with 0 they are coalesced."""
    misfire_grace: timedelta | None = None
    """An occurrence that starts later than this after its time is skipped; None: never."""
    jitter: timedelta = timedelta(0)
    """The upper bound of the random delay of each run."""

    @property
    def unique_key(self) -> str:
        """The unique key of the live row."""
        return KEY_PREFIX + self.name


@final
@frozen(kw_only=True)
class Occurrence:
    """One occurrence of a schedule."""

    recurrence: Recurrence
    """How the scheduled job recurs after this occurrence."""
    at: datetime
    """The time of the occurrence, without jitter."""
    previous: datetime | None = None
    """The time of the occurrence that was served before; None for the first one."""
    made_up: int = 0
    """How many missed occurrences in a row have been run one by one, this one included."""
    paused: bool = False
    """Whether it waits until the scheduled job is resumed."""

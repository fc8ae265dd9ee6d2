"""`Progress`: how far the handler of a job has come, as it reported it."""

from datetime import datetime
from typing import Protocol, final

from attrs import field, frozen

LARGEST_AMOUNT = 2**53 - 1
"""The largest number of `Progress`; each JSON parser reads it exactly (RFC 8259, section 6)."""
LONGEST_NOTE = 1_000
"""Characters of the note, after which it is cut."""


@final
@frozen(kw_only=True)
class Progress:
    """The last report of a handler about the progress of its job."""

    done: float
    """How much is done, 0 or more, in a unit that the handler chooses."""
    total: float | None = None
    """How much there is to do, in the same unit; None if that is not known."""
    note: str | None = field(default=None, repr=False)
    """What the handler does now, for people to read; up to 1,000 characters."""
    reported_at: datetime
    """When the handler reported it, by the clock of the store."""

    @property
    def fraction(self) -> float | None:
        """How much is done of the total, from 0 to 1; None without a total."""
        if self.total is None:
            return None
        return min(1.0, self.done / self.total) if self.total else 1.0


class Reporter(Protocol):
    """Takes what a handler reports: the attempt that runs it."""

    def report(self, done: float, total: float | None, note: str | None) -> None:
        """Take a report, which may come from any thread, and return at once."""
        ...

    async def checkpoint(self) -> None:
        """Wait until other tasks have had a turn; raise a cancellation."""
        ...

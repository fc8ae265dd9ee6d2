"""Scheduled jobs: one live row each, and each occurrence later than the one before."""

from datetime import datetime
from typing import final

from attrs import define

from bgjobs._core.occurrences import Occurrence
from bgjobs.stores.json_columns import load_occurrence
from tests.reliability.simulation.disk import Change
from tests.reliability.simulation.journal import Journal


@final
@define
class _Chain:
    """What is known of one scheduled job."""

    live: int = 0
    last: datetime | None = None
    """The latest occurrence that was stored."""
    before: datetime | None = None
    """The one before it, which counts again when the latest is replaced."""
    served: datetime | None = None
    """The latest that was run to its end."""


@final
class Planned:
    """Checks the rows of scheduled jobs."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._chains: dict[str, _Chain] = {}

    def stored(self, change: Change) -> None:
        """Check a new occurrence."""
        occurrence = _occurrence(change)
        name = occurrence.recurrence.name
        chain = self._chains.setdefault(name, _Chain())
        chain.live += 1
        is_later = chain.last is None or occurrence.at > chain.last
        self._journal.expect(is_later, f"{name}: {occurrence.at} planned after {chain.last}")
        right = occurrence.previous == chain.served
        text = f"{name}: previous is {occurrence.previous}, not {chain.served}"
        self._journal.expect(right, text)
        chain.before, chain.last = chain.last, occurrence.at

    def gone(self, change: Change, *, dropped: bool, replaced: bool) -> None:
        """Note the end of an occurrence; one that was dropped or replaced was not served.

        What replaces one may be the same again: a process whose idea of the store's time was
        old asked for another, and the store has planned by its own.
        """
        occurrence = _occurrence(change)
        chain = self._chains[occurrence.recurrence.name]
        chain.live -= 1
        if replaced:
            chain.last = chain.before
        elif not dropped:
            chain.served = occurrence.at

    def check(self) -> None:
        """Check that one row of each is live, whenever a transaction has ended."""
        for name, chain in self._chains.items():
            self._journal.expect(chain.live == 1, f"{name}: {chain.live} live rows")


def _occurrence(change: Change) -> Occurrence:
    occurrence = load_occurrence(change.occurrence)
    assert occurrence is not None
    return occurrence

"""Runs of the last hour as a line of small bars."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import final

from attrs import frozen

import bgjobs

SIZES = (12, 20, 30, 60)
"""The numbers of bars that a line may have: each bar is of whole minutes."""
BLOCKS = " ▁▂▃▄▅▆▇█"
ASCII = " .:-=+*#%@"
"""The bars of a terminal that cannot show blocks."""
_HOUR = timedelta(hours=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@final
@frozen
class Sparkline:
    """The runs of a worker, or of all, in the hour before a time."""

    parts: Sequence[bgjobs.Activity]
    now: datetime

    def text(self, cells: int, bars: str) -> str:
        """Return a line with this number of bars, the last one for the present minutes."""
        return drawn(self.counts(cells), bars)

    def counts(self, cells: int) -> Sequence[int]:
        """Return how many runs ended in each part of the hour."""
        step = _HOUR / cells
        first = (self.now - _EPOCH) // step - cells + 1
        counts = [0] * cells
        for one in self.parts:
            place = (one.at - _EPOCH) // step - first
            if place >= 0:  # the clock of the store may be ahead of this one, not its counts
                counts[min(place, cells - 1)] += one.ended
        return counts


def drawn(counts: Sequence[int], bars: str) -> str:
    """Return a bar for each count: a blank for 0, and the highest for the largest count."""
    most = max(counts, default=0)
    return "".join(bars[_level(count, most, len(bars) - 1)] for count in counts)


def _level(count: int, most: int, highest: int) -> int:
    # Rounded up: a single run is visible beside any number of them.
    return -(-count * highest // most) if count else 0

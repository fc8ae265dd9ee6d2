"""When to look again at a file that others write."""

from math import inf
from typing import final

from attrs import frozen

SHORTEST = 0.0004
"""Seconds between two looks at least."""
AFTER_NEWS = 0.002
"""The same behind one that found a commit: what is written then is mostly our own answer."""
LONGEST = 0.005
"""Seconds between two looks at a file that is written all the time."""
QUIET = 0.003
"""Seconds without a write after which the next one is followed closely again."""
HORIZON = 10.0
"""Seconds that a commit may take between its last write and its end."""


@frozen
class Pause:
    """What to wait for before the next look."""

    seconds: float | None
    """The longest wait; None waits for a write only."""
    listening: bool
    """Whether a write ends the wait before its time."""


@final
class Pace:
    """Looks soon after a write, and again until its commit must have ended.

    A commit is seen only some time after its last write: first the log is synced, and nothing
    announces the end of that. So looks follow, each when a part more of the time has passed.
    While writes go on and on, as those of this process do under load, looks become rarer.
    """

    def __init__(self) -> None:
        self.resting: bool = False
        """Whether all that was heard of has been seen."""
        self._began = -inf
        """When those writes began that come one soon after the other."""
        self._written = -inf
        """When a look last found that something was written."""
        self._found = False
        """Whether that look found a commit, too."""
        self._listening_since = -inf

    def after(self, now: float, *, written: bool, news: bool) -> Pause:
        """Say what follows a look that found writes, or a commit, since the one before."""
        if written:
            if now - self._listening_since > QUIET:
                self._began = now
            self._written, self._found, self.resting = now, news, False
        elif news or now - self._written > HORIZON:
            # There is one writer at a time. What was heard before was over when this commit
            # began or is this commit, and what came after it is yet to be heard.
            self.resting = True
        pause = self._pause(now, news=news)
        self._listening_since = min(self._listening_since, now) if pause.listening else inf
        return pause

    def _pause(self, now: float, *, news: bool) -> Pause:
        shortest = min((now - self._began) / 4, LONGEST)
        if news:
            return Pause(max(shortest, AFTER_NEWS), listening=False)
        if self.resting:
            return Pause(None, listening=True)
        shortest = max(shortest, SHORTEST)
        passed = now - self._written
        # Beside a commit that was found, another one is hardly ever on its way.
        wanted = 3 * passed if self._found else passed / 4
        return Pause(max(shortest, wanted), listening=wanted > shortest)

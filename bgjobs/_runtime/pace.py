"""How many jobs a queue reserves ahead of its slots: what they finish while it looks for more.

Little's law: to keep slots busy during a look that takes `t` seconds, at a rate of `r` jobs a
second, `r * t` jobs have to lie ready. Where jobs take long that is none at all: nothing waits
here that another process could run.
"""

from typing import final

MARGIN = 4.0
"""Times what one look needs: one part is fetched while the others lie ready.

It has to be more than two, or a look that takes longer than the last one leaves slots idle.
"""
MOST_AHEAD = 2000
"""Jobs; a process that dies takes them along until its lease ends."""


@final
class Pace:
    """Measures looks and finished jobs; asked before each look how many to reserve."""

    def __init__(self, slots: int, most_ahead: int = MOST_AHEAD) -> None:
        self._slots = slots
        self._most_ahead = most_ahead
        self._ahead = 0
        self._began, self._finished = 0.0, 0
        self._rate = 0.0

    @property
    def room(self) -> int:
        """How many jobs may wait or run at once."""
        return self._slots + self._ahead

    def is_worth_a_look(self, unfinished: int, waiting: int) -> bool:
        """Say whether there is room, and enough of it unless the slots have nothing else.

        A look for a few costs nearly as much as one for many.
        """
        free = self.room - unfinished
        return free > 0 and (not waiting or MARGIN * free >= self.room)

    def begin(self, now: float, finished: int) -> None:
        """Note that a look begins, when so many jobs have been finished altogether."""
        passed = now - self._began
        self._rate = (finished - self._finished) / passed if passed > 0 else 0.0
        self._began, self._finished = now, finished

    def end(self, now: float) -> None:
        """Note that it has ended."""
        self._ahead = min(self._most_ahead, int(MARGIN * self._rate * (now - self._began)))

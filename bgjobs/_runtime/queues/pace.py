"""How many jobs a queue reserves ahead of its free slots."""

from typing import final

MARGIN = 4.0
"""How many jobs are reserved ahead: so many times what finishes during one reservation.

It must be more than two, or a reservation that takes longer than the last leaves slots idle.
"""
MOST_AHEAD = 2000
"""Jobs reserved ahead at most; if the process dies, they wait until its lease has ended."""


@final
class Pace:
    """Decides how many jobs to reserve, by the time it takes and the rate of finished jobs."""

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

    def should_reserve(self, unfinished: int, waiting: int) -> bool:
        """Whether to reserve now: there is room, and enough of it unless no job is waiting.

        A reservation of a few jobs costs nearly as much as one of many.
        """
        free = self.room - unfinished
        return free > 0 and (not waiting or MARGIN * free >= self.room)

    def stay_within_slots(self) -> None:
        """Reserve no further jobs ahead."""
        self._ahead = self._most_ahead = 0

    def begin(self, now: float, finished: int) -> None:
        """Record that a reservation begins, when `finished` jobs have finished so far."""
        passed = now - self._began
        self._rate = (finished - self._finished) / passed if passed > 0 else 0.0
        self._began, self._finished = now, finished

    def end(self, now: float) -> None:
        """Record that the reservation has ended."""
        self._ahead = min(self._most_ahead, int(MARGIN * self._rate * (now - self._began)))

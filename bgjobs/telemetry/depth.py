"""How much waits: no event tells it, so somebody has to ask the database now and then."""

from collections.abc import Iterable
from contextlib import suppress
from datetime import timedelta
from typing import final

from anyio import move_on_after
from attrs import frozen
from opentelemetry.metrics import Meter, Observation

from bgjobs import BgJobs, Counts
from bgjobs.errors import NotRunningError, StoreError
from bgjobs.telemetry import instruments


@final
@frozen
class Answer:
    """What the database said."""

    counts: Counts
    due_in: timedelta | None


@final
class Depth:
    """Keeps the last answer for whoever collects; none when nobody asks, or none comes."""

    def __init__(self, meter: Meter) -> None:
        self._answer: Answer | None = None
        instruments.DEPTH.gauge(meter, self._depth)
        instruments.OLDEST.gauge(meter, self._oldest)

    async def observe(self, bg: BgJobs, every: float) -> None:
        """Ask now, and again every so many seconds, until the application stops."""
        try:
            with suppress(NotRunningError):
                while True:
                    await self._ask(bg)
                    with move_on_after(every):
                        await bg.wait_stopping()
                        return
        finally:
            self._answer = None

    async def _ask(self, bg: BgJobs) -> None:
        try:
            self._answer = Answer(await bg.admin.count(), await bg.next_due())
        except StoreError:  # told as StoreFailed, and counted
            self._answer = None

    def _depth(self) -> Iterable[Observation]:
        if self._answer is None:
            return
        counts = self._answer.counts
        yield Observation(counts.waiting, {"state": "waiting"})
        yield Observation(counts.delayed, {"state": "delayed"})
        yield Observation(counts.running, {"state": "running"})
        yield Observation(counts.succeeded, {"state": "succeeded"})
        yield Observation(counts.failed, {"state": "failed"})

    def _oldest(self) -> Iterable[Observation]:
        if self._answer is not None:
            due_in = self._answer.due_in or timedelta(0)
            yield Observation(max(0.0, -due_in.total_seconds()))

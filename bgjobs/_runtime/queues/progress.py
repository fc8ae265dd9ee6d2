"""Progress that handlers report, on its way to the store.

A report replaces the one before it, and returns at once. `ProgressWriter.run` is a service of
the application: once a second at most it submits the newest report of each job to group commit,
and it runs until it is cancelled. The end of an attempt takes its last report along, so nothing
has to be flushed. While the store is unavailable a submitted report waits in group commit, and
what is written then is the newest one.
"""

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from contextvars import copy_context
from datetime import datetime
from functools import partial
from math import inf
from threading import Lock, get_ident
from typing import Any, cast, final

from anyio import CancelScope, current_time, sleep
from attrs import define, field

from bgjobs._core.clock import Clock
from bgjobs._core.jobs import Job, Reservation
from bgjobs._core.progress import Progress
from bgjobs._core.settlements import Report
from bgjobs._runtime.cancellation import native_task
from bgjobs._runtime.notifications.wakeups import Wakeup
from bgjobs._runtime.persistence.group_commit import GroupCommit
from bgjobs._runtime.persistence.ticket import Ticket
from bgjobs.stores.types import Written

INTERVAL = 1.0
"""Seconds between two writes of progress."""


@final
class ProgressChannel:
    """Connects what the handlers of a queue report with the event loop and the writer."""

    def __init__(
        self,
        clock: Clock,
        now: Callable[[], datetime],
        write: "Callable[[JobProgress], object]",
        stored: Callable[[Job, Progress], object],
    ) -> None:
        self.now = now
        """Returns the time of the store."""
        self.write = write
        """Writes the newest report of a job soon."""
        self.stored = stored
        """Called with a job and each progress of it that was stored."""
        self.is_virtual: bool = clock.inline
        """Whether only the event loop knows the time."""
        self.opening: Lock = Lock()
        """Held while the first report of an attempt is taken, as threads may report at once."""
        self._loop_thread = get_ident()
        self._call_soon = _caller_of_loop()

    @property
    def is_on_loop(self) -> bool:
        """Whether this is the thread of the event loop."""
        return get_ident() == self._loop_thread

    def call_soon(self, function: Callable[[], object]) -> None:
        """Call a function on the event loop, unless that has ended; from any thread."""
        with suppress(RuntimeError):
            self._call_soon(function)


def _caller_of_loop() -> Callable[[Callable[[], object]], object]:
    """Return a function that makes this event loop call another one, from any thread."""
    caller: Callable[[Callable[[], object]], object]
    if (task := native_task()) is not None:
        # Not in the context of the caller, in which AnyIO finds no event loop.
        caller = partial(task.get_loop().call_soon_threadsafe, context=copy_context())
    else:  # it is imported, as its loop runs; asyncio does not need it
        trio: Any = sys.modules["trio"]
        caller = trio.lowlevel.current_trio_token().run_sync_soon
    return caller


@final
@define(eq=False)
class SilenceLimit:
    """The deadline of an attempt that has to report its progress."""

    seconds: float
    """The longest time without a report."""
    _scope: CancelScope
    is_next: bool = field(default=False, init=False)
    """Whether it comes before the timeout of the worker."""
    _timeout_at: float = field(init=False)
    _waits: int = field(default=0, init=False)
    """How often the handler waits for another job at present."""

    def __attrs_post_init__(self) -> None:
        self._timeout_at = self._scope.deadline
        self.restart()

    def restart(self) -> None:
        """Count the seconds from now, unless the handler waits for another job."""
        self._set(inf if self._waits else current_time() + self.seconds)

    @contextmanager
    def suspended(self) -> Generator[None]:
        """Do not count the seconds during the block, in which the handler waits."""
        self._waits += 1
        self.restart()
        try:
            yield
        finally:
            self._waits -= 1
            self.restart()

    def _set(self, silent_at: float) -> None:
        self.is_next = silent_at < self._timeout_at
        self._scope.deadline = min(silent_at, self._timeout_at)


@final
@define(eq=False)
class JobProgress:
    """What the handler of one attempt has reported, and what of it is stored."""

    _job: Job
    _channel: ProgressChannel
    silence: SilenceLimit | None = None
    last: Progress | None = field(default=None, init=False)
    """The last report; None before the first one."""
    is_over: bool = field(default=False, init=False)
    """Whether the handler has ended; later reports, of what it has left behind, are dropped."""
    _written: Progress | None = field(default=None, init=False)
    """What the last write has contained."""
    _stored: Progress | None = field(default=None, init=False)
    _is_queued: bool = field(default=False, init=False)
    """Whether the writer, or group commit, has it."""
    _is_coming: bool = field(default=False, init=False)
    """Whether the event loop was asked to take a report of another thread."""

    def report(self, done: float, total: float | None, note: str | None) -> None:
        """Take a report; from any thread."""
        channel = self._channel
        if channel.is_virtual and not channel.is_on_loop:
            channel.call_soon(partial(self.report, done, total, note))
            return
        if self.is_over:
            return
        now = channel.now()
        self.last = Progress(done=done, total=total, note=note, reported_at=now)
        if channel.is_on_loop:
            self._queue()
        elif not self._is_coming and (self.silence is not None or not self._is_queued):
            self._is_coming = True
            channel.call_soon(self._come)

    def _come(self) -> None:
        self._is_coming = False
        if not self.is_over:
            self._queue()

    def _queue(self) -> None:
        if self.silence is not None:
            self.silence.restart()
        if not self._is_queued:
            self._is_queued = True
            self._channel.write(self)

    @property
    def reservation(self) -> Reservation:
        """The reservation of the job."""
        return self._job.reservation

    def newest(self) -> Report:
        """Return the last report, which is written now; call it only after the first one."""
        self._written = cast("Progress", self.last)
        return Report(self.reservation, self._written)

    def answer(self, answer: Written | BaseException) -> None:
        """Take the answer to a write while the handler runs; a refused one is not repeated."""
        self._is_queued = False
        if self.last is not self._written and not self.is_over:
            self._is_queued = True
            self._channel.write(self)
        if isinstance(answer, Written) and not answer.lost:
            self.store()

    def store(self) -> None:
        """Record that the report of the last write is stored."""
        if self._written is not None and self._written is not self._stored:
            self._stored = self._written
            self._channel.stored(self._job, self._stored)


@final
@define(eq=False)
class ReportTicket(Ticket):
    """The progress of a job whose handler runs."""

    progress: JobProgress  # pyright: ignore[reportIncompatibleVariableOverride] - never changed

    @property
    def withdrawn(self) -> bool:
        """Whether the handler has ended, so that the end of the attempt brings the report."""
        return self.progress.is_over

    def take(self, answer: Written | BaseException) -> None:
        """Take the answer."""
        self.progress.answer(answer)


@final
class ProgressWriter:
    """Submits the newest reports of all jobs of an application, once a second at most."""

    def __init__(self, settlements: GroupCommit) -> None:
        self._settlements = settlements
        self._queued: list[JobProgress] = []
        self._wakeup = Wakeup()

    def add(self, progress: JobProgress) -> None:
        """Write the newest report of a job with the next ones."""
        self._queued.append(progress)
        self._wakeup.set()

    async def run(self) -> None:
        """Write reports until cancelled."""
        while True:
            await self._wakeup.wait()
            queued, self._queued = self._queued, []
            running = [one for one in queued if not one.is_over]
            self._settlements.submit_together([ReportTicket((), None, one) for one in running])
            await sleep(INTERVAL)

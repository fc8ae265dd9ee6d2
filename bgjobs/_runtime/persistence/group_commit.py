"""Group commit: writes that wait at the same time are committed in one transaction.

When no other write waits, a write begins at once, without another task: in a store thread, or
for a single new job by the `NonBlockingWriter` of the store. Under load the next batch gathers
while the task `GroupCommit.run` commits the last one, so batches grow by themselves up to their
limit. The ends of runs are not gathered anywhere else: queues submit each one when it is known,
and do not wait. `run` is shielded from cancellation until `finish`, because callers wait for
it; a write that is withdrawn is left out only if its batch has not begun. While the store is
unavailable `run` repeats the batches with backoff, and `Store.write` recognizes rows of an
earlier try by their ids.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import final

from anyio import Event

from bgjobs._core.clock import Clock
from bgjobs._core.jobs import Job, Reservation
from bgjobs._core.settlements import Settlement
from bgjobs._runtime.cancellation import raise_if_cancelled, run_shielded
from bgjobs._runtime.notifications.wakeups import Notifier
from bgjobs._runtime.persistence.batch_limits import rows_of, take_batch
from bgjobs._runtime.persistence.dispatch import Dispatch
from bgjobs._runtime.persistence.lost_answers import was_cancelled, was_settled
from bgjobs._runtime.persistence.sent_call import SentCall
from bgjobs._runtime.persistence.ticket import WRITTEN, ReportSource, Ticket, answer_error
from bgjobs._runtime.persistence.timeouts import Timeouts
from bgjobs._runtime.persistence.waiter import Waiter
from bgjobs.errors import StoreError, StoreUnavailableError, UnreadableJobError
from bgjobs.stores.nonblocking_calls import nonblocking_of
from bgjobs.stores.types import NewJob, Notice, Written

_NO_NOTICE = Notice()


@final
class GroupCommit:
    """Gathers writes and commits them, one batch at a time."""

    def __init__(
        self,
        dispatch: Dispatch,
        clock: Clock,
        timeout: float,
        notifier: Notifier | None = None,
    ) -> None:
        self._dispatch = dispatch
        self._clock = clock
        self._timeout = timeout
        self.timeouts: Timeouts = Timeouts(timeout)
        """Limits how long `enqueue` waits; a task has to run it."""
        found = nonblocking_of(dispatch.store)
        self._writer = None if found is None else found.writer
        self._notifier = notifier
        """Notifies other processes of the jobs that are enqueued here, where they need it."""
        self._waiting: list[Ticket] = []
        self._batch: list[Ticket] = []
        """What `run` commits now, without the tickets that have their answer."""
        self._work = Event()
        self._busy = False
        """Whether a batch is being committed."""
        self._crowded = False
        """Whether writes come together, so that waiting one turn of the loop is worth it."""
        self._finished = False
        self._ended = False
        self._tries = 0
        """Writes that failed since the last that succeeded, because the store was away."""
        self.commanded: Callable[[], object] = _do_nothing
        """Called after a write that has left commands for the owners of running jobs."""

    async def enqueue(self, jobs: Sequence[NewJob]) -> Sequence[Job]:
        """Store jobs and notify other processes; when this returns they are committed.

        If the caller is cancelled before its batch has begun, nothing is stored; after that,
        the jobs may be stored. `StoreUnavailableError` after `store_timeout`; the jobs may be
        stored then, too.
        """
        await raise_if_cancelled()  # or the batch could begin before the cancellation arrives
        ticket = Ticket(jobs, None)
        await self._write_awaited(ticket, self.timeouts)
        stored = self._answer_of(ticket).jobs
        if self._notifier is not None and not ticket.announced:
            self._notifier.add(Notice(frozenset(ticket.names)))
        return stored

    async def settle(
        self,
        settlement: Settlement,
        followers: Sequence[NewJob] = (),
        progress: ReportSource | None = None,
    ) -> Written:
        """Write the end of a run, together with its progress and the jobs that follow it.

        Nothing is written if the reservation was lost. Waits as long as the store is
        unavailable; the caller limits the wait, by its lease.
        """
        ticket = Ticket(followers, settlement)
        ticket.progress = progress
        await self._write_awaited(ticket)
        return self._answer_of(ticket)

    async def report(self, progress: ReportSource) -> bool:
        """Write progress, and wait like `settle`; whether it was written."""
        ticket = Ticket((), None)
        ticket.progress = progress
        await self._write_awaited(ticket)
        return isinstance(ticket.answer, Written) and not ticket.answer.lost

    def submit(self, ticket: Ticket) -> None:
        """Write a ticket, and then call its `take` with the answer; returns at once.

        `take` is called in one turn of the event loop for all tickets of a batch, first for
        those that were refused. While the store is unavailable the ticket waits.
        """
        if self._begins_alone:
            self._begin_alone(ticket)
        elif self._ended:
            ticket.take(self._ended_error())
        else:
            is_first = not (self._busy or self._waiting)
            self._waiting.append(ticket)
            if is_first:  # else the task takes it with the next batch
                self._work.set()

    def submit_together(self, tickets: Sequence[Ticket]) -> None:
        """Write tickets like `submit`, in one batch up to its limits."""
        if self._ended:
            for ticket in tickets:
                ticket.take(self._ended_error())
        elif tickets:
            self._waiting += tickets
            self._work.set()

    async def run(self) -> None:
        """Commit batches until `finish`; shielded from cancellation, so no write is cut off.

        A Ctrl-C that is raised inside this task ends it early. Waiting and later writes are
        then answered with a `StoreError`.
        """
        try:
            await run_shielded(self._commit_until_finished)
        finally:
            self._ended = True
            for ticket in (*self._batch, *self._waiting):
                ticket.take(ticket.answer or self._ended_error())

    def finish(self) -> None:
        """Make `run` end as soon as no write waits."""
        self._finished = True
        self._work.set()

    async def _commit_until_finished(self) -> None:
        while self._busy or not self._finished:
            await self._work.wait()
            self._work = Event()
            if not self._busy:
                self._busy = True
                await self._commit_all()
                self._busy = False

    def _ended_error(self) -> StoreError:
        label = self._dispatch.store.label
        return StoreError(f"{label}: the application ends, so nothing more is written")

    async def _write_awaited(self, ticket: Ticket, timeouts: Timeouts | None = None) -> None:
        begins_alone = self._begins_alone
        sent = self._send(ticket) if begins_alone else None
        waiter = self._dispatch.threads.free_waiter if begins_alone and sent is None else None
        ticket.done = sent or waiter or Event()
        if timeouts is not None:
            timeouts.watch(ticket)
        try:
            if sent is not None:
                await self._receive(ticket, sent)
            elif waiter is not None:
                with waiter:
                    self._begin_alone(ticket, waiter)
                    await waiter.wait()
            else:
                self.submit(ticket)
            if isinstance(ticket.done, Event):
                await ticket.done.wait()
        except BaseException:  # a cancellation, or a Ctrl-C in a listener
            ticket.done = None
            raise

    @property
    def _begins_alone(self) -> bool:
        """Whether a write begins at once, without the task, as no other one gathers."""
        gathers = self._busy or self._waiting or self._crowded or self._clock.inline
        return not (gathers or self._ended)

    def _answer_of(self, ticket: Ticket) -> Written:
        if isinstance(ticket.answer, BaseException):
            raise ticket.answer
        if ticket.answer is None:
            text = f"{self._dispatch.store.label}: no answer within {self._timeout:g} s"
            if ticket.failure is not None:
                text = f"{text}; the last try: {ticket.failure}"
            raise StoreUnavailableError(text) from ticket.failure
        return ticket.answer

    def _send(self, ticket: Ticket) -> SentCall[Written] | None:
        """Send a write without a thread if that is possible; `_receive` has to follow."""
        if self._writer is None or ticket.settlement is not None or len(ticket.enqueue) != 1:
            return None
        notice = self._take_notice(ticket)
        if not self._writer.begin(ticket.enqueue[0], notice, now=self._clock.store_now()):
            return None
        return SentCall(self._writer)

    async def _receive(self, ticket: Ticket, sent: SentCall[Written]) -> None:
        """Wait for the answer; a write that has to be tried again then waits for the task."""
        answer: Written | StoreError | None = None
        try:
            self._busy = True  # in the block, so that a Ctrl-C cannot leave it set
            with sent:
                answer = await self._dispatch.observed("write", sent.wait)
        except StoreError as error:
            if not ticket.withdrawn:  # else its time is over
                answer, ticket.done = error, Event()
        finally:
            if answer is None:
                self._free()
        if answer is not None:
            self._ended_alone(ticket, answer)

    def _take_notice(self, ticket: Ticket) -> Notice:
        if self._notifier is not None and ticket.enqueue and ticket.announced is None:
            ticket.announced = self._notifier.piggyback(ticket.names)
        return ticket.announced or _NO_NOTICE

    def _begin_alone(self, ticket: Ticket, waiter: Waiter | None = None) -> None:
        """Begin to write a ticket without the task, which saves two turns of the loop."""
        notice = self._take_notice(ticket)
        connects = ticket.enqueue and self._writer is not None and self._writer.is_wanted
        self._busy = True
        self._dispatch.begin(
            "write",
            partial(self._write_alone, ticket),
            partial(self._ended_alone, ticket),
            afterwards=partial(self._follow_up, notice) if notice or connects else None,
            waiter=waiter,
        )

    def _write_alone(self, ticket: Ticket) -> Written:
        store, now = self._dispatch.store, self._clock.store_now()
        jobs, settlements, reports = rows_of([ticket])
        return store.write(jobs, settlements, progress=reports, now=now)

    def _follow_up(self, notice: Notice) -> None:
        with suppress(Exception):  # then the other processes find the jobs by polling
            if notice:
                self._dispatch.store.notify(notice)
        with suppress(Exception):  # then a thread writes the next single job, too
            if self._writer is not None:
                self._writer.connect()

    def _free(self) -> None:
        self._busy = False
        if self._waiting or self._finished:
            self._work.set()

    def _ended_alone(self, ticket: Ticket, written: Written | BaseException) -> None:
        if not isinstance(written, BaseException):
            self._tries = 0
            problem = answer_error(written, len(ticket.enqueue), self._dispatch.store.label)
            if problem is None and written.commands:
                self.commanded()
            ticket.take(problem or written)
        elif self._ended or not isinstance(written, Exception):
            ticket.take(written)
        else:
            # The task tries again, and finds the rows that are refused.
            ticket.announced = None  # no notice was sent
            if isinstance(written, StoreUnavailableError):
                self._tries += 1
                ticket.repeat(written)
            elif isinstance(written, UnreadableJobError):  # the other rows may be stored
                ticket.repeat()
            self._waiting.insert(0, ticket)
        self._free()

    async def _commit_all(self) -> None:
        await self._pause()
        while True:
            batch, self._waiting = take_batch(self._waiting)
            if not batch:
                return
            self._batch = batch
            self._crowded = len(batch) > 1
            try:
                await self._commit(batch)
                self._tries = 0
            except StoreUnavailableError as error:
                self._tries += 1
                self._put_back(error)
            self._answer_batch()
            await self._pause()

    def _put_back(self, error: StoreUnavailableError) -> None:
        """Make the tickets without an answer wait again, behind others, which may succeed."""
        unanswered = [ticket for ticket in self._batch if ticket.answer is None]
        self._batch = [ticket for ticket in self._batch if ticket.answer is not None]
        for ticket in unanswered:
            ticket.repeat(error)
        self._waiting += unanswered

    def _answer_batch(self) -> None:
        batch = self._batch
        batch.reverse()  # as they are taken from the end
        while batch:
            ticket = batch.pop()
            ticket.take(ticket.answer or WRITTEN)

    async def _pause(self) -> None:
        if self._tries:
            await self._dispatch.pause(self._tries - 1)

    async def _commit(self, batch: list[Ticket]) -> None:
        """Set the answers of all tickets, or raise `StoreUnavailableError`."""
        try:
            written = await self._write(batch)
        except StoreUnavailableError:
            raise
        except Exception as error:  # noqa: BLE001 - one caller's bad row is that caller's error
            await self._isolate(batch, error)
            return
        count = sum(len(ticket.enqueue) for ticket in batch)
        if problem := answer_error(written, count, self._dispatch.store.label):
            for ticket in batch:
                ticket.answer = problem
            return
        if written.commands:
            self.commanded()
        jobs = iter(written.jobs)
        for ticket in batch:
            if ticket.enqueue or written.lost or written.cancelled:
                stored = [next(jobs) for _ in ticket.enqueue]
                ticket.answer = await self._part_of(written, ticket, stored)
            else:  # most often; a lookup would hash its reservation
                ticket.answer = WRITTEN

    async def _isolate(self, batch: list[Ticket], error: Exception) -> None:
        """Commit the halves, and theirs: a row that fails affects its caller only."""
        if len(batch) == 1:
            batch[0].answer = error
            return
        if isinstance(error, UnreadableJobError):  # the other rows may be stored
            for ticket in batch:
                ticket.repeat()
        half = len(batch) // 2
        await self._commit(batch[:half])
        await self._commit(batch[half:])
        batch.sort(key=_is_written)

    async def _write(self, batch: list[Ticket]) -> Written:
        write, now = self._dispatch.store.write, self._clock.store_now()
        jobs, settlements, reports = rows_of(batch)
        return await self._dispatch.once(write, jobs, settlements, progress=reports, now=now)

    async def _part_of(
        self, written: Written, ticket: Ticket, stored: Sequence[Job]
    ) -> Written | Exception:
        """Return what was written of one ticket of a batch, by this or an earlier try."""
        if (one := ticket.settlement) is None:
            return Written(stored, _lost_report(ticket, written))
        held = one.reservation
        reason = written.cancelled.get(held)
        try:
            if reason is None and held in written.lost and ticket.repeated:
                if await was_settled(self._dispatch, one):
                    return Written(stored, ())
                reason = await was_cancelled(self._dispatch, one)
        except StoreUnavailableError:
            raise
        except Exception as error:  # noqa: BLE001 - the others of the batch are committed
            return error
        if reason is not None:
            return Written(stored, (), {held: reason}, {held} & set(written.still_reserved))
        return Written(stored, (held,) if held in written.lost else ())


def _lost_report(ticket: Ticket, written: Written) -> Sequence[Reservation]:
    held = None if ticket.progress is None else ticket.progress.reservation
    return [held] if held is not None and held in written.lost else ()


def _do_nothing() -> None:
    """Notify no one, as new jobs have no descendants."""


def _is_written(ticket: Ticket) -> bool:
    return isinstance(ticket.answer, Written)

"""Group commit: writes that wait at the same time are committed in one transaction.

When no other write waits, a write goes to a store thread at once, and the caller's task is the
only one involved. Under load the next batch gathers while the task `GroupCommit.run` commits
the last one, so batches grow by themselves up to their limit. `run` is shielded from
cancellation until `finish`, because callers wait for it; a caller that is cancelled withdraws
its write only if its batch has not begun. While the store is unavailable `run` repeats the
batches with backoff, and `Store.write` recognizes rows of an earlier try by their ids.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, final

from anyio import Event, move_on_after

from bgjobs._core.clock import Clock
from bgjobs._core.jobs import Job, Reservation
from bgjobs._core.settlements import Settlement, Succeed
from bgjobs._runtime.cancellation import raise_if_cancelled, run_shielded
from bgjobs._runtime.notifications.wakeups import Notifier
from bgjobs._runtime.persistence.dispatch import Dispatch
from bgjobs._runtime.persistence.lost_answers import was_cancelled, was_settled
from bgjobs._runtime.persistence.ticket import Ticket, answer_error
from bgjobs.errors import (
    RowRefusedError,
    StoreError,
    StoreUnavailableError,
    UnreadableJobError,
)
from bgjobs.stores.types import NewJob, Written

LARGEST_BATCH = 1000
"""Rows in one transaction. Beyond a few hundred, a larger batch only ends later."""
HEAVIEST_BATCH = 8_000_000
"""Characters of payload in one transaction, so that large jobs do not delay the others."""


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
        self._notifier = notifier
        """Notifies other processes of the jobs that are enqueued here."""
        self._waiting: list[Ticket] = []
        self._batch: list[Ticket] = []
        """What `run` commits now."""
        self._work = Event()
        self._busy = False
        """Whether a batch is being committed."""
        self._crowded = False
        """Whether writes come together, so that waiting one turn of the loop is worth it."""
        self._finished = False
        self._ended = False
        self._tries = 0
        """Writes that failed since the last that succeeded, because the store was away."""

    async def enqueue(self, jobs: Sequence[NewJob]) -> Sequence[Job]:
        """Store jobs and notify other processes; when this returns they are committed.

        If the caller is cancelled before its batch has begun, nothing is stored; after that,
        the jobs may be stored. `StoreUnavailableError` after `store_timeout`; the jobs may be
        stored then, too.
        """
        await raise_if_cancelled()  # or the batch could begin before the cancellation arrives
        ticket = Ticket(enqueue=jobs)
        with move_on_after(self._timeout):
            await self._submit(ticket)
        stored = self._answer(ticket).jobs
        if self._notifier is not None and not ticket.announced:
            self._notifier.add(ticket.names)
        return stored

    async def settle(self, settlement: Settlement, followers: Sequence[NewJob] = ()) -> Written:
        """Write the end of a run, together with the jobs that follow it.

        Nothing is written if the reservation was lost. Waits as long as the store is
        unavailable; the caller limits the wait, by its lease.
        """
        ticket = Ticket(enqueue=followers, settle=[settlement])
        await self._submit(ticket)
        return self._answer(ticket)

    async def settle_all(
        self, settlements: Sequence[Settlement]
    ) -> tuple[Written, Mapping[Reservation, Exception]]:
        """Write the ends of many runs that have no followers; waits like `settle`.

        Returns also the errors of those that the store refused, by their reservation. All
        others are written.
        """
        ticket = Ticket(settle=settlements)
        await self._submit(ticket)
        if isinstance(ticket.error, RowRefusedError):
            return Written((), ()), {one.reservation: ticket.error for one in settlements}
        return self._answer(ticket), ticket.refused

    async def complete(
        self, job: Job, work: Callable[[Any], object], followers: Sequence[NewJob] = ()
    ) -> bool:
        """Settle `job` as succeeded, together with what `work` writes; False if it was lost.

        This runs in a transaction of its own, so slow user code cannot delay other writes.
        Waits as long as the store is unavailable, like `settle`.
        """
        verb, reservation = self._dispatch.store.complete, job.reservation
        tries = 0
        while True:
            try:
                now = self._clock.store_now()
                done = await self._dispatch.once(verb, reservation, work, followers, now=now)
                return done or (
                    tries > 0 and await was_settled(self._dispatch, Succeed(reservation))
                )
            except StoreUnavailableError:
                await self._dispatch.pause(tries)
                tries += 1

    async def run(self) -> None:
        """Commit batches until `finish`; shielded from cancellation, so no write is cut off.

        A Ctrl-C that is raised inside this task ends it early. Waiting and later callers then
        get a `StoreError`.
        """
        try:
            await run_shielded(self._commit_until_finished)
        finally:
            self._ended = True
            for ticket in (*self._batch, *self._waiting):
                if not ticket.done.is_set():
                    ticket.fail(self._ended_error())

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

    async def _submit(self, ticket: Ticket) -> None:
        if self._ended:
            raise self._ended_error()
        try:
            if self._busy or self._waiting or self._crowded or self._clock.inline:
                self._waiting.append(ticket)
                self._work.set()
            else:
                self._begin_alone(ticket)
            await ticket.done.wait()
        except BaseException:  # a cancellation, or a Ctrl-C in a listener
            ticket.withdrawn = True
            raise

    def _answer(self, ticket: Ticket) -> Written:
        if ticket.error is not None:
            raise ticket.error
        if ticket.written is None:
            text = f"{self._dispatch.store.label}: no answer within {self._timeout:g} s"
            if ticket.failure is not None:
                text = f"{text}; the last try: {ticket.failure}"
            raise StoreUnavailableError(text) from ticket.failure
        return ticket.written

    def _begin_alone(self, ticket: Ticket) -> None:
        """Begin to write a ticket without the task, which saves two turns of the loop."""
        if self._notifier is not None and ticket.enqueue:
            ticket.announced = self._notifier.piggyback(ticket.names)
        self._busy = True
        self._dispatch.begin(
            "write", partial(self._write_alone, ticket), partial(self._ended_alone, ticket)
        )

    def _write_alone(self, ticket: Ticket) -> Written:
        store = self._dispatch.store
        written = store.write(ticket.enqueue, ticket.settle, now=self._clock.store_now())
        if ticket.announced:
            with suppress(StoreError):  # then the other processes find the jobs by polling
                store.notify(ticket.announced)
        return written

    def _ended_alone(self, ticket: Ticket, written: Written | BaseException) -> None:
        self._busy = False
        if not isinstance(written, BaseException):
            self._answer_alone(ticket, written)
        elif self._ended or not isinstance(written, Exception):
            ticket.fail(written)
        else:
            # The task tries again, and finds the rows that are refused.
            if isinstance(written, StoreUnavailableError):
                self._tries += 1
                ticket.repeat(written)
            elif isinstance(written, UnreadableJobError):  # the other rows may be stored
                ticket.repeat()
            self._waiting.insert(0, ticket)
        if self._waiting or self._finished:
            self._work.set()

    def _answer_alone(self, ticket: Ticket, written: Written) -> None:
        if (error := self._answer_error(written, len(ticket.enqueue))) is not None:
            ticket.fail(error)
        else:
            self._tries = 0
            ticket.written = written
            ticket.done.set()

    def _answer_error(self, written: Written, count: int) -> StoreError | None:
        return answer_error(written, count, self._dispatch.store.label)

    async def _commit_all(self) -> None:
        await self._pause()
        while batch := self._take():
            self._batch = batch
            self._crowded = len(batch) > 1
            try:
                await self._commit(batch)
            except StoreUnavailableError as error:
                unanswered = [ticket for ticket in batch if not ticket.done.is_set()]
                for ticket in unanswered:
                    ticket.repeat(error)
                self._waiting += unanswered  # behind others, which may succeed
                self._tries += 1
                await self._pause()
            else:
                self._tries = 0
        self._batch = []

    async def _pause(self) -> None:
        if self._tries:
            await self._dispatch.pause(self._tries - 1)

    def _take(self) -> list[Ticket]:
        """Take the next batch, in order: at least one ticket, up to the limits of a batch."""
        batch: list[Ticket] = []
        size = weight = 0
        waiting = [ticket for ticket in self._waiting if not ticket.withdrawn]
        taken = 0
        for ticket in waiting:
            if (measures := ticket.measure()) is not None:
                rows, characters, goes_alone = measures
                size += rows
                weight += characters
                is_full = size > LARGEST_BATCH or weight > HEAVIEST_BATCH
                if batch and (is_full or goes_alone or batch[0].goes_alone):
                    break
                batch.append(ticket)
            taken += 1
        self._waiting = waiting[taken:]
        return batch

    async def _commit(self, batch: list[Ticket]) -> None:
        try:
            written = await self._write(batch)
        except StoreUnavailableError:
            raise
        except Exception as error:  # noqa: BLE001 - one caller's bad row is that caller's error
            await self._isolate(batch, error)
            return
        count = sum(len(ticket.enqueue) for ticket in batch)
        if (problem := self._answer_error(written, count)) is None:
            await self._answer_all(batch, written)
        else:
            for ticket in batch:
                ticket.fail(problem)

    async def _isolate(self, batch: list[Ticket], error: Exception) -> None:
        """Commit the tickets one by one, so that a row that fails affects its caller only."""
        if len(batch) > 1:
            for ticket in batch:
                if isinstance(error, UnreadableJobError):  # the other rows may be stored
                    ticket.repeat()
                await self._commit([ticket])
        elif len(batch[0].settle) > 1:
            await self._commit_one_by_one(batch[0])
        else:
            batch[0].fail(error)

    async def _commit_one_by_one(self, ticket: Ticket) -> None:
        refused = dict[Reservation, Exception]()
        lost, cancelled = list[Reservation](), dict[Reservation, str]()
        for one in ticket.settle:
            part = Ticket(settle=[one], repeated=ticket.repeated)
            await self._commit([part])
            if isinstance(part.error, Exception):
                refused[one.reservation] = part.error
            elif part.written is not None:
                lost += part.written.lost
                cancelled |= part.written.cancelled
        ticket.refused, ticket.written = refused, Written((), lost, cancelled)
        ticket.done.set()

    async def _write(self, batch: list[Ticket]) -> Written:
        return await self._dispatch.once(
            self._dispatch.store.write,
            [job for ticket in batch for job in ticket.enqueue],
            [settlement for ticket in batch for settlement in ticket.settle],
            now=self._clock.store_now(),
        )

    async def _answer_all(self, batch: list[Ticket], written: Written) -> None:
        jobs = iter(written.jobs)
        for ticket in batch:
            stored = [next(jobs) for _ in ticket.enqueue]
            try:
                ticket.written = await self._part_of(written, ticket, stored)
            except StoreUnavailableError:
                raise
            except Exception as error:  # noqa: BLE001 - the others of the batch are committed
                ticket.error = error
        for ticket in batch:
            ticket.done.set()

    async def _part_of(
        self, written: Written, ticket: Ticket, stored: Sequence[Job]
    ) -> Written:
        """Return what a batch has written of one ticket."""
        if not written.lost and not written.cancelled:  # most often; what follows hashes
            return Written(stored, ())
        lost: list[Reservation] = []
        cancelled = dict[Reservation, str]()
        for one in ticket.settle:
            reason = written.cancelled.get(one.reservation)
            if one.reservation in written.lost and ticket.repeated:
                if await was_settled(self._dispatch, one):
                    continue
                reason = await was_cancelled(self._dispatch, one)
            if reason is not None:
                cancelled[one.reservation] = reason
            elif one.reservation in written.lost:
                lost.append(one.reservation)
        return Written(stored, lost, cancelled)

"""Group commit: whatever waits to be written at one time goes down as one transaction.

Idle, a write leaves at once and nothing is added to it. Loaded, the next batch gathers while
the last one is being committed, so the batches grow by themselves up to their limit.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, final
from uuid import UUID

from anyio import Event, move_on_after
from attrs import field, frozen

from bgjobs._core.clock import Clock
from bgjobs._core.jobs import FailedJob, Job, Reservation, SucceededJob
from bgjobs._core.settlements import Drop, Requeue, Settlement, Succeed
from bgjobs._runtime.cancellation import raise_if_cancelled, run_shielded
from bgjobs._runtime.notifications.wakeups import Notifier
from bgjobs._runtime.persistence.dispatch import Dispatch
from bgjobs._runtime.persistence.ticket import Ticket, cancelled_before, fault_in, is_settled
from bgjobs.errors import (
    RowRefusedError,
    StoreError,
    StoreUnavailableError,
    UnreadableJobError,
)
from bgjobs.stores.types import NewJob, Written

LARGEST_BATCH = 1000
"""Rows in one transaction; beyond a few hundred a larger batch is no faster, only later."""
HEAVIEST_BATCH = 8_000_000
"""Characters of payload in one transaction, so that large jobs do not hold up the rest."""


@final
@frozen
class Settled:
    """What became of the ends of many runs."""

    lost: Collection[Reservation]
    """These reservations were not there any more; nothing was written for them."""
    refused: Mapping[Reservation, Exception] = field(factory=dict[Reservation, Exception])
    """And for these the store did not take what was to be written."""
    cancelled: Mapping[Reservation, str] = field(factory=dict[Reservation, str])
    """See `Written.cancelled`."""


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
        """Who tells other processes of what is enqueued here."""
        self._waiting: list[Ticket] = []
        self._batch: list[Ticket] = []
        """What the task commits."""
        self._work = Event()
        self._busy = False
        """Whether a batch is being committed."""
        self._crowded = False
        """Whether writes come together, so that it is worth to wait a turn of the loop."""
        self._finished = False
        self._ended = False
        self._tries = 0
        """Writes since the last that succeeded, for want of the store."""

    async def enqueue(self, jobs: Sequence[NewJob]) -> Sequence[Job]:
        """Store jobs and tell other processes; when this returns they are committed.

        Cancelled before the batch is taken, nothing is stored; after that, they may be.
        `StoreUnavailableError` after the configured time; they may be stored then, too.
        """
        await raise_if_cancelled()  # else the batch may be taken before it is noticed
        ticket = Ticket(enqueue=jobs)
        with move_on_after(self._timeout):
            await self._submit(ticket)
        stored = self._answer(ticket).jobs
        if self._notifier is not None and not ticket.told:
            self._notifier.tell(ticket.names)
        return stored

    async def settle(self, settlement: Settlement, followers: Sequence[NewJob] = ()) -> bool:
        """Write the end of a run, and with it the jobs that follow it.

        False when the reservation was lost; then nothing is written. Waits for a store that is
        away: the caller bounds it, by its lease.
        """
        ticket = Ticket(enqueue=followers, settle=[settlement])
        await self._submit(ticket)
        return not self._answer(ticket).lost

    async def put_back(self, requeue: Requeue) -> "Settled":
        """Write that a job is put back; waits and raises like `settle`."""
        ticket = Ticket(settle=[requeue])
        await self._submit(ticket)
        written = self._answer(ticket)
        return Settled(written.lost, cancelled=written.cancelled)

    async def settle_all(self, settlements: Sequence[Settlement]) -> "Settled":
        """Write the ends of many runs that nothing follows; waits like `settle`."""
        ticket = Ticket(settle=settlements)
        await self._submit(ticket)
        if isinstance(ticket.error, RowRefusedError):  # of several, all that can be are written
            return Settled((), {one.reservation: ticket.error for one in settlements})
        written = self._answer(ticket)
        return Settled(written.lost, ticket.refused, written.cancelled)

    async def complete(
        self, job: Job, work: Callable[[Any], object], followers: Sequence[NewJob] = ()
    ) -> bool:
        """Let `job` succeed together with what `work` writes; False when it was lost.

        In a transaction of its own: what is a stranger's code shall hold nobody up. Waits
        for a store that is away, like `settle`.
        """
        verb, reservation = self._dispatch.store.complete, job.reservation
        tries = 0
        while True:
            try:
                now = self._clock.store_now()
                done = await self._dispatch.once(verb, reservation, work, followers, now=now)
                return done or (tries > 0 and await self._settled_before(Succeed(reservation)))
            except StoreUnavailableError:
                await self._dispatch.pause(tries)
                tries += 1

    async def run(self) -> None:
        """Commit batches until `finish`; not cancelled before, so that nothing is cut off.

        Should it end all the same, as by a Ctrl-C that is raised right here, whatever waits and
        whatever comes later gets a `StoreError`.
        """
        try:
            await run_shielded(self._commit_until_finished)
        finally:
            self._ended = True
            for ticket in (*self._batch, *self._waiting):
                if not ticket.done.is_set():
                    ticket.fail(self._gone())

    def finish(self) -> None:
        """Let `run` end once nothing waits any more."""
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

    def _gone(self) -> StoreError:
        label = self._dispatch.store.label
        return StoreError(f"{label}: the application ends, so nothing more is written")

    async def _submit(self, ticket: Ticket) -> None:
        if self._ended:
            raise self._gone()
        try:
            if self._busy or self._waiting or self._crowded or self._clock.inline:
                self._waiting.append(ticket)
                self._work.set()
            else:
                self._write_alone(ticket)
            await ticket.done.wait()
        except BaseException:  # cancelled, or a Ctrl-C in a listener
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

    def _write_alone(self, ticket: Ticket) -> None:
        """Write what nothing else waits with, without the task: two turns of the loop less."""
        if self._notifier is not None and ticket.enqueue:
            ticket.told = self._notifier.along(ticket.names)
        self._busy = True
        self._dispatch.begin(
            "write", partial(self._write_and_tell, ticket), partial(self._written_alone, ticket)
        )

    def _write_and_tell(self, ticket: Ticket) -> Written:
        store = self._dispatch.store
        written = store.write(ticket.enqueue, ticket.settle, now=self._clock.store_now())
        if ticket.told:
            with suppress(StoreError):  # it costs the receivers one poll
                store.notify(ticket.told)
        return written

    def _written_alone(self, ticket: Ticket, written: Written | BaseException) -> None:
        self._busy = False
        if not isinstance(written, BaseException):
            self._answer_alone(ticket, written)
        elif self._ended or not isinstance(written, Exception):
            ticket.fail(written)
        else:
            # The task tries again, and finds out what is refused.
            if isinstance(written, StoreUnavailableError):
                self._tries += 1
                ticket.repeat(written)
            elif isinstance(written, UnreadableJobError):  # what is not refused may be stored
                ticket.repeat()
            self._waiting.insert(0, ticket)
        if self._waiting or self._finished:
            self._work.set()

    def _answer_alone(self, ticket: Ticket, written: Written) -> None:
        if (fault := self._fault_of(written, len(ticket.enqueue))) is not None:
            ticket.fail(fault)
        else:
            self._tries = 0
            ticket.written = written
            ticket.done.set()

    def _fault_of(self, written: Written, count: int) -> StoreError | None:
        return fault_in(written, count, self._dispatch.store.label)

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
                self._waiting += unanswered  # behind those that may fare better
                self._tries += 1
                await self._pause()
            else:
                self._tries = 0
        self._batch = []

    async def _pause(self) -> None:
        if self._tries:
            await self._dispatch.pause(self._tries - 1)

    def _take(self) -> list[Ticket]:
        """Take what waits, in its order, up to the largest batch but always something."""
        batch: list[Ticket] = []
        size = weight = 0
        waiting = [ticket for ticket in self._waiting if not ticket.withdrawn]
        taken = 0
        for ticket in waiting:
            if (measures := _measured(ticket)) is not None:
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
            await self._blame(batch, error)
            return
        if (fault := self._fault_of(written, sum(len(one.enqueue) for one in batch))) is None:
            await self._answer_all(batch, written)
        else:
            for ticket in batch:
                ticket.fail(fault)

    async def _blame(self, batch: list[Ticket], error: Exception) -> None:
        """Find whose rows the store refuses, so that one bad write fails nobody else's."""
        if len(batch) > 1:
            for ticket in batch:
                if isinstance(error, UnreadableJobError):  # what is not refused may be stored
                    ticket.repeat()
                await self._commit([ticket])
        elif len(batch[0].settle) > 1:
            await self._commit_one_by_one(batch[0])
        else:
            batch[0].fail(error)

    async def _commit_one_by_one(self, ticket: Ticket) -> None:
        parts = [Ticket(settle=[one], repeated=ticket.repeated) for one in ticket.settle]
        for part in parts:
            await self._commit([part])
        reservations = [part.settle[0].reservation for part in parts]
        answers = list(zip(reservations, parts, strict=True))
        ticket.refused = {
            held: part.error for held, part in answers if isinstance(part.error, Exception)
        }
        written = [part.written for part in parts if part.written is not None]
        ticket.written = Written(
            (),
            [held for one in written for held in one.lost],
            {held: why for one in written for held, why in one.cancelled.items()},
        )
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
        if not written.lost and not written.cancelled:  # mostly; the rest hashes reservations
            return Written(stored, ())
        lost: list[Reservation] = []
        cancelled = dict[Reservation, str]()
        for one in ticket.settle:
            reason = written.cancelled.get(one.reservation)
            if one.reservation in written.lost and ticket.repeated:
                if await self._settled_before(one):
                    continue
                reason = await self._cancelled_before(one)
            if reason is not None:
                cancelled[one.reservation] = reason
            elif one.reservation in written.lost:
                lost.append(one.reservation)
        return Written(stored, lost, cancelled)

    async def _settled_before(self, settlement: Settlement) -> bool:
        """Return whether an earlier try, whose answer was lost, is what settled this job."""
        reservation = settlement.reservation
        found = await self._find(reservation.job_id)
        if found is None:
            return isinstance(settlement, Drop)
        return is_settled(found, settlement, reservation)

    async def _cancelled_before(self, settlement: Settlement) -> str | None:
        """Return why an earlier try has ended a job that it was to put back; else None."""
        if not isinstance(settlement, Requeue):
            return None
        job_id = settlement.reservation.job_id
        found = await self._find(job_id)
        return None if found is None else cancelled_before(found, settlement)

    async def _find(self, job_id: UUID) -> Job | SucceededJob | FailedJob | None:
        try:
            return await self._dispatch.once(self._dispatch.store.find, job_id)
        except UnreadableJobError:  # no run of ours left it so
            return None


def _measured(ticket: Ticket) -> tuple[int, int, bool] | None:
    """Return size, weight and whether it goes alone; None for one that it has failed.

    A request that was made past its checks may raise here. It is that caller's error alone.
    """
    try:
        return ticket.size, ticket.weight, ticket.goes_alone
    except Exception as error:  # noqa: BLE001 - whatever its attributes raise
        ticket.fail(error)
        return None

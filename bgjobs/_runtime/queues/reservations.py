"""Reservations for one owner: in a store thread, or without one for a queue without jobs."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import final

from bgjobs._core.jobs import Job
from bgjobs._core.limits import Cap
from bgjobs._runtime.cancellation import raise_if_cancelled, run_shielded
from bgjobs._runtime.persistence.sent_call import SentCall
from bgjobs._runtime.worker_services import WorkerServices
from bgjobs.errors import StoreError, StoreUnavailableError
from bgjobs.stores.nonblocking_calls import nonblocking_of
from bgjobs.stores.types import Owner, Position


@final
class Reservations:
    """Reserves jobs; a call that was made is waited for, although the task is cancelled."""

    def __init__(self, services: WorkerServices, owner: Owner) -> None:
        self._services = services
        self._dispatch = services.dispatch
        self._owner = owner
        found = None if services.clock.inline else nonblocking_of(services.store)
        self._reserver = None if found is None else found.reserver

    async def reserve(
        self,
        names: Sequence[str],
        limit: int,
        *,
        caps: Sequence[Cap],
        after: Mapping[str, Position],
        is_idle: bool,
    ) -> Sequence[Job]:
        """Reserve up to `limit` jobs. The arguments are those of `Store.reserve`.

        A queue that `is_idle` has no other use for the time that the threads take. A busy one
        leaves it to them to read the jobs, which would delay its handlers.
        """
        now = self._services.clock.store_now()
        if is_idle and not caps:
            jobs = await self._reserve_without_thread(names, limit, after, now)
            if jobs is not None:
                return jobs
        return await self._dispatch.once(
            self._services.store.reserve,
            self._owner.id,
            names,
            limit,
            caps=caps,
            after=after,
            now=now,
        )

    async def _reserve_without_thread(
        self,
        names: Sequence[str],
        limit: int,
        after: Mapping[str, Position],
        now: datetime | None,
    ) -> Sequence[Job] | None:
        """Return None if a thread has to do it; nothing is reserved then."""
        reserver = self._reserver
        if reserver is None:
            return None
        await raise_if_cancelled()
        if not reserver.begin(self._owner.id, names, limit, after=after, now=now):
            return None
        sent = SentCall(reserver)
        try:
            with sent:
                wait = partial(run_shielded, sent.wait)
                return await self._dispatch.observed("reserve", wait)
        except StoreUnavailableError:
            raise
        except StoreError:  # the call in a thread finds the rows that are refused
            return None

    def connect(self) -> None:
        """Begin to connect for later reservations without a thread, if one had no connection.

        Nothing waits for it: until then, and if it fails, threads reserve.
        """
        if self._reserver is not None and self._reserver.is_wanted:
            self._dispatch.threads.begin(self._reserver.connect, _ignore)


def _ignore(*_: object) -> None:
    """Do nothing with the result or the error of a call."""

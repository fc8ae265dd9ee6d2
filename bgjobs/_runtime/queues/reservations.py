"""Reservations for one owner: in a store thread, or without one for a queue without jobs."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import final

from bgjobs._core.jobs import Job
from bgjobs._core.limits import Cap
from bgjobs._runtime.cancellation import raise_if_cancelled, run_shielded
from bgjobs._runtime.persistence.sent_call import SentCall
from bgjobs._runtime.worker_services import WorkerServices
from bgjobs.errors import StoreError, StoreUnavailableError
from bgjobs.stores.nonblocking_calls import NonBlockingReserver, nonblocking_of
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
        in_thread = partial(
            self._services.store.reserve,
            self._owner.id,
            names,
            limit,
            caps=caps,
            after=after,
            now=now,
        )
        call = partial(self._dispatch.leave_the_loop, in_thread)
        if self._reserver is not None and is_idle and not caps:
            begin = partial(
                self._reserver.begin, self._owner.id, names, limit, after=after, now=now
            )
            call = partial(self._send, self._reserver, begin, otherwise=call)
        return await self._dispatch.observed("reserve", call)

    async def _send(
        self,
        reserver: NonBlockingReserver,
        begin: Callable[[], bool],
        otherwise: Callable[[], Awaitable[Sequence[Job]]],
    ) -> Sequence[Job]:
        """Reserve without a thread; if nothing can be reserved in this way, do it otherwise."""
        await raise_if_cancelled()
        if not begin():
            return await otherwise()
        sent = SentCall(reserver)
        try:
            with sent:
                return await run_shielded(sent.wait)
        except StoreUnavailableError:
            raise
        except StoreError:  # the server has rolled it back, or refuses some rows
            return await otherwise()

    async def connect(self) -> None:
        """Connect for later reservations without a thread, if one had no connection."""
        if self._reserver is not None and self._reserver.is_wanted:
            with suppress(Exception):  # then threads go on to reserve
                await self._dispatch.leave_the_loop(self._reserver.connect)

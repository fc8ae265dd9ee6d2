"""The nursery of an application: its parent is an owner with a lease of its own.

The heartbeat renews the lease with those of the queues. If the process dies, the lease ends,
and the sweep of any process ends the children.
"""

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext, suppress
from functools import partial
from typing import final

from bgjobs._core.ids import new_id
from bgjobs._core.nurseries import NURSERY_OWNER
from bgjobs._core.timestamps import as_duration
from bgjobs._runtime.cancellation import run_shielded
from bgjobs._runtime.leases.registry import Lease
from bgjobs._runtime.nurseries.nursery import JobNursery, open_nursery
from bgjobs._runtime.nurseries.parent import Parent
from bgjobs._runtime.worker_services import WorkerServices
from bgjobs.errors import StoreError
from bgjobs.stores.types import Notice, Owner


@final
class ApplicationParent(Parent):
    """An owner that holds no job, as the parent of children."""

    @property
    def label(self) -> str:
        """The id of the owner."""
        return f"nursery {self.id}"

    def waiting(self) -> AbstractAsyncContextManager[None]:
        """Return a block without effect, as an application holds no slot."""
        return nullcontext()

    async def notice_interruption(self) -> None:
        """Return at once: an application that is cancelled does not run again."""


@asynccontextmanager
async def open_application_nursery(
    services: WorkerServices, node: str, *, cancel_on_failure: bool
) -> AsyncGenerator[JobNursery]:
    """Open a nursery under a lease of its own; see `BgJobs.open_nursery`."""
    lease = await _open_lease(services, Owner(new_id(), NURSERY_OWNER, node))
    parent = ApplicationParent(services, lease.owner.id, priority=1)
    try:
        async with open_nursery(parent, cancel_on_failure=cancel_on_failure) as nursery:
            yield nursery
    finally:
        services.registry.remove(lease)
        await run_shielded(partial(_close_lease, services, lease))


async def _open_lease(services: WorkerServices, owner: Owner) -> Lease:
    seconds, clock = services.config.lease, services.clock
    lease = Lease(owner, seconds, until=0.0)
    lease.renew(clock.monotonic())
    await services.dispatch.call(
        services.store.open_owner, owner, as_duration(seconds), now=clock.store_now()
    )
    services.registry.add(lease)
    return lease


async def _close_lease(services: WorkerServices, lease: Lease) -> None:
    """Close the owner; its children that are left, if any, end with it."""
    now = services.clock.store_now()
    with suppress(StoreError):  # emitted as StoreFailed; the lease ends by itself
        await services.dispatch.once(services.store.close_owners, [lease.owner.id], now=now)
        services.announce(Notice(commands=True))

"""Stored rows that are not valid jobs: moved to a table of their own, so that the rest goes on.

These functions run in the task that met such a row: a read of the client, a reservation of a
queue, or a sweep of the monitor. They raise `StoreUnavailableError` like any other call; rows
that were not moved by then are found again by the next read.
"""

from collections.abc import Iterator, Sequence

from bgjobs._core.jobs import Job, UnreadableJob
from bgjobs._runtime.services import ClientServices
from bgjobs.errors import StoreError, StoreUnavailableError, UnreadableJobError
from bgjobs.events import JobUnreadable
from bgjobs.stores.operations import Finding, operations_of

REFUSED = "the database refuses how its run ended"
HAS_RETURNED = "its handler has returned, but the database refuses its end"
"""The reason for a run that has succeeded: running it again would repeat its effects."""


async def set_apart(services: ClientServices, found: Sequence[UnreadableJob]) -> bool:
    """Move unreadable rows to their own table. Return whether any was moved.

    A process may lack the permission to move them. It then goes on without them, and a process
    that has the permission moves them when it meets them.
    """
    operations = operations_of(services.store)
    if operations is None or not found:
        return False
    now = services.clock.store_now()
    try:
        moved = await services.dispatch.once(operations.set_apart, found, now=now)
    except StoreUnavailableError:
        raise
    except StoreError:  # emitted as StoreFailed
        return False
    for one in moved:
        services.bus.emit(JobUnreadable, one)
    return bool(moved)


async def set_refused_apart(services: ClientServices, job: Job, reason: str = REFUSED) -> bool:
    """Move the row of a job that this process holds, and whose end the database refuses.

    Each retry would be refused again, and would end the queue each time. Returns False if the
    job is still held, because this process lacks the permission to move its row.
    """
    columns = {"id": str(job.id), "name": job.name, "unique_key": job.unique_key}
    held = UnreadableJob(
        id=job.id,
        table="jobs",
        reason=reason,
        columns=columns,
        key=(job.id, job.reserved_by, job.reservations),
    )
    return await set_apart(services, [held]) or not await _is_held(services, job)


async def _is_held(services: ClientServices, job: Job) -> bool:
    try:
        found = await services.dispatch.call(services.store.find, job.id)
    except UnreadableJobError:  # its row was changed while it ran
        return False
    return isinstance(found, Job) and found.reservation == job.reservation


def unreadable_findings(count: int, at_most: int) -> Iterator[Finding]:
    """Yield the finding about rows that were set apart, if there are any."""
    if count:
        shown = f"{count:,}{'+' if count >= at_most else ''}"
        rows = "1 stored row is" if count == 1 else f"{shown} stored rows are"
        text = f"{rows} unreadable: see bgjobs jobs list --unreadable"
        yield Finding("unreadable rows", "warning", text)

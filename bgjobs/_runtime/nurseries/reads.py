"""Reads who waits for children, and to whom a child belongs."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from uuid import UUID

from bgjobs._core.jobs import AnyJob, Job, Owner
from bgjobs._runtime.persistence.reads import find
from bgjobs._runtime.services import ClientServices
from bgjobs.stores.nurseries import nurseries_of


async def read_waits(
    services: ClientServices, jobs: Iterable[AnyJob]
) -> Mapping[UUID, datetime]:
    """Return since when the handlers of jobs wait for children; see `Client.waits`."""
    nurseries = nurseries_of(services.store)
    held = [
        job.reservation for job in jobs if isinstance(job, Job) and job.reserved_by is not None
    ]
    if nurseries is None or not held:
        return {}
    found = await services.dispatch.call(nurseries.waiting_among, held)
    return {one.job_id: since for one, since in found.items()}


async def read_parent(services: ClientServices, job: AnyJob) -> AnyJob | Owner | None:
    """Return the parent of a job, as far as it is stored; see `Client.parent`."""
    if job.parent_id is None:
        return None
    parent = await find(services, job.parent_id)
    if parent is not None:
        return parent
    owners = await services.dispatch.call(services.store.find_owners, [job.parent_id])
    return next(iter(owners), None)

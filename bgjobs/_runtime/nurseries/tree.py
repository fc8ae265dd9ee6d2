"""Reads a job with its descendants, level by level."""

from uuid import UUID

from bgjobs._core.job_tree import JobTree
from bgjobs._core.jobs import AnyJob
from bgjobs._runtime.services import ClientServices
from bgjobs.stores.nurseries import Nurseries, StoredChild, nurseries_of
from bgjobs.stores.pages import Page


async def read_tree(services: ClientServices, job: AnyJob, most: int) -> JobTree:
    """Return a job with its descendants, up to `most` jobs, those of the first levels first."""
    nurseries = nurseries_of(services.store)
    if nurseries is None:
        return JobTree(job.id, job)
    found, is_cut = await _read_levels(services, nurseries, job.id, most)
    below: dict[UUID, list[JobTree]] = {}
    for child in reversed(found):  # children come after their parents
        tree = JobTree(child.id, child.job, _of(below, child.id))
        below.setdefault(child.parent, []).append(tree)
    return JobTree(job.id, job, _of(below, job.id), is_cut)


def _of(below: dict[UUID, list[JobTree]], parent: UUID) -> tuple[JobTree, ...]:
    return tuple(reversed(below.get(parent, ())))


async def _read_levels(
    services: ClientServices, nurseries: Nurseries, root: UUID, most: int
) -> tuple[list[StoredChild], bool]:
    """Return descendants, level by level, and whether some were left out."""
    descendants, level = list[StoredChild](), [root]
    while level:
        now, left = services.clock.store_now(), most - 1 - len(descendants)
        found = await services.dispatch.call(nurseries.children, level, Page(left + 1), now=now)
        descendants += found[:left]
        if len(found) > left:
            return descendants, True
        level = [child.id for child in found]
    return descendants, False

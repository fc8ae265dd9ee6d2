"""`FamilyReader`: the methods of `Client` that read parents and children of jobs."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from bgjobs._core.arguments import check_type, check_whole, id_of
from bgjobs._core.job_tree import JobTree
from bgjobs._core.jobs import AnyJob, EndedJob, Job, Owner, StoredJob
from bgjobs._runtime.nurseries.reads import read_parent, read_waits
from bgjobs._runtime.nurseries.tree import read_tree
from bgjobs._runtime.persistence.reads import find
from bgjobs._runtime.services import ClientServices
from bgjobs.errors import UnknownJobError


class FamilyReader:
    """The methods of `Client` that read which jobs belong together."""

    def __init__(self, services: ClientServices) -> None:
        self._services = services

    async def tree(self, job: Job[Any] | EndedJob[Any] | UUID, *, most: int = 50) -> JobTree:
        """Return a job with its descendants, which its nurseries and theirs have started.

        Args:
            job: The job, or its id.
            most: How many jobs to read, 1 to 1,000: those of the first levels. If there are
                more, `JobTree.is_cut` of the root is true.

        Raises:
            UnknownJobError: There is no job of this id, or it was deleted.
        """
        self._services.lifecycle.check()
        job_id = id_of("tree", job)
        check_whole("tree: most", most, least=1, most=1_000)
        found = await find(self._services, job_id)
        if found is None:
            raise UnknownJobError(job_id)
        return await read_tree(self._services, found, most)

    async def waits(self, *jobs: AnyJob[Any]) -> Mapping[UUID, datetime]:
        """Return which of these jobs have handlers that wait for children, and since when.

        Processes record a wait that lasts for a second; those of earlier versions record none.
        Only running jobs can wait: without any, nothing is read.

        Args:
            jobs: Jobs as they were read, such as a page of `list`.

        Returns:
            For the id of each job that waits, when that was recorded.
        """
        self._services.lifecycle.check()
        for one in jobs:
            check_type("waits", one, StoredJob, "a job")
        return await read_waits(self._services, jobs)

    async def parent(self, job: AnyJob[Any]) -> AnyJob | Owner | None:
        """Return the parent of a job that was started in a nursery.

        Returns:
            The job whose handler has opened the nursery, live or ended; or, if an application
            has, the `Owner` of the nursery; or None if the job has no parent, or if the parent
            is not stored any more.

        Raises:
            UnreadableJobError: The stored row of the parent cannot be read as a job.
        """
        self._services.lifecycle.check()
        check_type("parent", job, StoredJob, "a job")
        return await read_parent(self._services, job)

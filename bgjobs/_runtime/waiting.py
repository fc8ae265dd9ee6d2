"""Waiting for the end of one job, whoever runs it."""

from uuid import UUID

from anyio import move_on_after

from bgjobs._core.jobs import FailedJob, Job, SucceededJob
from bgjobs._runtime.engine import Engine
from bgjobs._runtime.persistence.unreadable import find
from bgjobs.errors import UnknownJobError

FIRST_LOOK, LONGEST_LOOK = 0.02, 1.0
"""Seconds between two looks at the store, which double: nothing tells of ends elsewhere."""


async def wait_for(engine: Engine, job_id: UUID) -> SucceededJob | FailedJob:
    """See `BgJobs.wait_for`."""
    pause = FIRST_LOOK
    with engine.wakeups.endings() as news:
        while True:
            engine.life.check()
            found = await find(engine, job_id)
            if found is None:
                raise UnknownJobError(job_id)
            if not isinstance(found, Job):
                return found
            with move_on_after(pause):
                await news.wait()
            pause = min(2 * pause, LONGEST_LOOK)

"""What the parts of an application that runs jobs share, on top of what a client has."""

from collections.abc import Collection, Iterable
from functools import partial
from itertools import chain
from typing import Any, final
from uuid import UUID

from bgjobs._core.config import Config
from bgjobs._core.jobs import Job
from bgjobs._runtime.activity.counts import RunCounts
from bgjobs._runtime.bus import Bus
from bgjobs._runtime.leases.registry import Registry
from bgjobs._runtime.notifications.wakeups import Marks
from bgjobs._runtime.nurseries.waits import WaitRecorder
from bgjobs._runtime.persistence.group_commit import GroupCommit
from bgjobs._runtime.queues.progress import ProgressWriter
from bgjobs._runtime.queues.state import QueueState
from bgjobs._runtime.scheduled.planner import Planner
from bgjobs._runtime.services import ClientServices
from bgjobs.stores.types import Notice


@final
class WorkerServices(ClientServices):
    """The shared objects of one `run`, which passes them to every part."""

    def __init__(self, config: Config, bus: Bus) -> None:
        super().__init__(config, bus)
        self.settlements: GroupCommit = GroupCommit(
            self.dispatch, config.clock, config.store_timeout
        )
        """Writes the ends of runs. These are committed apart from new jobs: an insert may wait
        for a unique key that another open transaction holds, and would delay the ends with it.
        """
        self.settlements.commanded = partial(self.announce, Notice(commands=True))
        self.progress: ProgressWriter = ProgressWriter(self.settlements)
        self.counts: RunCounts = RunCounts()
        """How the runs of this process ended, until they are written."""
        self.registry: Registry = Registry()
        self.planner: Planner = Planner(self.time)
        self.queues: list[QueueState] = []
        """The queues that run now, including those of scheduled jobs."""
        self.marks: Marks = Marks()
        """The workers whose jobs have a marked end."""
        self.waits: WaitRecorder = WaitRecorder(self)
        """Which handlers wait for children."""
        self.resources: Any = None
        """What the lifespan has yielded, of any type; None without a lifespan."""

    def run_here(self, names: Collection[str]) -> frozenset[str]:
        """Return those of these names whose workers the queues of this application run."""
        workers = chain.from_iterable(queue.config.workers for queue in self.queues)
        return frozenset(names) & {worker.name for worker in workers}

    def running_jobs(self) -> Iterable[Job]:
        """Return the jobs that queues of this application have reserved and not settled."""
        return chain.from_iterable(queue.held.values() for queue in self.queues)

    def occupying_jobs(self) -> Iterable[Job]:
        """Return the running jobs without those whose handlers wait for other jobs."""
        for queue in self.queues:
            for attempt, job in queue.held.items():
                if attempt not in queue.waiting:
                    yield job

    def is_running(self, job_id: UUID) -> bool:
        """Whether a queue of this application has reserved this job and not settled it."""
        return any(job.id == job_id for job in self.running_jobs())

"""`Health`: whether a running application works, as far as its process knows.

Nothing here asks the store: the heartbeat thread does that anyway, and its last answers are in
the registry.
"""

from collections import Counter
from collections.abc import Sequence
from typing import final

from attrs import frozen

from bgjobs._runtime.leases.heartbeat import LAG_LIMIT
from bgjobs._runtime.worker_services import WorkerServices

STOPPING = "the application is stopping"
NO_LEASE = "a queue or a scheduled job has no lease"
NO_HEARTBEAT = "the store did not answer the last heartbeat"
LATE = "the event loop is late"


@final
@frozen
class Health:
    """What is wrong with a running application; `BgJobs.health` returns it."""

    problems: Sequence[str]
    """Fixed sentences without names and values; empty if the application works."""

    @property
    def is_ready(self) -> bool:
        """Whether there is no problem."""
        return not self.problems


def health_of(services: WorkerServices, lag: float) -> Health:
    """Return the health of an application whose event loop is late by `lag` seconds."""
    if services.lifecycle.is_ending:
        return Health((STOPPING,))
    now, longest = services.clock.monotonic(), 2 * services.config.heartbeat_interval
    live = [lease for lease in services.registry.alive() if lease.left(now)]
    wanted = Counter(queue.name for queue in services.queues)
    found = {
        NO_LEASE: not wanted <= Counter(lease.owner.name for lease in live),
        NO_HEARTBEAT: any(
            lease.failure is not None or lease.since_renewal(now) > longest for lease in live
        ),
        LATE: lag > LAG_LIMIT,
    }
    return Health(tuple(problem for problem, is_there in found.items() if is_there))

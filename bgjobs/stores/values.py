"""What both adapters make of their rows in the same way."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from bgjobs.jobs import Job
from bgjobs.stores.abc import NewJob


def stored_as(new: NewJob, created_at: datetime, available_at: datetime) -> Job:
    """Give the job that `new` has become at these instants."""
    options = new.request.options
    return Job(
        id=new.id,
        name=new.request.name,
        payload=new.request.payload,
        priority=options.priority,
        created_at=created_at,
        available_at=available_at,
        unique_key=options.unique_key,
    )


def in_claim_order(jobs: Iterable[Job]) -> Sequence[Job]:
    """Sort what RETURNING gave in no order of its own."""
    return sorted(jobs, key=lambda job: (job.priority, job.available_at, job.id))

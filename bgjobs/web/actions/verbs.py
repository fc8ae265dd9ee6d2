"""What users can do with jobs: by their ids, or with all jobs of a filter."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime, timedelta
from typing import Any, Literal, TypeAlias, cast, final
from uuid import UUID

from attrs import evolve, field, frozen

import bgjobs
from bgjobs.web.actions.runs import Run

BATCH = 1_000
"""Jobs that are changed at once, where an action has no method for all jobs of a filter."""

Verb: TypeAlias = Literal["retry", "cancel", "run-now", "reschedule", "priority", "delete"]


@final
@frozen
class JobVerb:
    """Something that can be done with jobs."""

    name: Verb
    """Its name in addresses."""
    short: str
    """The text of a button."""
    label: str
    """The beginning of a sentence that goes on with ``3 jobs``."""
    states: Sequence[bgjobs.State]
    """The states of the jobs with which it can be done."""
    effect: str
    """What it does, in a sentence or two."""
    changes_planned: bool = True
    """Whether it changes waiting runs of scheduled jobs, too."""

    def fits(self, job: bgjobs.AnyJob | bgjobs.UnreadableJob) -> bool:
        """Whether it can be done with a job."""
        is_planned = isinstance(job, bgjobs.Job) and job.occurrence is not None
        return job.state in self.states and (self.changes_planned or not is_planned)


VERBS: Mapping[str, JobVerb] = {
    one.name: one
    for one in (
        JobVerb(
            "retry",
            "Retry",
            "Retry",
            ("failed", "cancelled", "unreadable"),
            "They run again with all their attempts. A job whose unique key another job has "
            "taken meanwhile is left out, and so is a row that still cannot be read.",
        ),
        JobVerb(
            "cancel",
            "Cancel",
            "Cancel",
            ("waiting", "delayed", "running"),
            "Those that wait end at once. The processes that run the others cancel their "
            "handlers. They can be retried later.",
        ),
        JobVerb(
            "run-now",
            "Run now",
            "Run now",
            ("delayed",),
            "They are due at once, instead of later. Runs of scheduled jobs are left out.",
            changes_planned=False,
        ),
        JobVerb(
            "reschedule",
            "Reschedule",
            "Reschedule",
            ("waiting", "delayed"),
            "They run at another time. Runs of scheduled jobs are left out.",
            changes_planned=False,
        ),
        JobVerb(
            "priority",
            "Priority",
            "Change the priority of",
            ("waiting", "delayed"),
            "Jobs with lower numbers run first. Runs of scheduled jobs are left out.",
            changes_planned=False,
        ),
        JobVerb(
            "delete",
            "Delete",
            "Delete",
            ("waiting", "delayed", "succeeded", "failed", "cancelled", "unreadable"),
            "They are gone for ever, with their arguments, results and errors.",
        ),
    )
}


@final
@frozen(kw_only=True)
class Settings:
    """What a form asks for besides the jobs."""

    reason: str = "by hand"
    """Why jobs are cancelled."""
    delay: timedelta | None = None
    """After which time jobs are due instead."""
    at: datetime | None = None
    """At which time they are; one of the two is given."""
    priority: int = 0


@final
@frozen
class JobChange:
    """A verb with its settings, and who does it."""

    verb: JobVerb
    author: str
    settings: Settings = field(factory=Settings)

    async def to_ids(self, client: bgjobs.Client, ids: Sequence[UUID]) -> int:
        """Change these jobs. Return how many were changed."""
        admin, by, settings = client.admin, self.author, self.settings
        match self.verb.name:
            case "retry":
                return len(await admin.retry(*ids, by=by))
            case "cancel":
                found = await admin.cancel(*ids, reason=settings.reason, by=by)
                return len(found.ended) + len(found.asked)
            case "run-now":
                return len(await admin.reschedule(*ids, in_=timedelta(0), by=by))
            case "reschedule":
                at, delay = settings.at, settings.delay
                return len(await admin.reschedule(*ids, at=at, in_=delay, by=by))
            case "priority":
                priority = settings.priority
                return len(await admin.change_priority(*ids, priority=priority, by=by))
            case "delete":
                return len(await admin.delete(*ids, by=by))

    async def to_all(
        self, client: bgjobs.Client, wanted: bgjobs.JobFilter[bgjobs.State], run: Run
    ) -> None:
        """Change the jobs of a filter, in batches, and report each of them."""
        admin, by = client.admin, self.author
        if self.verb.name == "retry" and wanted.state in ("failed", "cancelled"):
            retried = cast("bgjobs.JobFilter[Literal['failed', 'cancelled']]", wanted)
            run.report(await admin.retry_all(retried, by=by, progress=run.report))
        elif self.verb.name == "cancel" and wanted.state != "running":
            waiting = cast("bgjobs.JobFilter[Literal['waiting', 'delayed']]", wanted)
            reason = self.settings.reason
            run.report(
                await admin.cancel_all(waiting, reason=reason, by=by, progress=run.report)
            )
        else:
            async with aclosing(_ids(client, wanted)) as batches:
                async for ids in batches:
                    run.report(run.changed + await self.to_ids(client, ids))


async def _ids(
    client: bgjobs.Client, wanted: bgjobs.JobFilter[Any]
) -> AsyncGenerator[Sequence[UUID]]:
    """Yield the ids of the jobs of a filter, in batches.

    The position behind a batch stays valid, although its jobs are changed meanwhile.
    """
    page = bgjobs.Page(BATCH)
    while True:
        found = await client.list(wanted, page)
        if found:
            yield [one.id for one in found]
        if found.after is None:
            return
        page = evolve(page, after=found.after)

"""Waiting jobs whose worker no process runs: how many, since when, and what to do."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from difflib import get_close_matches
from shlex import quote
from typing import final

from attrs import frozen

from bgjobs._core.config import Config
from bgjobs._core.nurseries import NURSERY_OWNER
from bgjobs._core.timestamps import FIRST_MICROSECOND, LAST_MICROSECOND, from_microseconds
from bgjobs._runtime.services import ClientServices
from bgjobs.stores.operations import Finding, Level, Operations

MOST_NAMES = 1_000
"""Workers with waiting jobs that are checked, at most."""
MOST_REPORTED = 20
"""Workers that are reported, at most; further ones usually have the same cause."""
COUNTED = 100_000
"""Jobs of one worker that are counted, at most."""


@final
@frozen(kw_only=True)
class UnhandledJobs:
    """The waiting jobs of one worker that no process runs."""

    worker: str
    """The name of the worker."""
    waiting: int
    """How many jobs wait, delayed ones included, up to 100,000."""
    since: datetime
    """When the first of them was due, or will be, in UTC."""
    runners: Sequence[str] = ()
    """The names of the queues and scheduled jobs of the configuration that have this worker."""
    others: Sequence[str] = ()
    """The names of running queues that the configuration does not have. If the configuration
    does not have the worker either, one of them may run its jobs."""
    is_configured: bool = False
    """Whether the configuration has this worker, in a queue or to enqueue its jobs."""
    is_schedule: bool = False
    """Whether all of the jobs are runs of a scheduled job."""


_MARKED = (
    "the end of jobs of worker {!r} waits for a process that runs it, for its on_failure: "
    "start one, or end the jobs with bgjobs jobs delete; bgjobs jobs list --queue on_failure "
    "has them"
)


async def find_unhandled(
    services: ClientServices, operations: Operations
) -> list[UnhandledJobs]:
    """Return the unhandled jobs of up to `MOST_REPORTED` workers, and of one more if any."""
    names = await services.dispatch.call(operations.get_waiting_names, MOST_NAMES)
    if not names:
        return []
    now = services.clock.store_now()
    owners = await services.dispatch.call(operations.get_owners, now=now)
    running = {owner.name for owner in owners} - {NURSERY_OWNER}
    found: list[UnhandledJobs] = []
    for candidate in candidates(services.config, names, running):
        if len(found) <= MOST_REPORTED and (jobs := await _unhandled(services, candidate)):
            found.append(jobs)
    return found


@final
@frozen
class Candidate:
    """A worker with waiting jobs that no running queue of the configuration has."""

    worker: str
    runners: Sequence[str]
    others: Sequence[str]
    is_configured: bool


def candidates(
    config: Config, names: Iterable[str], running: Collection[str]
) -> Iterator[Candidate]:
    """Yield the workers that seem to have no running queue.

    The workers of a running queue that the configuration does not have are unknown. It may have
    a worker that is only enqueued here, or be a scheduled job that was added at run time.
    """
    runners = _runners(config)
    others = sorted(set(running) - {name for mine in runners.values() for name in mine})
    configured = {worker.name for worker in config.all_workers()}
    for name in names:
        mine, is_configured = runners.get(name, []), name in configured
        is_enqueued_only = is_configured and not mine
        if name in others or (is_enqueued_only and others) or set(mine) & set(running):
            continue
        yield Candidate(name, mine, others, is_configured)


def _runners(config: Config) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for queue in config.queues:
        for worker in queue.workers:
            found.setdefault(worker.name, []).append(queue.name)
    for job in config.scheduled_jobs:
        found.setdefault(job.worker.name, []).append(job.name)
    return found


async def marked_findings(
    services: ClientServices, operations: Operations
) -> Sequence[Finding]:
    """Return a finding for each worker whose marked ends no running queue seems to write."""
    commands = await services.dispatch.call(operations.commands, ())
    if not commands.marked:
        return []
    now = services.clock.store_now()
    owners = await services.dispatch.call(operations.get_owners, now=now)
    running = {owner.name for owner in owners} - {NURSERY_OWNER}
    names = sorted(commands.marked)[:MOST_REPORTED]
    return [
        Finding("on_failure", "warning", _MARKED.format(candidate.worker))
        for candidate in candidates(services.config, names, running)
    ]


async def _unhandled(services: ClientServices, candidate: Candidate) -> UnhandledJobs | None:
    """Count the jobs of a worker; None if there are none, or its queues have no job due yet."""
    ask, store, now = services.dispatch.call, services.store, services.clock.store_now()
    worker = [candidate.worker]
    counts = await ask(store.count, worker, at_most=COUNTED, now=now)
    first = await ask(store.next_due, worker, planned=True, now=now)
    if first is None or (candidate.runners and not counts.waiting):
        return None
    unplanned = await ask(store.next_due, worker, planned=False, now=now)
    return UnhandledJobs(
        worker=candidate.worker,
        waiting=min(counts.waiting + counts.delayed, COUNTED),
        since=_moved(services.clock.now(), first),
        runners=candidate.runners,
        others=candidate.others,
        is_configured=candidate.is_configured,
        is_schedule=unplanned is None,
    )


def _moved(now: datetime, by: timedelta) -> datetime:
    """Return `now + by`, or the first or last datetime there is."""
    try:
        return now + by
    except OverflowError:
        return from_microseconds(FIRST_MICROSECOND if by < timedelta(0) else LAST_MICROSECOND)


def unhandled_findings(config: Config, unhandled: Iterable[UnhandledJobs]) -> Iterator[Finding]:
    """Yield a finding for each worker: the fact, and what to do about it."""
    known = sorted({worker.name for worker in config.all_workers()})
    found = list(unhandled)
    for jobs in found[:MOST_REPORTED]:
        level: Level = "warning" if jobs.is_configured or jobs.others else "problem"
        yield Finding("jobs", level, f"{_fact(jobs)}{_advice(jobs, known)}")
    if len(found) > MOST_REPORTED:
        example = found[MOST_REPORTED].worker
        text = f"jobs of more workers wait, such as {example!r}: handle the ones above first"
        yield Finding("jobs", "warning", text)


def _fact(jobs: UnhandledJobs) -> str:
    count = f"{jobs.waiting:,}{'+' if jobs.waiting >= COUNTED else ''}"
    verb = "job waits" if jobs.waiting == 1 else "jobs wait"
    since = f"since {jobs.since:%Y-%m-%d %H:%M:%S} UTC"
    return f"{count} {verb} for worker {jobs.worker!r} {since}, and "


def _advice(jobs: UnhandledJobs, known: Sequence[str]) -> str:
    worker = jobs.worker
    if jobs.runners:
        names = " or ".join(map(repr, jobs.runners))
        return f"no process runs {names}: start one with bgjobs run"
    if jobs.is_configured:
        return "no process runs it: start one whose queue has it"
    if jobs.is_schedule:
        return (
            "the application no longer has the scheduled job: end its run with "
            f"bgjobs jobs delete, or give a queue the worker {worker!r}"
        )
    near = get_close_matches(worker, known, n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    others = " or ".join(map(repr, jobs.others))
    unless = f", unless the running queue {others} has it" if others else ""
    return (
        f"no queue of the application has it{hint}{unless}: if you have renamed the worker, "
        f"keep its name with @worker(name={worker!r}); otherwise end its jobs "
        f"with bgjobs jobs cancel --all --worker {quote(worker)}"
    )

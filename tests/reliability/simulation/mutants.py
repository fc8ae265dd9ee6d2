"""Bugs that are put into the library on purpose, for the simulation to find."""

import re
from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from typing import Any, TypeAlias
from unittest.mock import patch

from anyio.lowlevel import checkpoint
from attrs import evolve

from bgjobs._core import outcomes
from bgjobs._core.hooks import FailureHook
from bgjobs._core.ids import new_id
from bgjobs._core.jobs import Job, Owner
from bgjobs._runtime.leases.registry import Lease
from bgjobs._runtime.persistence.group_commit import GroupCommit
from bgjobs._runtime.persistence.ticket import Ticket
from bgjobs._runtime.queues import attempt as attempts
from bgjobs._runtime.queues.attempt import Attempt
from bgjobs._runtime.queues.fetcher import Fetcher
from bgjobs._runtime.queues.looks import Looks
from bgjobs._runtime.queues.places import Places
from bgjobs.stores import brood
from bgjobs.stores.types import Written
from tests.reliability.simulation.database import shared_database

Mutant: TypeAlias = Callable[[], AbstractContextManager[None]]
"""Returns a context manager that puts a bug in."""


@contextmanager
def _changed_sql(changes: Mapping[str, str], *names: str) -> Generator[None]:
    """Replace patterns in the statements of these names."""
    statements = shared_database().store._executor.sql
    changed: dict[str, tuple[str, ...]] = {}
    for name in names:
        [text] = statements[name]
        for pattern, other in changes.items():
            text, count = re.subn(pattern, other, text)
            assert count, f"{name}: {pattern!r} does not match"
        changed[name] = (text,)
    with patch.dict(statements._ready, changed):
        yield


_FENCE = {
    r'indexed by "bgjobs_jobs_reserved"': "",
    r"and job\.reserved_by = \S+( '\$\[1\]'\))?": "",
    r"and job\.reservations = \S+( '\$\[2\]'\))?": "",
}


def unfenced() -> AbstractContextManager[None]:
    """Settle a job by its id, whatever its reservation is."""
    verbs = "succeed", "succeed_with_result", "fail", "cancel", "requeue", "drop"
    return _changed_sql(_FENCE, *verbs)


def unfenced_reports() -> AbstractContextManager[None]:
    """Store the progress of a job by its id, whatever its reservation is."""
    return _changed_sql(_FENCE, "report")


@contextmanager
def ends_without_progress() -> Generator[None]:
    """End an attempt without its last report."""

    async def other(commits: GroupCommit, batch: list[Ticket]) -> Written:
        for ticket in batch:
            if ticket.settlement is not None:
                ticket.progress = None
        written: Written = await write(commits, batch)
        return written

    write: Any = GroupCommit._write
    with patch.object(GroupCommit, "_write", other):
        yield


def early_sweep() -> AbstractContextManager[None]:
    """Release a job half a lease before the lease of its owner ends."""
    return _changed_sql({"owner.lease_expires_at > :now": r"\g<0> + 10000000"}, "abandoned")


def renewal_of_ended_leases() -> AbstractContextManager[None]:
    """Renew leases that have ended."""
    return _changed_sql({"and lease_expires_at > :now": ""}, "heartbeat")


@contextmanager
def new_ids_on_repeat() -> Generator[None]:
    """Use new ids of jobs when a write is repeated."""
    write: Any = GroupCommit._write

    async def other(commits: GroupCommit, batch: list[Ticket]) -> Written:
        for ticket in batch:
            if ticket.repeated:
                ticket.enqueue = [evolve(new, id=new_id()) for new in ticket.enqueue]
        written: Written = await write(commits, batch)
        return written

    with patch.object(GroupCommit, "_write", other):
        yield


@contextmanager
def separate_transactions() -> Generator[None]:
    """Store the next occurrence in a transaction of its own, after the end of a run."""

    async def other(commits: GroupCommit, batch: list[Ticket]) -> Written:
        once, write = commits._dispatch.once, commits._dispatch.store.write
        ends = [ticket.settlement for ticket in batch if ticket.settlement is not None]
        jobs = [evolve(one, after=None) for ticket in batch for one in ticket.enqueue]
        reports = [one.progress.newest() for one in batch if one.progress is not None]
        is_first = bool(ends or reports)
        lost = (await once(write, (), ends, progress=reports)).lost if is_first else ()
        stored = (await once(write, jobs)).jobs if jobs else ()
        return Written(stored, lost)

    with patch.object(GroupCommit, "_write", other):
        yield


@contextmanager
def late_lease_check() -> Generator[None]:
    """Treat a lease as valid until the store refuses to renew it."""
    with patch.object(
        Lease, "left", lambda lease, now: 0.0 if lease.refused else lease.seconds
    ):
        yield


@contextmanager
def lost_answer_as_refusal() -> Generator[None]:
    """Treat a lost answer as a refusal."""

    async def other(dispatch: object, settlement: object) -> bool:
        return False

    with patch("bgjobs._runtime.persistence.group_commit.was_settled", other):
        yield


@contextmanager
def no_reservation_check() -> Generator[None]:
    """Do not look for jobs that were reserved though the answer was lost."""

    async def other(fetcher: Fetcher) -> None:
        fetcher._compare_at = float("inf")

    with patch.object(Fetcher, "_compare", other):
        yield


def cancelled_jobs_put_back() -> AbstractContextManager[None]:
    """Put jobs back though an operator has cancelled them."""
    return _changed_sql({r"where \(": "where false and ("}, "find_cancellations")


def retried_jobs_still_ended() -> AbstractContextManager[None]:
    """Leave the row of a failed job where it is when the job is retried."""
    return _changed_sql({"where rowid": "where false and rowid"}, "delete_retried_failed")


def kept_commands() -> AbstractContextManager[None]:
    """Cancel a job that was retried by the command for its run before."""
    return _changed_sql({"where job_id": "where false and job_id"}, "forget_old_cancellations")


def lost_results() -> AbstractContextManager[None]:
    """Do not keep what handlers return."""
    return _changed_sql({r":now, settled\.result": ":now, null"}, "succeed_with_result")


@contextmanager
def no_history() -> Generator[None]:
    """Do not keep the reservations of owners that have died."""

    def other(job: Job, ended: str, now: datetime, owner: Owner) -> Job:
        return job if ended == "crashed" else with_end(job, ended, now, owner)

    with_end: Any = outcomes.with_end
    with patch.object(outcomes, "with_end", other):
        yield


@contextmanager
def every_error_retried() -> Generator[None]:
    """Retry a job after errors that its worker does not retry."""
    with patch.object(attempts, "decision", lambda *_: True):
        yield


@contextmanager
def no_look_from_the_start() -> Generator[None]:
    """Look only after positions, once there are some."""
    with patch.object(Looks, "after", lambda looks, now: looks._positions):
        yield


@contextmanager
def no_wait_for_place() -> Generator[None]:
    """Run a handler on at once when its wait for another job is over."""

    async def go_on(self: Places, attempt: Attempt) -> None:
        await checkpoint()

    with patch.object(Places, "_wait_for_place", go_on):
        yield


@contextmanager
def ends_without_functions() -> Generator[None]:
    """End jobs without what their functions of `on_failure` write."""
    with patch.object(FailureHook, "covers", lambda *_: False):
        yield


def unfenced_marks() -> AbstractContextManager[None]:
    """Mark the end of a job by its id, whatever its reservation is."""
    return _changed_sql(_FENCE, "mark_end", "hold_marked")


def unseen_marks() -> AbstractContextManager[None]:
    """Do not find the jobs whose end is marked."""
    return _changed_sql({"where job": "where false and job"}, "marked_ends")


def relative_totals() -> AbstractContextManager[None]:
    """Add the counts of a minute to those that were stored before."""
    added = {"succeeded = excluded": "succeeded = succeeded + excluded"}
    return _changed_sql(added, "record_activity")


_CHILDREN = "lock_children", "ask_children"


def cascade_without_new_children() -> AbstractContextManager[None]:
    """End only the children that were stored before, as one statement with its parent would."""
    pattern = r"where job\.reserved_by is"
    known = {pattern: r"where job.created_at < :now - 1000000 and job.reserved_by is"}
    return _changed_sql(known, *_CHILDREN)


def children_put_back() -> AbstractContextManager[None]:
    """Put children back though their parent has ended."""
    return _changed_sql(
        {r"where \(": "where job.parent_id is null and ("}, "find_cancellations"
    )


_PRUNE = "prune_succeeded", "prune_failed", "prune_cancelled"


@contextmanager
def children_without_adoption() -> Generator[None]:
    """Store the children of a handler anew at each of its runs."""
    with patch.object(brood, "_counts", lambda _: False):
        yield


def early_end_of_blocks() -> AbstractContextManager[None]:
    """End the block of a nursery while children wait."""
    return _changed_sql(
        {r"asked\.value": r"\g<0> and job.reserved_by is not null"}, "find_live_among"
    )


MUTANTS: Mapping[str, Mutant] = {
    mutant.__name__: mutant
    for mutant in (
        unfenced,
        unfenced_reports,
        ends_without_progress,
        early_sweep,
        renewal_of_ended_leases,
        new_ids_on_repeat,
        separate_transactions,
        late_lease_check,
        lost_answer_as_refusal,
        no_reservation_check,
        no_look_from_the_start,
        cancelled_jobs_put_back,
        retried_jobs_still_ended,
        kept_commands,
        lost_results,
        no_history,
        every_error_retried,
        no_wait_for_place,
        ends_without_functions,
        unfenced_marks,
        unseen_marks,
        relative_totals,
        cascade_without_new_children,
        children_put_back,
        children_without_adoption,
        early_end_of_blocks,
    )
}

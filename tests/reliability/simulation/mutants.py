"""Faults put into the library on purpose, for the simulation to find."""

import re
from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeAlias
from unittest.mock import patch

from attrs import evolve

from bgjobs._core.ids import new_id
from bgjobs._runtime.leases.registry import Lease
from bgjobs._runtime.persistence.group_commit import GroupCommit
from bgjobs._runtime.persistence.ticket import Ticket
from bgjobs._runtime.queues.fetcher import Fetcher
from bgjobs.stores.types import Written
from tests.reliability.simulation.disk import shared_disk

Mutant: TypeAlias = Callable[[], AbstractContextManager[None]]
"""Puts a fault in for the length of a block."""
BREAK = "\n--\n"
"""Between two statements of a verb."""


@contextmanager
def _changed_sql(changes: Mapping[str, str], *verbs: str) -> Generator[None]:
    """Change the statements of these verbs, by patterns and what takes their place."""
    statements = shared_disk().store._sql
    changed: dict[str, tuple[str, ...]] = {}
    for verb in verbs:
        text = BREAK.join(statements[verb])
        for pattern, other in changes.items():
            text, count = re.subn(pattern, other, text)
            assert count, f"{verb}.sql: nothing like {pattern!r}"
        changed[verb] = tuple(text.split(BREAK))
    with patch.dict(statements._ready, changed):
        yield


def unfenced() -> AbstractContextManager[None]:
    """Settle a job by its id, whoever holds it."""
    fence = {
        r'indexed by "bgjobs_jobs_reserved"': "",
        r"and job\.reserved_by = \S+( '\$\[1\]'\))?": "",
        r"and job\.reservations = \S+( '\$\[2\]'\))?": "",
    }
    return _changed_sql(fence, "succeed", "fail", "requeue", "drop")


def greedy() -> AbstractContextManager[None]:
    """Let the monitor take a job half a lease before its owner has lost it."""
    return _changed_sql({"owner.lease_expires_at > :now": r"\g<0> + 10000000"}, "abandoned")


def undead() -> AbstractContextManager[None]:
    """Renew leases that have ended."""
    return _changed_sql({"and lease_expires_at > :now": ""}, "heartbeat")


@contextmanager
def renaming() -> Generator[None]:
    """Make new ids when a write is repeated."""
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
def apart() -> Generator[None]:
    """Store what follows a run in a transaction after the one that ends it."""

    async def other(commits: GroupCommit, batch: list[Ticket]) -> Written:
        once, write = commits._dispatch.once, commits._dispatch.store.write
        ends = [one for ticket in batch for one in ticket.settle]
        jobs = [evolve(one, after=None) for ticket in batch for one in ticket.enqueue]
        lost = (await once(write, (), ends)).lost if ends else ()
        stored = (await once(write, jobs)).jobs if jobs else ()
        return Written(stored, lost)

    with patch.object(GroupCommit, "_write", other):
        yield


@contextmanager
def trusting() -> Generator[None]:
    """Let a queue believe in its lease until the store refuses to renew it."""
    with patch.object(
        Lease, "left", lambda lease, now: 0.0 if lease.refused else lease.seconds
    ):
        yield


@contextmanager
def doubting() -> Generator[None]:
    """Take a lost answer for a refusal."""

    async def other(commits: GroupCommit, settlement: object) -> bool:
        return False

    with patch.object(GroupCommit, "_settled_before", other):
        yield


@contextmanager
def careless() -> Generator[None]:
    """Do not look for jobs that were reserved although the answer never came."""

    async def other(fetcher: Fetcher) -> None:
        fetcher._compare_at = float("inf")

    with patch.object(Fetcher, "_compare", other):
        yield


MUTANTS: Mapping[str, Mutant] = {
    mutant.__name__: mutant
    for mutant in (
        unfenced,
        greedy,
        undead,
        renaming,
        apart,
        trusting,
        doubting,
        careless,
    )
}

"""Jobs without nurseries send no statement, table or parameter for those that have them."""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

import bgjobs
from bgjobs._core.ids import new_id
from bgjobs._core.jobs import Job
from bgjobs._core.outcomes import Cancelled
from bgjobs._core.requests import JobRequest
from bgjobs._core.settlements import Succeed
from bgjobs.stores.postgres.statements import Dialect
from bgjobs.stores.sql import Statements, blocks, read
from bgjobs.stores.types import NewJob, Owner
from bgjobs.testing.contract.steps import fail, requeue
from tests.fixtures.databases import Database
from tests.fixtures.stores import migrated

LEASE = timedelta(minutes=1)


@pytest.fixture
def used(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The names of the statements that stores use."""
    names = set[str]()
    for kind in (Dialect, Statements):
        get: Any = kind.__getitem__

        def recorded(self: Any, name: str, get: Any = get) -> Any:
            names.add(name)
            return get(self, name)

        monkeypatch.setattr(kind, "__getitem__", recorded)
    return names


@pytest.fixture
def store(database: Database) -> Iterator[Any]:
    with migrated(database.store()) as found:
        yield found


def live_a_life(store: Any) -> None:
    """Enqueue, run, end, put back, cancel and find jobs, none of which has a child."""
    owner = Owner(new_id(), "jobs", "node")
    store.open_owner(owner, LEASE)
    store.write([NewJob(new_id(), JobRequest("mail", "[]")) for _ in range(7)])
    store.write([NewJob(new_id(), JobRequest("mail", "[]").priority(1))])
    done, failed, again, running, held, *_ = store.reserve(owner.id, ["mail"], 5)
    store.write(settle=[Succeed(done.reservation), fail(failed), requeue(again)])
    [cancelled] = store.operations.cancel([again.id], Cancelled("not wanted")).ended
    assert cancelled == again.id
    assert store.operations.cancel([running.id], Cancelled("not wanted")).asked == [running.id]
    assert store.complete(held.reservation, lambda _: None)
    assert isinstance(store.find(running.id), Job)


def named_in(package: str, file: str) -> set[str]:
    """Return the names of the statements in a file."""
    return set(re.findall(r"^-- name: (\w+)$", read(package, "sql", file), re.MULTILINE))


def parameters_of(statement: str) -> set[str]:
    return {one or other for one, other in re.findall(r"%\((\w+)\)s|(?<!:):(\w+)", statement)}


def test_a_job_without_a_nursery_uses_nothing_of_them(store: Any, used: set[str]) -> None:
    live_a_life(store)
    dialect = "postgres" if isinstance(store, bgjobs.PostgresStore) else "sqlite"
    known = blocks(f"bgjobs.stores.{dialect}")
    assert {"enqueue", "enqueue_plain", "reserve", "succeed", "fail", "requeue"} <= used
    assert "cancel_waiting" in used
    assert used & named_in(f"bgjobs.stores.{dialect}", "nurseries.sql") == set()
    for name in used & known.keys():
        found = parameters_of(known[name])
        assert not [one for one in found if "parent" in one or "child" in one], name

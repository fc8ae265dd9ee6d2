"""A store that harms its own process passes every point that is told of, and hides nothing."""

import os
import signal
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest

import bgjobs
from bgjobs._core.ids import new_id
from bgjobs._core.requests import JobRequest
from bgjobs._core.settlements import Requeue, Succeed
from bgjobs.stores.port import Store
from bgjobs.stores.types import NewJob, Owner
from tests.fixtures.databases import SQLiteFile
from tests.fixtures.sqlite import fresh_sqlite_store
from tests.reliability.chaos.harm import HarmingStore, Points
from tests.reliability.chaos.journal import Journal, lines_of
from tests.reliability.chaos.storm_orders import Orders
from tests.reliability.chaos.unfenced import UnfencedStore

LEASE = timedelta(minutes=5)


class Seen(list[str]):
    """Points that only remember that they were passed."""

    reach = list.append


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with fresh_sqlite_store(tmp_path / "jobs.db") as opened:
        yield opened


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
def harming(store: Store, seen: Seen) -> Store:
    return cast("Store", HarmingStore(store, cast("Points", seen)))


def enqueue(store: Store) -> None:
    store.write([NewJob(new_id(), JobRequest("work", "[]"))])


def reserve(store: Store) -> bgjobs.Job:
    owner = Owner(new_id(), "queue", "node")
    store.open_owner(owner, LEASE)
    [job] = store.reserve(owner.id, ["work"], 1)
    return job


def put_back(job: bgjobs.Job) -> Requeue:
    return Requeue(reservation=job.reservation, attempts=0, crashes=1, interruptions=0)


def test_the_points_are_passed_in_the_order_of_a_jobs_life(harming: Store, seen: Seen) -> None:
    enqueue(harming)
    job = reserve(harming)
    assert harming.complete(job.reservation, lambda connection: None)
    assert seen == [
        "before storing",
        "stored",
        "claimed",
        "before completing",
        "effect written",
        "completed",
    ]


def test_a_monitors_write_is_told_from_a_workers(harming: Store, seen: Seen) -> None:
    enqueue(harming)
    job = reserve(harming)
    harming.close_owners([job.reservation.owner])
    assert list(harming.abandoned()) == [job]
    harming.write(settle=[put_back(job)])
    assert seen[3:] == [
        "released",
        "monitor has read",
        "before settling",
        "monitor has written",
        "settled",
    ]


def orders(tmp_path: Path, **others: Any) -> Orders:
    return Orders(place=str(tmp_path / "jobs.db"), journal=str(tmp_path / "journal"), **others)


@pytest.mark.parametrize(
    ("told", "sent"),
    [({"deadly": "claimed"}, signal.SIGKILL), ({"still": ["claimed"]}, signal.SIGSTOP)],
)
def test_a_process_harms_itself_when_it_passes_its_point_for_the_nth_time(
    tmp_path: Path,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    told: dict[str, Any],
    sent: int,
) -> None:
    signals: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "kill", lambda *signal: signals.append(signal))
    told_to = orders(tmp_path, nth=2, **told)
    points = Points(told_to, Journal(told_to.journal))
    points.reach("claimed")
    points.reach("settled")
    assert signals == []
    points.reach("claimed")
    assert signals == [(os.getpid(), sent)]
    assert [line[1] for line in lines_of(tmp_path / "journal")] == ["claimed"]


def unfenced(store: Store, tmp_path: Path) -> Store:
    return cast("Store", UnfencedStore(store, SQLiteFile(tmp_path / "jobs.db")))


def taken_over(store: Store) -> tuple[bgjobs.Job, bgjobs.Job]:
    """Give a job as its first holder knows it, and as its second one does."""
    enqueue(store)
    first = reserve(store)
    store.write(settle=[put_back(first)])
    return first, reserve(store)


def write_effect(connection: Any) -> None:
    connection.execute("insert into effects values (1)")


def test_without_the_fence_a_stale_holder_writes_beside_the_one_that_followed(
    store: Store, tmp_path: Path
) -> None:
    connection = SQLiteFile(tmp_path / "jobs.db").connect()
    connection.execute("create table effects (number integer)")
    first, second = taken_over(store)
    bare = unfenced(store, tmp_path)
    assert bare.complete(second.reservation, write_effect)
    assert bare.complete(first.reservation, write_effect)
    assert connection.execute("select count(*) from effects").fetchone() == (2,)
    connection.close()


def put_back_as(reservation: bgjobs.Reservation) -> Requeue:
    return Requeue(reservation=reservation, attempts=0, crashes=0, interruptions=0)


@pytest.mark.parametrize("settle", [Succeed, put_back_as])
def test_without_the_fence_a_stale_settlement_counts_as_the_holders(
    store: Store, tmp_path: Path, settle: Callable[[bgjobs.Reservation], Any]
) -> None:
    first, _ = taken_over(store)
    assert not unfenced(store, tmp_path).write(settle=[settle(first.reservation)]).lost
    assert store.count().running == 0

"""Fault points are reached in order, and the unfenced store accepts stale reservations."""

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
from tests.reliability.chaos.processes.stores import FaultPoints, FaultPointStore, UnfencedStore
from tests.reliability.chaos.settings import Journal, ProcessSettings, lines_of

LEASE = timedelta(minutes=5)


class RecordedPoints(list[str]):
    """Fault points that only record that they were reached."""

    reach = list.append


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with fresh_sqlite_store(tmp_path / "jobs.db") as opened:
        yield opened


@pytest.fixture
def seen() -> RecordedPoints:
    return RecordedPoints()


@pytest.fixture
def tested(store: Store, seen: RecordedPoints) -> Store:
    return cast("Store", FaultPointStore(store, cast("FaultPoints", seen)))


def enqueue(store: Store) -> None:
    store.write([NewJob(new_id(), JobRequest("work", "[]"))])


def reserve(store: Store) -> bgjobs.Job:
    owner = Owner(new_id(), "queue", "node")
    store.open_owner(owner, LEASE)
    [job] = store.reserve(owner.id, ["work"], 1)
    return job


def put_back(job: bgjobs.Job) -> Requeue:
    return Requeue(reservation=job.reservation, attempts=0, crashes=1, interruptions=0)


def test_points_are_reached_in_the_order_of_the_calls(
    tested: Store, seen: RecordedPoints
) -> None:
    enqueue(tested)
    job = reserve(tested)
    assert tested.complete(job.reservation, lambda connection: None)
    assert seen == [
        "before storing",
        "stored",
        "reserved",
        "before completing",
        "effect written",
        "completed",
    ]


def test_a_write_of_the_monitor_has_its_own_point(tested: Store, seen: RecordedPoints) -> None:
    enqueue(tested)
    job = reserve(tested)
    tested.close_owners([job.reservation.owner])
    assert list(tested.abandoned()) == [job]
    tested.write(settle=[put_back(job)])
    assert seen[3:] == [
        "owner closed",
        "monitor has read",
        "before settling",
        "monitor has written",
        "settled",
    ]


def settings(tmp_path: Path, **others: Any) -> ProcessSettings:
    return ProcessSettings(
        location=str(tmp_path / "jobs.db"), journal=str(tmp_path / "journal"), **others
    )


@pytest.mark.parametrize(
    ("faults", "sent"),
    [({"kill_at": "reserved"}, signal.SIGKILL), ({"stop_at": ["reserved"]}, signal.SIGSTOP)],
)
def test_a_process_sends_itself_a_signal_when_it_reaches_its_point_for_the_nth_time(
    tmp_path: Path,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    faults: dict[str, Any],
    sent: int,
) -> None:
    signals: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "kill", lambda *signal: signals.append(signal))
    configured = settings(tmp_path, nth=2, **faults)
    fault_points = FaultPoints(configured, Journal(configured.journal))
    fault_points.reach("reserved")
    fault_points.reach("settled")
    assert signals == []
    fault_points.reach("reserved")
    assert signals == [(os.getpid(), sent)]
    assert [line[1] for line in lines_of(tmp_path / "journal")] == ["reserved"]


def unfenced(store: Store, tmp_path: Path) -> Store:
    return cast("Store", UnfencedStore(store, SQLiteFile(tmp_path / "jobs.db")))


def taken_over(store: Store) -> tuple[bgjobs.Job, bgjobs.Job]:
    """Return a job with its first reservation, and with its second one."""
    enqueue(store)
    first = reserve(store)
    store.write(settle=[put_back(first)])
    return first, reserve(store)


def write_effect(connection: Any) -> None:
    connection.execute("insert into effects values (1)")


def test_without_the_fence_a_stale_owner_completes_a_job_that_was_completed(
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
def test_without_the_fence_a_stale_settlement_is_accepted(
    store: Store, tmp_path: Path, settle: Callable[[bgjobs.Reservation], Any]
) -> None:
    first, _ = taken_over(store)
    assert not unfenced(store, tmp_path).write(settle=[settle(first.reservation)]).lost
    assert store.count().running == 0

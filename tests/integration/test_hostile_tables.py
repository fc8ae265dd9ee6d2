"""Rows that bgjobs would not write, in the tables beside those of jobs.

They are written without the library, and without the constraints that refuse most of them.
"""

import sqlite3
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bgjobs._core.ids import new_id
from bgjobs._core.limits import Cap, RateLimit
from bgjobs._core.requests import JobRequest
from bgjobs._core.settlements import Succeed
from bgjobs.stores.operations import Finding
from bgjobs.stores.types import NewJob, Owner
from tests.fixtures.hostile_rows import (
    UncheckedPostgres,
    UncheckedSQLite,
    UncheckedTables,
    put,
    put_text,
)
from tests.fixtures.postgres import fresh_postgres_store
from tests.fixtures.sqlite import fresh_sqlite_store

LEASE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)
CENTURY = timedelta(days=36_500)
LONG = "n" * 5_000
HOSTILE_NAMES = (
    "'; drop table jobs; --",
    "\x1b]0;title\x07\x1b[2J",
    "\u202egnp.\u2066",
    "{jobs} %s %(now)s :now ?",
    LONG,
    " ",
)
ABSURD = {
    "sqlite": (2**63 - 1, -(2**63), 253_402_300_800_000_000, 0),
    "postgres": ("infinity", "-infinity", "294276-12-31 23:59:59.999999+00", "4713-01-01 BC"),
}
INSTANTS = range(4)


@contextmanager
def _in_sqlite(path: Path) -> Generator[UncheckedSQLite]:
    with fresh_sqlite_store(path) as store:
        yield UncheckedSQLite(store, path)


@contextmanager
def _in_postgres(dsn: str) -> Generator[UncheckedPostgres]:
    with fresh_postgres_store(dsn) as store:
        yield UncheckedPostgres(store, dsn)


@pytest.fixture(params=["sqlite", "postgres"])
def tables(request: pytest.FixtureRequest) -> Iterator[UncheckedTables]:
    if request.param == "sqlite":
        with _in_sqlite(request.getfixturevalue("sqlite_path")) as in_sqlite:
            yield in_sqlite
    else:
        with _in_postgres(request.getfixturevalue("postgres_dsn")) as in_postgres:
            yield in_postgres


def _decoded(text: bytes) -> str:
    return text.decode(errors="surrogateescape")


@pytest.fixture
def sqlite_tables(
    sqlite_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[UncheckedSQLite]:
    """Tables whose connections decode invalid UTF-8 as lone surrogates."""
    connect = sqlite3.connect

    def tolerant(*arguments: Any, **options: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*arguments, **options)
        if connection.text_factory is str:
            connection.text_factory = _decoded
        return connection

    monkeypatch.setattr(sqlite3, "connect", tolerant)
    with _in_sqlite(sqlite_path) as in_sqlite:
        yield in_sqlite


def new_job() -> NewJob:
    return NewJob(new_id(), JobRequest("work", "{}"))


def check_jobs_run(tables: UncheckedTables) -> None:
    """Run jobs to their end, by a living owner and by one that dies."""
    store = tables.store
    owner, other = (Owner(new_id(), "q", "node") for _ in range(2))
    store.open_owner(owner, LEASE)
    store.open_owner(other, LEASE)
    first, second = store.write([new_job(), new_job()]).jobs
    held = store.reserve(owner.id, ["work"], 10)
    assert {job.id for job in held} == {first.id, second.id}
    beat = store.heartbeat([owner.id, other.id], LEASE)
    assert set(beat.alive) == {owner.id, other.id}
    assert beat.commands.cancelled == {}
    assert not store.write(settle=[Succeed(held[0].reservation)]).lost
    assert [job.id for job in store.abandoned(now=_later())] == [held[1].id]
    assert owner.id in {one.id for one in store.operations.get_owners()}
    assert not store.write(settle=[Succeed(held[1].reservation)]).lost
    store.close_owners([owner.id])
    store.close_owners([], now=_later())
    assert owner.id not in {one.id for one in store.operations.get_owners()}
    assert store.count().running == 0
    assert store.prune(succeeded_for=timedelta(0), failed_for=None, limit=10, now=_later()) == 2


def _later() -> datetime:
    return datetime.now(UTC) + 2 * LEASE


def finding(tables: UncheckedTables, check: str) -> Finding:
    [found] = [one for one in tables.store.operations.diagnose() if one.check == check]
    return found


@pytest.mark.parametrize("opened", INSTANTS)
@pytest.mark.parametrize("lease", INSTANTS)
def test_owners_with_absurd_times(tables: UncheckedTables, opened: int, lease: int) -> None:
    absurd = ABSURD[tables.kind]
    times = {"opened_at": absurd[opened], "lease_expires_at": absurd[lease]}
    owner_id = new_id()
    put(tables, "owners", id=owner_id, name="q", node="n", **times)
    listed = {one.id: one for one in tables.store.operations.get_owners()}
    is_endless = lease in (0, 2)
    assert (owner_id in listed) is is_endless
    if is_endless:
        assert listed[owner_id].lease_left > CENTURY
        found = finding(tables, "owners")
        assert found.level == "warning"
        assert str(owner_id) in found.text
    tables.store.heartbeat([owner_id], LEASE)
    check_jobs_run(tables)


def test_an_endless_lease_is_renewed_like_another(tables: UncheckedTables) -> None:
    absurd = ABSURD[tables.kind]
    owner_id = new_id()
    times = {"opened_at": absurd[0], "lease_expires_at": absurd[0]}
    put(tables, "owners", id=owner_id, name="q", node="n", **times)
    assert set(tables.store.heartbeat([owner_id], LEASE).alive) == {owner_id}
    [owner] = tables.store.operations.get_owners()
    assert owner.lease_left <= LEASE
    assert finding(tables, "owners").level == "ok"


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_owners_with_hostile_names(tables: UncheckedTables, name: str) -> None:
    now = datetime.now(UTC)
    times = {
        "opened_at": tables.time(now),
        "lease_expires_at": tables.time(now + timedelta(days=1)),
    }
    put(tables, "owners", id=new_id(), name=name, node=name, **times)
    [owner] = tables.store.operations.get_owners()
    assert (owner.name, owner.node) == (name[:200], name[:1000])
    check_jobs_run(tables)


@pytest.mark.parametrize("name", HOSTILE_NAMES)
@pytest.mark.parametrize("paused", INSTANTS)
def test_paused_queues_with_hostile_names(
    tables: UncheckedTables, name: str, paused: int
) -> None:
    put(tables, "paused_queues", name=name, paused_at=ABSURD[tables.kind][paused])
    operations = tables.store.operations
    assert operations.commands([]).paused == {name}
    assert not operations.pause_queue(name)
    assert operations.resume_queue(name)
    assert operations.pause_queue("q")
    assert operations.commands([]).paused == {"q"}
    check_jobs_run(tables)


@pytest.mark.parametrize("asked", INSTANTS)
def test_cancellations_with_absurd_times_and_long_reasons(
    tables: UncheckedTables, asked: int
) -> None:
    store, owner = tables.store, Owner(new_id(), "q", "node")
    store.open_owner(owner, LEASE)
    [job] = store.write([new_job()]).jobs
    [held] = store.reserve(owner.id, ["work"], 1)
    reason = "r" * 1_000_000
    at = ABSURD[tables.kind][asked]
    for one in (job.id, new_id()):
        put(tables, "cancellations", job_id=one, reason=reason, asked_at=at)
    assert store.heartbeat([owner.id], LEASE).commands.cancelled == {job.id: reason[:1000]}
    assert store.operations.cancel([job.id], "no").asked == [job.id]
    assert store.operations.commands([owner.id]).cancelled == {job.id: "no"}
    assert not store.write(settle=[Succeed(held.reservation)]).lost
    store.close_owners([owner.id])


RATE = Cap("work", rate=RateLimit(2, 60))


def test_starts_with_absurd_times_use_up_no_rate(tables: UncheckedTables) -> None:
    store, owner = tables.store, Owner(new_id(), "q", "node")
    store.open_owner(owner, 3 * LEASE)
    for started_at in ABSURD[tables.kind]:
        for _ in range(3):
            put(tables, "starts", name="work", started_at=started_at)
    wanted = store.write([new_job() for _ in range(4)]).jobs
    wait = store.next_due(["work"], caps=[RATE])
    assert wait is not None
    assert wait <= timedelta(0)
    first = store.reserve(owner.id, ["work"], 4, caps=[RATE])
    assert len(first) == 2
    assert not store.reserve(owner.id, ["work"], 4, caps=[RATE])
    wait = store.next_due(["work"], caps=[RATE])
    assert wait is not None
    assert timedelta(0) < wait <= 60 * SECOND
    second = store.reserve(owner.id, ["work"], 4, caps=[RATE], now=_later())
    assert {job.id for job in (*first, *second)} == {job.id for job in wanted}


def test_a_start_slightly_in_the_future_counts(tables: UncheckedTables) -> None:
    """The clock may have been set back a little."""
    soon = datetime.now(UTC) + 10 * SECOND
    for _ in range(2):
        put(tables, "starts", name="work", started_at=tables.time(soon))
    store, owner = tables.store, Owner(new_id(), "q", "node")
    store.open_owner(owner, LEASE)
    store.write([new_job()])
    assert not store.reserve(owner.id, ["work"], 1, caps=[RATE])
    assert store.reserve(owner.id, ["work"], 1)


@pytest.mark.parametrize("due", INSTANTS)
@pytest.mark.parametrize("created", INSTANTS)
@pytest.mark.parametrize("priority", [0, 1])
def test_jobs_with_absurd_times(
    tables: UncheckedTables, due: int, created: int, priority: int
) -> None:
    times = {
        "available_at": ABSURD[tables.kind][due],
        "created_at": ABSURD[tables.kind][created],
    }
    put(tables, "jobs", id=new_id(), name="work", priority=priority, payload="{}", **times)
    store = tables.store
    for names in (["work"], ["work", "other"]):
        wait = store.next_due(names)
        assert wait is not None
        assert (wait > CENTURY) is (due in (0, 2))
    assert store.next_due(["other"]) is None
    assert store.next_due(["work"], planned=False, caps=[RATE]) is not None
    counts = store.count()
    assert (counts.waiting, counts.delayed) == ((0, 1) if due in (0, 2) else (1, 0))
    assert store.count(["work"], at_most=1) == counts
    assert store.operations.get_waiting_names(10) == ["work"]


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_jobs_with_hostile_names_are_counted(tables: UncheckedTables, name: str) -> None:
    now = tables.time(datetime.now(UTC) - SECOND)
    values: Mapping[str, Any] = {"available_at": now, "created_at": now, "payload": "{}"}
    put(tables, "jobs", id=new_id(), name=name[:2000], priority=0, **values)
    store = tables.store
    assert store.count().waiting == store.count([name[:2000]]).waiting == 1
    assert store.operations.get_waiting_names(10) == [name[:2000]]
    wait = store.next_due([name[:2000]])
    assert wait is not None
    assert wait < timedelta(0)


ENDED = {"jobs_succeeded": "succeeded_at", "jobs_failed": "failed_at"}


@pytest.mark.parametrize("table", ENDED)
def test_pruning_skips_jobs_that_ended_at_absurd_times(
    tables: UncheckedTables, table: str
) -> None:
    absurd = ABSURD[tables.kind]
    zeros = dict.fromkeys(
        ("priority", "attempts", "crashes", "interruptions", "reservations"), 0
    )
    error = {"error": "x"} if table == "jobs_failed" else {}
    for ended in absurd:
        times = {"created_at": ended, "available_at": ended, ENDED[table]: ended}
        texts = {"name": "work", "payload": "{}", "errors": "[]", **error}
        put(tables, table, id=new_id(), **zeros, **times, **texts)
    for age in (timedelta(0), CENTURY, timedelta.max):
        tables.store.prune(succeeded_for=age, failed_for=age, limit=100)
    pruned = tables.store.prune(succeeded_for=timedelta(0), failed_for=timedelta(0), limit=100)
    assert pruned == 0
    counts = tables.store.count()
    assert counts.succeeded + counts.failed == 2


def test_owners_whose_text_is_not_utf_8(sqlite_tables: UncheckedSQLite) -> None:
    times = {"opened_at": 0, "lease_expires_at": 2**62}
    tables = sqlite_tables
    put_text(tables, "owners", "name", id=str(new_id()), node="n", **times)
    put_text(tables, "owners", "node", id=str(new_id()), name="q", **times)
    put_text(tables, "owners", "id", name="q", node="n", **times)
    for no_id in ("", "x" * 36, "-" * 36, "0" * 5_000):
        put(tables, "owners", id=no_id, name="q", node="n", **times)
    assert tables.store.operations.get_owners() == []
    found = finding(tables, "owners")
    assert (found.level, found.text) == ("warning", "7 cannot be read, and are not listed")
    check_jobs_run(tables)


def test_paused_queues_whose_name_is_not_utf_8(sqlite_tables: UncheckedSQLite) -> None:
    put_text(sqlite_tables, "paused_queues", "name", paused_at=0)
    operations = sqlite_tables.store.operations
    assert operations.pause_queue("q")
    assert operations.commands([]).paused == {"q"}
    found = finding(sqlite_tables, "paused queues")
    assert found.level == "warning"
    assert found.text == "1 have names that cannot be read, and pause no queue"
    check_jobs_run(sqlite_tables)


def test_cancellations_that_are_not_utf_8(sqlite_tables: UncheckedSQLite) -> None:
    tables = sqlite_tables
    store, owner = tables.store, Owner(new_id(), "q", "node")
    store.open_owner(owner, LEASE)
    [job] = store.write([new_job()]).jobs
    store.reserve(owner.id, ["work"], 1)
    put_text(tables, "cancellations", "reason", job_id=str(job.id), asked_at=0)
    put_text(tables, "cancellations", "job_id", reason="no", asked_at=0)
    no_id = "x" * 36
    at = {"created_at": 0, "available_at": 0, "reserved_at": 0}
    more = {"reserved_by": str(owner.id), "reservations": 1, "priority": 0, "payload": "{}"}
    put(tables, "jobs", id=no_id, name="other", **at, **more)
    put(tables, "cancellations", job_id=no_id, reason="no", asked_at=0)
    cancelled = store.heartbeat([owner.id], LEASE).commands.cancelled
    assert cancelled == {job.id: "???"}
    assert store.operations.commands([owner.id]).cancelled == cancelled
    store.close_owners([])


def test_starts_whose_name_is_not_utf_8(sqlite_tables: UncheckedSQLite) -> None:
    put_text(sqlite_tables, "starts", "name", started_at=0)
    store, owner = sqlite_tables.store, Owner(new_id(), "q", "node")
    store.open_owner(owner, LEASE)
    [job] = store.write([new_job()]).jobs
    assert [one.id for one in store.reserve(owner.id, ["work"], 9, caps=[RATE])] == [job.id]


def test_index_notes_with_extreme_values(sqlite_tables: UncheckedSQLite) -> None:
    tables = sqlite_tables
    for number, job_id in ((2**63 - 1, "x"), (-(2**63), LONG)):
        put(tables, "failures", number=number, job_id=job_id, is_indexed=0, is_gone=0)
    put_text(tables, "failures", "job_id", number=5, is_gone=2**62)
    store = tables.store
    [job] = store.write([new_job()]).jobs
    assert store.operations.cancel([job.id], "no").ended == [job.id]
    assert store.operations.retry([job.id]) == [job.id]

"""Rows that no process of bgjobs would write, in the tables beside those of jobs.

Written by statements of a role's own, in place of constraints that keep most of them out.
"""

import sqlite3
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

import psycopg
import pytest

from bgjobs._core.ids import new_id
from bgjobs._core.limits import Cap, RateLimit
from bgjobs._core.requests import JobRequest
from bgjobs._core.settlements import Succeed
from bgjobs.stores.operations import Finding
from bgjobs.stores.postgres import PostgresStore
from bgjobs.stores.sqlite import SQLiteStore
from bgjobs.stores.types import NewJob, Owner
from tests.fixtures.hostile_rows import LIMITED
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
NOT_UTF_8 = b"\xff\xfe\xc3"


class Place(Protocol):
    """A store, and its tables as they are written without it."""

    @property
    def kind(self) -> str: ...
    @property
    def store(self) -> SQLiteStore | PostgresStore: ...
    def execute(self, statement: str, *values: Any) -> None: ...
    def stamp(self, moment: datetime) -> Any: ...


class InSQLite:
    kind = "sqlite"

    def __init__(self, store: SQLiteStore, path: Path) -> None:
        self.store = store
        self._path = path
        for table in LIMITED:
            self._rows(f"alter table bgjobs_{table} drop column limits")

    def execute(self, statement: str, *values: Any) -> None:
        text = statement.replace("%s", "?").replace("{", "bgjobs_").replace("}", "")
        self._rows(text, *(str(one) if isinstance(one, UUID) else one for one in values))

    def stamp(self, moment: datetime) -> int:
        return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)

    def _rows(self, statement: str, *values: Any) -> list[Any]:
        connection = sqlite3.connect(self._path)
        try:
            connection.execute("pragma ignore_check_constraints = on")
            with connection:
                return connection.execute(statement, values).fetchall()
        finally:
            connection.close()


class InPostgres:
    kind = "postgres"

    def __init__(self, store: PostgresStore, dsn: str) -> None:
        self.store = store
        self._schema = store.label.split()[-1]
        self._dsn = dsn
        checks = self._rows(
            "select conrelid::regclass::text, conname from pg_constraint"
            " where contype = 'c' and connamespace = %s::regnamespace",
            self._schema,
        )
        for table, name in checks:
            self.execute(f'alter table {table} drop constraint "{name}"')

    def execute(self, statement: str, *values: Any) -> None:
        named = statement.replace("{", f'"{self._schema}".').replace("}", "")
        with psycopg.connect(self._dsn, autocommit=True) as connection:
            connection.execute(named.encode(), values)

    def stamp(self, moment: datetime) -> datetime:
        return moment

    def _rows(self, statement: str, *values: Any) -> list[Any]:
        with psycopg.connect(self._dsn) as connection:
            return connection.execute(statement.encode(), values).fetchall()


@contextmanager
def _in_sqlite(path: Path) -> Generator[InSQLite]:
    with fresh_sqlite_store(path) as store:
        yield InSQLite(store, path)


@contextmanager
def _in_postgres(dsn: str) -> Generator[InPostgres]:
    with fresh_postgres_store(dsn) as store:
        yield InPostgres(store, dsn)


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    if request.param == "sqlite":
        with _in_sqlite(request.getfixturevalue("sqlite_path")) as in_sqlite:
            yield in_sqlite
    else:
        with _in_postgres(request.getfixturevalue("postgres_dsn")) as in_postgres:
            yield in_postgres


def _decoded(text: bytes) -> str:
    return text.decode(errors="surrogateescape")


@pytest.fixture
def sqlite_place(sqlite_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InSQLite]:
    """Whose connections read any text: what is no UTF-8 comes as lone surrogates."""
    connect = sqlite3.connect

    def tolerant(*arguments: Any, **options: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*arguments, **options)
        if connection.text_factory is str:
            connection.text_factory = _decoded
        return connection

    monkeypatch.setattr(sqlite3, "connect", tolerant)
    with _in_sqlite(sqlite_path) as in_sqlite:
        yield in_sqlite


def put(place: Place, table: str, **columns: Any) -> None:
    names, marks = ", ".join(columns), ", ".join(["%s"] * len(columns))
    statement = f"insert into {{{table}}} ({names}) values ({marks})"
    place.execute(statement, *columns.values())


def put_text(place: InSQLite, table: str, text: str, **columns: Any) -> None:
    """Put a row whose column `text` is no valid UTF-8."""
    names = ", ".join([text, *columns])
    marks = ", ".join(["cast(%s as text)", *["%s"] * len(columns)])
    statement = f"insert into {{{table}}} ({names}) values ({marks})"
    place.execute(statement, NOT_UTF_8, *columns.values())


def new_job() -> NewJob:
    return NewJob(new_id(), JobRequest("work", "{}"))


def runs_as_ever(place: Place) -> None:
    """Take one job from its enqueue to its end, as an owner that is there and one that dies."""
    store = place.store
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


def finding(place: Place, check: str) -> Finding:
    [found] = [one for one in place.store.operations.diagnose() if one.check == check]
    return found


@pytest.mark.parametrize("opened", INSTANTS)
@pytest.mark.parametrize("lease", INSTANTS)
def test_owners_at_absurd_times(place: Place, opened: int, lease: int) -> None:
    absurd = ABSURD[place.kind]
    times = {"opened_at": absurd[opened], "lease_expires_at": absurd[lease]}
    stranger = new_id()
    put(place, "owners", id=stranger, name="q", node="n", **times)
    listed = {one.id: one for one in place.store.operations.get_owners()}
    is_endless = lease in (0, 2)
    assert (stranger in listed) is is_endless
    if is_endless:
        assert listed[stranger].lease_left > CENTURY
        found = finding(place, "owners")
        assert found.level == "warning"
        assert str(stranger) in found.text
    place.store.heartbeat([stranger], LEASE)
    runs_as_ever(place)


def test_a_lease_that_was_endless_is_renewed_like_another(place: Place) -> None:
    absurd = ABSURD[place.kind]
    stranger = new_id()
    times = {"opened_at": absurd[0], "lease_expires_at": absurd[0]}
    put(place, "owners", id=stranger, name="q", node="n", **times)
    assert set(place.store.heartbeat([stranger], LEASE).alive) == {stranger}
    [owner] = place.store.operations.get_owners()
    assert owner.lease_left <= LEASE
    assert finding(place, "owners").level == "ok"


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_owners_with_hostile_names(place: Place, name: str) -> None:
    now = datetime.now(UTC)
    times = {
        "opened_at": place.stamp(now),
        "lease_expires_at": place.stamp(now + timedelta(days=1)),
    }
    put(place, "owners", id=new_id(), name=name, node=name, **times)
    [owner] = place.store.operations.get_owners()
    assert (owner.name, owner.node) == (name[:200], name[:1000])
    runs_as_ever(place)


@pytest.mark.parametrize("name", HOSTILE_NAMES)
@pytest.mark.parametrize("paused", INSTANTS)
def test_pauses_of_hostile_names(place: Place, name: str, paused: int) -> None:
    put(place, "paused_queues", name=name, paused_at=ABSURD[place.kind][paused])
    operations = place.store.operations
    assert operations.commands([]).paused == {name}
    assert not operations.pause_queue(name)
    assert operations.resume_queue(name)
    assert operations.pause_queue("q")
    assert operations.commands([]).paused == {"q"}
    runs_as_ever(place)


@pytest.mark.parametrize("asked", INSTANTS)
def test_cancellations_at_absurd_times_and_for_long_reasons(place: Place, asked: int) -> None:
    store, owner = place.store, Owner(new_id(), "q", "node")
    store.open_owner(owner, LEASE)
    [job] = store.write([new_job()]).jobs
    [held] = store.reserve(owner.id, ["work"], 1)
    reason = "r" * 1_000_000
    at = ABSURD[place.kind][asked]
    for one in (job.id, new_id()):
        put(place, "cancellations", job_id=one, reason=reason, asked_at=at)
    assert store.heartbeat([owner.id], LEASE).commands.cancelled == {job.id: reason[:1000]}
    assert store.operations.cancel([job.id], "no").asked == [job.id]
    assert store.operations.commands([owner.id]).cancelled == {job.id: "no"}
    assert not store.write(settle=[Succeed(held.reservation)]).lost
    store.close_owners([owner.id])


RATE = Cap("work", rate=RateLimit(2, 60))


def test_starts_at_absurd_times_use_up_no_rate(place: Place) -> None:
    store, owner = place.store, Owner(new_id(), "q", "node")
    store.open_owner(owner, 3 * LEASE)
    for started_at in ABSURD[place.kind]:
        for _ in range(3):
            put(place, "starts", name="work", started_at=started_at)
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


def test_a_start_shortly_ahead_counts(place: Place) -> None:
    """The clock was set back a little since."""
    soon = datetime.now(UTC) + 10 * SECOND
    for _ in range(2):
        put(place, "starts", name="work", started_at=place.stamp(soon))
    store, owner = place.store, Owner(new_id(), "q", "node")
    store.open_owner(owner, LEASE)
    store.write([new_job()])
    assert not store.reserve(owner.id, ["work"], 1, caps=[RATE])
    assert store.reserve(owner.id, ["work"], 1)


@pytest.mark.parametrize("due", INSTANTS)
@pytest.mark.parametrize("created", INSTANTS)
@pytest.mark.parametrize("priority", [0, 1])
def test_jobs_that_are_due_at_absurd_times(
    place: Place, due: int, created: int, priority: int
) -> None:
    times = {"available_at": ABSURD[place.kind][due], "created_at": ABSURD[place.kind][created]}
    put(place, "jobs", id=new_id(), name="work", priority=priority, payload="{}", **times)
    store = place.store
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
def test_jobs_of_hostile_names_are_counted(place: Place, name: str) -> None:
    now = place.stamp(datetime.now(UTC) - SECOND)
    values: Mapping[str, Any] = {"available_at": now, "created_at": now, "payload": "{}"}
    put(place, "jobs", id=new_id(), name=name[:2000], priority=0, **values)
    store = place.store
    assert store.count().waiting == store.count([name[:2000]]).waiting == 1
    assert store.operations.get_waiting_names(10) == [name[:2000]]
    wait = store.next_due([name[:2000]])
    assert wait is not None
    assert wait < timedelta(0)


ENDED = {"jobs_succeeded": "succeeded_at", "jobs_failed": "failed_at"}


@pytest.mark.parametrize("table", ENDED)
def test_pruning_passes_over_what_ended_at_absurd_times(place: Place, table: str) -> None:
    absurd = ABSURD[place.kind]
    zeros = dict.fromkeys(
        ("priority", "attempts", "crashes", "interruptions", "reservations"), 0
    )
    error = {"error": "x"} if table == "jobs_failed" else {}
    for ended in absurd:
        times = {"created_at": ended, "available_at": ended, ENDED[table]: ended}
        texts = {"name": "work", "payload": "{}", "errors": "[]", **error}
        put(place, table, id=new_id(), **zeros, **times, **texts)
    for age in (timedelta(0), CENTURY, timedelta.max):
        place.store.prune(succeeded_for=age, failed_for=age, limit=100)
    pruned = place.store.prune(succeeded_for=timedelta(0), failed_for=timedelta(0), limit=100)
    assert pruned == 0
    counts = place.store.count()
    assert counts.succeeded + counts.failed == 2


def test_owners_whose_text_is_no_utf_8(sqlite_place: InSQLite) -> None:
    times = {"opened_at": 0, "lease_expires_at": 2**62}
    place = sqlite_place
    put_text(place, "owners", "name", id=str(new_id()), node="n", **times)
    put_text(place, "owners", "node", id=str(new_id()), name="q", **times)
    put_text(place, "owners", "id", name="q", node="n", **times)
    for no_id in ("", "x" * 36, "-" * 36, "0" * 5_000):
        put(place, "owners", id=no_id, name="q", node="n", **times)
    assert place.store.operations.get_owners() == []
    found = finding(place, "owners")
    assert (found.level, found.text) == ("warning", "7 cannot be read, and are not listed")
    runs_as_ever(place)


def test_pauses_whose_name_is_no_utf_8(sqlite_place: InSQLite) -> None:
    put_text(sqlite_place, "paused_queues", "name", paused_at=0)
    operations = sqlite_place.store.operations
    assert operations.pause_queue("q")
    assert operations.commands([]).paused == {"q"}
    found = finding(sqlite_place, "paused queues")
    assert found.level == "warning"
    assert found.text == "1 have names that cannot be read, and pause no queue"
    runs_as_ever(sqlite_place)


def test_cancellations_that_are_no_utf_8(sqlite_place: InSQLite) -> None:
    place = sqlite_place
    store, owner = place.store, Owner(new_id(), "q", "node")
    store.open_owner(owner, LEASE)
    [job] = store.write([new_job()]).jobs
    store.reserve(owner.id, ["work"], 1)
    put_text(place, "cancellations", "reason", job_id=str(job.id), asked_at=0)
    put_text(place, "cancellations", "job_id", reason="no", asked_at=0)
    no_id = "x" * 36
    at = {"created_at": 0, "available_at": 0, "reserved_at": 0}
    more = {"reserved_by": str(owner.id), "reservations": 1, "priority": 0, "payload": "{}"}
    put(place, "jobs", id=no_id, name="other", **at, **more)
    put(place, "cancellations", job_id=no_id, reason="no", asked_at=0)
    cancelled = store.heartbeat([owner.id], LEASE).commands.cancelled
    assert cancelled == {job.id: "???"}
    assert store.operations.commands([owner.id]).cancelled == cancelled
    store.close_owners([])


def test_starts_whose_name_is_no_utf_8(sqlite_place: InSQLite) -> None:
    put_text(sqlite_place, "starts", "name", started_at=0)
    store, owner = sqlite_place.store, Owner(new_id(), "q", "node")
    store.open_owner(owner, LEASE)
    [job] = store.write([new_job()]).jobs
    assert [one.id for one in store.reserve(owner.id, ["work"], 9, caps=[RATE])] == [job.id]


def test_notes_of_the_index_at_their_limits(sqlite_place: InSQLite) -> None:
    place = sqlite_place
    for number, job_id in ((2**63 - 1, "x"), (-(2**63), LONG)):
        put(place, "failures", number=number, job_id=job_id, is_indexed=0, is_gone=0)
    put_text(place, "failures", "job_id", number=5, is_gone=2**62)
    store = place.store
    [job] = store.write([new_job()]).jobs
    assert store.operations.cancel([job.id], "no").ended == [job.id]
    assert store.operations.retry([job.id]) == [job.id]

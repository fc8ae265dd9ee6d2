"""Rows that bgjobs would not write, in the tables beside those of jobs.

They are written without the library, and without the constraints that refuse most of them.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bgjobs._core.audit import AuditEntry
from bgjobs._core.ids import new_id
from bgjobs._core.jobs import EndState
from bgjobs._core.outcomes import Cancelled
from bgjobs._core.settlements import Succeed
from bgjobs.stores.pages import Page, unreadable_in
from bgjobs.stores.types import Owner
from bgjobs.testing.contract.steps import ENDS, listed
from tests.fixtures.hostile_rows import (
    NOT_UTF_8,
    UncheckedSQLite,
    UncheckedTables,
    put,
    put_text,
)
from tests.fixtures.hostile_tables import (
    LEASE,
    LONG,
    RATE,
    check_jobs_run,
    finding,
    later,
    new_job,
    tables_in_postgres,
    tables_in_sqlite,
)

SECOND = timedelta(seconds=1)
CENTURY = timedelta(days=36_500)
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


@pytest.fixture(params=["sqlite", "postgres"])
def tables(request: pytest.FixtureRequest) -> Iterator[UncheckedTables]:
    if request.param == "sqlite":
        with tables_in_sqlite(request.getfixturevalue("sqlite_path")) as in_sqlite:
            yield in_sqlite
    else:
        with tables_in_postgres(request.getfixturevalue("postgres_dsn")) as in_postgres:
            yield in_postgres


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


def test_jobs_of_a_worker_whose_name_is_not_utf_8_are_counted(sqlite_path: Path) -> None:
    with tables_in_sqlite(sqlite_path) as tables:
        tables.store.write([new_job()])
        tables.execute("update {jobs} set name = cast(%s as text)", NOT_UTF_8)
        tables.store.write([new_job()])
        assert tables.store.count().waiting == 2


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


@pytest.mark.parametrize("text", HOSTILE_NAMES)
def test_entries_of_the_audit_that_no_version_writes(
    tables: UncheckedTables, text: str
) -> None:
    """Those without a valid id or time are left out, long texts are cut."""
    operations, good, odd = tables.store.operations, new_id(), new_id()
    operations.begin_audit(good, "retry", "mail", author="ada")
    at = tables.time(datetime.now(UTC))
    texts = {"author": text, "action": text, "subject": text}
    put(tables, "audit", id=odd, at=at, **texts, changed=-1)
    for absurd in ABSURD[tables.kind][:3]:
        put(tables, "audit", id=new_id(), at=absurd, **texts)
    if isinstance(tables, UncheckedSQLite):
        for bad_id in (
            "",
            "x",
            "ffffffff",
            str(new_id()).upper(),
            f"{new_id()}0",
            "\U0010ffff",
        ):
            put(tables, "audit", id=bad_id, at=at, **texts)
        put_text(tables, "audit", "subject", id=new_id(), at=at, action="retry")
    found = list[AuditEntry]()
    page = Page(1)
    while part := operations.list_audit(page):
        found += part
        page = Page(1, part.after or part[-1].id)
    assert [one.id for one in found if one.action != "retry"] == [odd]
    [entry] = [one for one in found if one.id == odd]
    assert (entry.author, entry.action, entry.subject) == (text[:200], text[:100], text[:2_000])
    assert entry.changed == -1
    broken = ["\ufffd" in one.subject or "?" in one.subject for one in found]
    assert broken.count(True) == (tables.kind == "sqlite") + ("?" in text)
    assert [one.id for one in operations.list_audit(author="ada")] == [good]
    assert operations.prune_audit(timedelta(days=-1), limit=100) > 2
    assert operations.list_audit() == []
    check_jobs_run(tables)


@pytest.mark.parametrize("asked", INSTANTS)
def test_cancellations_with_absurd_times_and_long_texts(
    tables: UncheckedTables, asked: int
) -> None:
    store, owner = tables.store, Owner(new_id(), "q", "node")
    store.open_owner(owner, LEASE)
    [job] = store.write([new_job()]).jobs
    [held] = store.reserve(owner.id, ["work"], 1)
    reason, author = "r" * 1_000_000, "a" * 1_000_000
    at = ABSURD[tables.kind][asked]
    for one in (job.id, new_id()):
        texts = {"reason": reason, "cancelled_by": author}
        put(tables, "cancellations", job_id=one, asked_at=at, **texts)
    found = store.operations.commands([owner.id]).cancelled
    assert found == {job.id: Cancelled(reason[:1000], author[:200])}
    assert store.operations.cancel([job.id], Cancelled("no")).asked == [job.id]
    assert store.operations.commands([owner.id]).cancelled == {job.id: Cancelled("no")}
    assert not store.write(settle=[Succeed(held.reservation)]).lost
    store.close_owners([owner.id])


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
    second = store.reserve(owner.id, ["work"], 4, caps=[RATE], now=later())
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


TEXTS: Mapping[EndState, Mapping[str, str]] = {
    "succeeded": {},
    "failed": {"error": "x"},
    "cancelled": {"cancel_reason": "x"},
}
"""The columns of each end."""


@pytest.mark.parametrize("state", TEXTS)
def test_pruning_skips_jobs_that_ended_at_absurd_times(
    tables: UncheckedTables, state: EndState
) -> None:
    absurd = ABSURD[tables.kind]
    zeros = dict.fromkeys(
        ("priority", "attempts", "crashes", "interruptions", "reservations"), 0
    )
    for ended in absurd:
        times = {"created_at": ended, "available_at": ended, f"{state}_at": ended}
        texts = {"name": "work", "payload": "{}", "errors": "[]", **TEXTS[state]}
        put(tables, f"jobs_{state}", id=new_id(), **zeros, **times, **texts)
    for end in ENDS:
        for age in (timedelta(0), CENTURY, timedelta.max):
            tables.store.prune(end, age, limit=100)
        assert tables.store.prune(end, timedelta(0), limit=100) == 0
    assert getattr(tables.store.count(), state) == 2


@pytest.mark.parametrize("opened", INSTANTS)
@pytest.mark.parametrize("closed", INSTANTS)
def test_past_owners_with_absurd_times(
    tables: UncheckedTables, opened: int, closed: int
) -> None:
    absurd, owner = ABSURD[tables.kind], Owner(new_id(), "q", "node")
    times = {"opened_at": absurd[opened], "closed_at": absurd[closed]}
    put(tables, "past_owners", id=owner.id, name=owner.name, node=owner.node, **times)
    assert tables.store.find_owners([owner.id]) == [owner]
    check_jobs_run(tables)
    for state in ENDS:
        tables.store.prune(state, timedelta(0), limit=10)


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_past_owners_with_hostile_names(tables: UncheckedTables, name: str) -> None:
    now, owner_id = tables.time(datetime.now(UTC)), new_id()
    put(tables, "past_owners", id=owner_id, name=name, node=name, opened_at=now, closed_at=now)
    [owner] = tables.store.find_owners([owner_id])
    assert (owner.name, owner.node) == (name[:200], name[:1000])
    if name.isprintable() and name == name[:200]:
        assert listed(tables.store, "succeeded", queue=name) == []
    check_jobs_run(tables)


def test_an_owner_that_is_past_already_is_closed(tables: UncheckedTables) -> None:
    """Another program has copied it."""
    now, owner = tables.time(datetime.now(UTC)), Owner(new_id(), "q", "node")
    tables.store.open_owner(owner, LEASE)
    put(tables, "past_owners", id=owner.id, name="p", node="n", opened_at=now, closed_at=now)
    tables.store.close_owners([owner.id])
    assert [one.id for one in tables.store.find_owners([owner.id])] == [owner.id]
    assert tables.store.operations.get_owners() == []


def test_cancelled_jobs_with_absurd_texts_are_retried(tables: UncheckedTables) -> None:
    zeros = dict.fromkeys(
        ("priority", "attempts", "crashes", "interruptions", "reservations"), 0
    )
    now, store = tables.time(datetime.now(UTC)), tables.store
    times = dict.fromkeys(("created_at", "available_at", "cancelled_at"), now)
    texts = {"name": "work", "payload": "{}", "errors": "[]"}
    ids = [new_id() for _ in HISTORIES]
    for job_id, history in zip(ids, HISTORIES, strict=True):
        long = {"cancel_reason": LONG * 20, "cancelled_by": LONG, "history": history}
        put(tables, "jobs_cancelled", id=job_id, **zeros, **times, **texts, **long)
    assert set(store.operations.retry(ids, by="ada")) == set(ids)
    assert listed(store, "cancelled") == []
    owner = Owner(new_id(), "q", "node")
    store.open_owner(owner, LEASE)
    jobs = store.reserve(owner.id, ["work"], 100)
    assert len(jobs) + len(unreadable_in(jobs)) == len(ids)


HISTORIES = (None, "", "[]", "[[]]", "[", "]", "{}", "[1]", "[" * 10_000, LONG)

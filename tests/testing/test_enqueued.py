"""`assert_enqueued` and `refute_enqueued`: what they find, and their messages."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import anyio
import attrs
import pytest

import bgjobs
from bgjobs import every
from bgjobs.stores.filters import JobFilter
from bgjobs.testing import assert_enqueued, drain, refute_enqueued, run_virtual
from tests.fixtures.databases import Database, SQLiteFile


@attrs.frozen
class Mail:
    to: str
    password: str = attrs.field(default="", repr=False)


@bgjobs.worker
async def send(mail: Mail, copies: int = 1) -> None: ...


@bgjobs.worker
async def purge(context: bgjobs.JobContext, days: int) -> None: ...


HI = send.request(Mail("hi@b.c"))
HO = send.request(Mail("ho@b.c"))


@pytest.fixture
def store(database: Database) -> bgjobs.Store:
    store = database.store()
    store.open()
    store.migrate()
    store.close()
    return store


@pytest.fixture
def enqueue(store: bgjobs.Store, database: Database) -> Any:
    def enqueue(*requests: bgjobs.JobRequest) -> None:
        with closing(database.connect()) as connection:
            store.enqueue_in(connection, requests)
            connection.commit()

    return enqueue


def test_a_program_that_only_enqueues(store: bgjobs.Store, enqueue: Any) -> None:
    enqueue(HI, HO, HO, purge.request(3))
    assert len(assert_enqueued(store, send)) == 3
    [job] = assert_enqueued(store, HI)
    assert (job.name, job.payload) == ("send", HI.payload)
    assert_enqueued(store, HO, count=2)
    assert_enqueued(store, send, matching=lambda mail, copies=1: mail.to == "ho@b.c", count=2)
    assert_enqueued(store, purge, matching=lambda days: days > 2)
    refute_enqueued(store, send.request(Mail("hu@b.c")))
    refute_enqueued(store, purge, matching=lambda days: days > 3)


def test_an_open_store_stays_open(store: bgjobs.Store, enqueue: Any) -> None:
    enqueue(HI)
    store.open()
    try:
        assert_enqueued(store, HI)
        assert len(store.list(JobFilter("waiting"))) == 1
    finally:
        store.close()


@pytest.fixture
def sqlite_only(sqlite_file: SQLiteFile) -> Any:
    """A store and a function that enqueues; for tests that do not depend on the database."""
    store = sqlite_file.store()
    store.open()
    store.migrate()
    store.close()

    def enqueue(*requests: bgjobs.JobRequest) -> None:
        with closing(sqlite3.connect(sqlite_file.path)) as connection:
            store.enqueue_in(connection, requests, now=datetime(2030, 1, 1, tzinfo=UTC))
            connection.commit()

    return store, enqueue


def text_of(where: Any, *wanted: Any, **more: Any) -> list[str]:
    with pytest.raises(AssertionError) as caught:
        assert_enqueued(where, *wanted, **more)
    return str(caught.value).splitlines()


def test_a_failure_shows_the_most_similar_job_and_all_jobs(sqlite_only: Any) -> None:
    store, enqueue = sqlite_only
    enqueue(send.request(Mail("someone@else.com"), copies=3), HI, purge.request(3))
    assert text_of(store, send, matching=lambda mail, copies: copies == 2) == [
        "expected a job like send(...) for which `matching` is true, found none",
        "the most similar job is send(mail=Mail(to='someone@else.com'), copies=3)",
        "  arguments: `matching` is false",
        "enqueued jobs: 3",
        "  send(mail=Mail(to='someone@else.com'), copies=3), due 2030-01-01T00:00:00+00:00",
        "  send(mail=Mail(to='hi@b.c'), copies=1), due 2030-01-01T00:00:00+00:00",
        '  purge {"days":3}, due 2030-01-01T00:00:00+00:00',
    ]


def test_a_store_knows_no_workers_so_a_request_is_compared_as_json(sqlite_only: Any) -> None:
    store, enqueue = sqlite_only
    enqueue(HI)
    lines = text_of(store, HO.available_in(hours=1).priority(3).unique("k"))
    assert lines[:6] == [
        'expected a job like send {"mail":{"to":"ho@b.c","password":""}}, found none',
        'the most similar job is send {"mail":{"to":"hi@b.c","password":""}}',
        (
            '  arguments: expected {"mail":{"to":"ho@b.c","password":""}}, '
            'found {"mail":{"to":"hi@b.c","password":""}}'
        ),
        "  due: expected 2030-01-01T01:00:00+00:00, found 2030-01-01T00:00:00+00:00",
        "  priority: expected 3, found 0",
        "  unique key: expected 'k', found None",
    ]


def test_an_empty_store_is_reported(sqlite_only: Any) -> None:
    store, _ = sqlite_only
    assert text_of(store, send) == [
        "expected a job like send(...), found none",
        "enqueued jobs: none",
    ]


def test_a_wrong_count_is_reported(sqlite_only: Any) -> None:
    store, enqueue = sqlite_only
    enqueue(*[HI] * 12)
    lines = text_of(store, send, count=2)
    assert lines[0] == "expected 2 like send(...), found 12"
    assert (lines[1], lines[-1]) == ("enqueued jobs: 12", "  and 2 more")
    assert text_of(store, purge, count=1)[0] == "expected 1 like purge(...), found none"
    assert_enqueued(store, purge, count=0)


def test_times_priorities_and_keys_are_compared_if_the_request_has_them(
    sqlite_only: Any,
) -> None:
    store, enqueue = sqlite_only
    start = datetime(2030, 1, 1, tzinfo=UTC)
    later = HI.available_in(hours=1).priority(-5).unique("k")
    enqueue(later)
    assert_enqueued(store, HI)
    assert_enqueued(store, later)
    assert_enqueued(store, HI.available_at(start + timedelta(hours=1)))
    assert_enqueued(store, send, at=start + timedelta(hours=1, seconds=1))
    assert_enqueued(store, send, at=start, within=timedelta(hours=2))
    for other in (
        HI.available_in(hours=2),
        HI.available_at(start),
        HI.priority(4),
        HI.unique("other"),
    ):
        refute_enqueued(store, other)
    with pytest.raises(AssertionError, match="due: expected 2030-01-01T00:00:00"):
        assert_enqueued(store, send, at=start)


def test_a_failed_refutation_shows_what_was_found(sqlite_only: Any) -> None:
    store, enqueue = sqlite_only
    enqueue(HI, purge.request(1))
    with pytest.raises(AssertionError) as caught:
        refute_enqueued(store, send)
    assert str(caught.value).splitlines() == [
        "expected no job like send(...), found 1",
        "enqueued jobs: 1",
        "  send(mail=Mail(to='hi@b.c'), copies=1), due 2030-01-01T00:00:00+00:00",
    ]


def test_the_arguments_are_checked(sqlite_only: Any) -> None:
    store, _ = sqlite_only
    with pytest.raises(TypeError, match=r"worker or worker.request\(...\), found function"):
        assert_enqueued(store, send.handler)  # type: ignore[call-overload]  # untyped callers
    with pytest.raises(TypeError, match="a BgJobs or a store, found str"):
        assert_enqueued("jobs.db", send)  # type: ignore[call-overload]  # untyped callers


@pytest.mark.anyio
async def test_jobs_of_a_running_application_are_found_in_every_state() -> None:
    @bgjobs.worker
    async def broken() -> None:
        raise bgjobs.Discard("no")

    queue = bgjobs.Queue("default", workers=[send, broken, mark])
    settings = bgjobs.Config(
        store=bgjobs.SQLiteStore(":memory:"),
        queues=[queue],
        scheduled_jobs=[bgjobs.ScheduledJob(purge, every(days=1), request=purge.request(1))],
    )
    async with run_virtual(settings) as bg:
        await bg.enqueue_many([HI, broken.request(), HO.available_in(hours=1)])
        await drain(bg)
        cancelled = await bg.enqueue(mark.request(TAGS).available_in(hours=2))
        await bg.admin.cancel(cancelled.id, reason="no")
        assert_enqueued(bg, HI)
        assert_enqueued(bg, broken, count=1)
        [found] = assert_enqueued(bg, mark)
        assert found.state == "cancelled"
        [waiting] = assert_enqueued(bg, HO.available_in(hours=1))
        assert waiting.state == "delayed"  # by the clock of the application
        refute_enqueued(bg, purge)  # its only job is one of a schedule
        # The same call, although only one of the two stores the default value.
        assert_enqueued(bg, send.request(Mail("hi@b.c"), copies=1))
        lines = text_of(bg, send.request(Mail("hi@b.c"), copies=4))
        secret = text_of(bg, send.request(Mail("hi@b.c", password="secret")))
    assert lines[:3] == [
        "expected a job like send(mail=Mail(to='hi@b.c'), copies=4), found none",
        "the most similar job is send(mail=Mail(to='hi@b.c'), copies=1)",
        "  copies: expected 4, found 1",
    ]
    assert lines[4].endswith(", succeeded")
    assert lines[5] == "  broken(), failed"
    assert lines[7].endswith(", cancelled")
    assert secret[2] == "  mail: the values differ, although their reprs are the same"
    assert "secret" not in "".join(secret)


@bgjobs.worker
async def mark(tags: set[str], at: datetime | None = None, flag: bool | int = 0) -> None: ...


TAGS = {"b", "a", "c"}
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    "stored",
    [
        mark.request(TAGS),
        bgjobs.JobRequest("mark", '{"tags":["c","a","b"]}'),
        bgjobs.JobRequest("mark", '{"flag":0,"tags":["b","c","a"],"at":null}'),
    ],
)
def test_arguments_are_the_same_whatever_their_order(
    stored: bgjobs.JobRequest, sqlite_only: Any
) -> None:
    store, enqueue = sqlite_only
    enqueue(stored)
    config = bgjobs.Config(store=store, enqueue_only=[mark])

    async def look() -> None:
        async with bgjobs.run(config) as bg:
            assert len(assert_enqueued(bg, mark.request(TAGS))) == 1
            assert len(assert_enqueued(bg, mark.request(TAGS, flag=0))) == 1
            with pytest.raises(AssertionError, match="expected no job like mark"):
                refute_enqueued(bg, mark.request(TAGS))
            refute_enqueued(bg, mark.request(TAGS | {"d"}))
            refute_enqueued(bg, mark.request(TAGS, flag=False))

    anyio.run(look, backend="trio")


def test_an_instant_is_the_same_in_every_zone(sqlite_only: Any) -> None:
    store, enqueue = sqlite_only
    noon = datetime(2030, 7, 1, 12, tzinfo=UTC)
    enqueue(mark.request(set(), noon))
    config = bgjobs.Config(store=store, enqueue_only=[mark])

    async def look() -> None:
        async with bgjobs.run(config) as bg:
            assert_enqueued(bg, mark.request(set(), noon.astimezone(BERLIN)))
            refute_enqueued(bg, mark.request(set(), noon + timedelta(hours=2)))

    anyio.run(look, backend="trio")


@pytest.mark.parametrize(
    ("within", "kind", "text"),
    [
        ("x", TypeError, "expected seconds, found str"),
        (None, TypeError, "expected seconds, found None"),
        (-1, ValueError, "expected seconds from 0, found -1"),
        (float("nan"), ValueError, "expected seconds from 0, found nan"),
        (float("inf"), ValueError, "expected at most 3,153,600,000 seconds, found inf"),
        (timedelta(-1), ValueError, "expected 0 seconds or more, found -1 day, 0:00:00"),
        (timedelta.max, ValueError, "expected at most 36,500 days, found 999,999,999 days"),
    ],
)
def test_the_tolerance_is_checked(
    store: bgjobs.Store, within: Any, kind: type[Exception], text: str
) -> None:
    with pytest.raises(kind) as caught:
        assert_enqueued(store, send, within=within)
    assert str(caught.value) == f"within: {text}"


@pytest.mark.parametrize(
    ("settings", "kind", "text"),
    [
        ({"count": "x"}, TypeError, "count: expected int, found str"),
        ({"count": -1}, ValueError, "count: expected 0 or more, found -1"),
        (
            {"matching": 5},
            TypeError,
            "matching: expected a function of the arguments, found int",
        ),
        ({"at": "x"}, TypeError, "at: expected a datetime with a time zone, found str"),
    ],
)
def test_the_expectation_is_checked(
    store: bgjobs.Store, settings: dict[str, Any], kind: type[Exception], text: str
) -> None:
    with pytest.raises(kind) as caught:
        assert_enqueued(store, send, **settings)
    assert str(caught.value) == text


def test_a_class_is_no_store() -> None:
    wrong: Any = bgjobs.SQLiteStore
    expected = "where: expected a Client, a BgJobs or a store, found the class SQLiteStore"
    with pytest.raises(TypeError, match=f"^{expected}$"):
        assert_enqueued(wrong, send)

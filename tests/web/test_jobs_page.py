"""The page Jobs: each filter, its pages, and what it refuses."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import pytest

import bgjobs
from bgjobs.stores import pages
from bgjobs.stores.types import Owner
from bgjobs.web.pages import jobs
from tests.fixtures.databases import Database, SQLiteFile
from tests.fixtures.faulty_store import FaultyStore
from tests.fixtures.hostile_rows import YEAR_2030
from tests.fixtures.stores import migrated
from tests.web.stored import (
    browser_of,
    config_of,
    fail,
    ids_in,
    next_page,
    rows_of,
    seen,
    work,
)

pytestmark = pytest.mark.anyio
OWNER, OTHER = UUID(int=7), UUID(int=8)
YEAR = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.fixture
def filled(database: Database) -> Database:
    """Jobs of each state, of two workers, and of two queues."""
    rows = rows_of(database)
    fail(database, [(work.request(1), "TimeoutError: no answer of db17")])
    with migrated(database.store()) as store:
        for one, queue in ((OWNER, "mail"), (OTHER, "side & co")):
            store.open_owner(Owner(one, queue, "host:1"), timedelta(hours=1))
    mine = {"reserved_by": str(OWNER), "reserved_at": 0, "reservations": 1}
    others = {**mine, "reserved_by": str(OTHER), "created_at": YEAR_2030}
    rows.insert("jobs")
    rows.insert("jobs", name="other", metadata='{"tenant":"7","a=b":"c&d"}')
    rows.insert("jobs", **mine)
    rows.insert("jobs", **others)
    for table in ("jobs_succeeded", "jobs_failed", "jobs_cancelled"):
        rows.insert(table, **mine, metadata='{"tenant":"7","a=b":"c&d"}')
        rows.insert(table, **others, name="other")
    rows.insert("jobs", metadata='["a"]')
    return database


@pytest.mark.parametrize(
    ("query", "wanted", "count"),
    [
        ({}, bgjobs.JobFilter("failed"), 3),
        ({"state": "waiting"}, bgjobs.JobFilter("waiting"), 2),
        ({"state": "running"}, bgjobs.JobFilter("running"), 2),
        ({"state": "succeeded"}, bgjobs.JobFilter("succeeded"), 2),
        ({"state": "cancelled"}, bgjobs.JobFilter("cancelled"), 2),
        ({"name": "other"}, bgjobs.JobFilter("failed", name="other"), 1),
        ({"queue": "side & co"}, bgjobs.JobFilter("failed", queue="side & co"), 1),
        ({"owner": str(OWNER)}, bgjobs.JobFilter("failed", owner=OWNER), 1),
        ({"search": "answer db*"}, bgjobs.JobFilter("failed", search="answer db*"), 1),
        ({"metadata": "tenant=7"}, bgjobs.JobFilter("failed", metadata={"tenant": "7"}), 1),
        ({"before": "2029-12-31"}, bgjobs.JobFilter("failed", before=YEAR), 2),
        ({"after": "2030-01-01T02:00+02:00"}, bgjobs.JobFilter("failed", after=YEAR), 1),
        (
            {"state": "running", "queue": "mail", "owner": str(OWNER), "before": "2030-01-01"},
            bgjobs.JobFilter("running", queue="mail", owner=OWNER, before=YEAR),
            1,
        ),
    ],
    ids=str,
)
async def test_each_filter_finds_what_the_client_finds(
    query: dict[str, str],
    wanted: bgjobs.JobFilter[bgjobs.State],
    count: int,
    filled: Database,
) -> None:
    async with bgjobs.connect(config_of(filled.store())) as client:
        found = await client.list(wanted)
    async with browser_of(filled.store()) as browser:
        answer = await browser.get(f"/jobs?{urlencode(query)}")

    assert len(found) == count
    assert ids_in(answer) == [job.id for job in found]
    for name, value in query.items():
        if name != "state":
            assert f'value="{value.replace("&", "&amp;")}"' in answer.text


async def test_several_metadata_are_all_kept(filled: Database) -> None:
    query = urlencode([("metadata", "tenant=7"), ("metadata", "a=b")])
    async with browser_of(filled.store()) as browser:
        one = await browser.get("/jobs?metadata=tenant%3D7&metadata=")
        both = await browser.get(f"/jobs?{query}")

    assert (len(ids_in(one)), len(ids_in(both))) == (1, 0)
    assert 'name="metadata" value="tenant=7"' in both.text
    assert 'name="metadata" value="a=b"' in both.text


async def test_a_row_that_cannot_be_read_is_one_line(filled: Database) -> None:
    async with browser_of(filled.store()) as browser:
        waiting = await browser.get("/jobs?state=waiting")
        answer = await browser.get("/jobs?state=unreadable")

    assert len(ids_in(waiting)) == 2
    assert len(ids_in(answer)) == 1
    assert "metadata: expected texts by name as JSON" in seen(answer)


async def test_the_form_suggests_the_names_of_the_configuration(database: Database) -> None:
    rows_of(database)
    async with browser_of(database.store()) as browser:
        answer = await browser.get("/jobs")

    assert '<option value="pay"></option>\n<option value="work"></option>' in answer.text
    assert '<datalist id="queues">\n<option value="mail"></option>\n</datalist>' in answer.text
    assert "No job matches." in answer.text


async def test_the_form_suggests_the_owners_that_run(filled: Database) -> None:
    async with browser_of(filled.store()) as browser:
        answer = await browser.get("/jobs")
    options = f'<option value="{OTHER}">side &amp; co on host:1</option>'
    assert options in answer.text


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ({"state": "failed"}, 120),
        ({"state": "failed", "metadata": "half=1 & <b>"}, 60),
        ({"state": "failed", "search": "boom"}, 120),
        ({"state": "waiting", "name": "work"}, 60),
    ],
    ids=str,
)
async def test_the_pages_of_a_filter_have_each_job_once(
    query: dict[str, str], count: int, database: Database
) -> None:
    rows = rows_of(database)
    half = work.request(1).with_metadata(half="1 & <b>")
    fail(database, [(half, "boom"), (work.request(1), "boom")] * 60)
    for _ in range(60):
        rows.insert("jobs")
    found = list[UUID]()
    address: str | None = f"/jobs?{urlencode(query)}"
    async with browser_of(database.store()) as browser:
        while address:
            answer = await browser.get(address)
            assert len(ids_in(answer)) <= jobs.LIMIT
            assert ('rel="first"' in answer.text) == bool(found)
            found += ids_in(answer)
            address = next_page(answer)

    async with bgjobs.connect(config_of(database.store())) as client:
        texts: dict[str, Any] = {key: one for key, one in query.items() if key != "metadata"}
        pairs = {"half": "1 & <b>"} if "metadata" in query else {}
        wanted = bgjobs.JobFilter(**texts, metadata=pairs)
        assert [job.id for job in await client.list(wanted, bgjobs.Page(500))] == found
    assert (len(found), len(set(found))) == (count, count)


async def test_a_page_states_that_not_all_rows_were_examined(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind in ("sqlite", "postgres"):
        monkeypatch.setattr(f"bgjobs.stores.{kind}.lists.EXAMINED", 3)
    rows = rows_of(database)
    old = rows.insert("jobs_failed")
    for _ in range(5):
        rows.insert("jobs_failed", created_at=YEAR_2030)
    async with browser_of(database.store()) as browser:
        first = await browser.get("/jobs?before=2029-01-01")
        second = await browser.get(next_page(first) or "")
        exact = await browser.get("/jobs?name=work")

    note = "No index finds these jobs: at most 10 k rows are examined for one page."
    short = "Of the rows that were examined, 0 matched. More may follow on the next page."
    assert (ids_in(first), ids_in(second)) == ([], [old])
    assert note in seen(first)
    assert short in seen(first)
    assert "No job matches." not in seen(first)
    assert note in seen(second)
    assert "More may follow" not in seen(second)
    assert "examined" not in seen(exact)


def test_the_page_has_the_number_of_the_stores() -> None:
    assert jobs.EXAMINED == pages.EXAMINED


_STATES = (
    "expected one of ('waiting', 'delayed', 'running', 'succeeded', 'failed', 'cancelled', "
    "'unreadable'), found 'lost'"
)
_YEARS = "expected an instant from the year 1 to 9999 in UTC"
_TIME = "expected a time in UTC such as 2030-01-31 08:00, found 'soon'"


@pytest.mark.parametrize(
    ("query", "field", "text"),
    [
        ("state=lost", "state", _STATES),
        ("owner=me", "owner", "expected a UUID, found 'me'"),
        ("before=soon", "before", _TIME),
        ("after=soon", "after", _TIME),
        (
            "after=0001-01-01T00:00%2B02:00",
            "after",
            f"{_YEARS}, found 0001-01-01T00:00:00+02:00",
        ),
        ("metadata=a", "metadata", "expected KEY=VALUE, found 'a'"),
        (
            "metadata=a%3D&metadata=a%3D",
            "metadata",
            "expected each key once, found 'a' again",
        ),
        ("search=%2A", "search", "expected a word of letters or digits, found '*'"),
        (f"search={'a' * 501}", "search", "expected at most 500 characters, found 501"),
        ("state=waiting&queue=q", "queue", "expected none for waiting jobs, found 'q'"),
        ("state=running&search=q", "search", "expected none for running jobs, found 'q'"),
        ("state=unreadable&name=q", "name", "expected none for unreadable jobs, found 'q'"),
        (
            "name=a%00b",
            "name",
            "expected text without NUL and lone surrogates, found one",
        ),
        ("position=x", "position", "expected that of a cursor, found another one"),
    ],
)
async def test_an_invalid_filter_is_explained_beside_its_field_and_reads_nothing(
    query: str, field: str, text: str, sqlite_file: SQLiteFile
) -> None:
    rows_of(sqlite_file)
    store: Any = FaultyStore(sqlite_file.store())
    async with browser_of(store, store_timeout=0.01) as browser:
        store.away = True
        answer = await browser.get(f"/jobs?{query}")
        store.away = False

    assert answer.status == 400
    assert text in seen(answer)
    assert f'<p class="problem" id="{field}-problem" role="alert">' in answer.text
    assert answer.text.count('class="problem"') == 1
    if field != "position":
        assert f'aria-invalid="true" aria-describedby="{field}-problem"' in answer.text
    assert "Traceback" not in answer.text


async def test_what_was_typed_stays_in_the_form_beside_all_problems(database: Database) -> None:
    rows_of(database)
    query = urlencode({"owner": '"><script>', "after": "x", "search": "!", "name": "work"})
    async with browser_of(database.store()) as browser:
        answer = await browser.get(f"/jobs?{query}")

    assert answer.text.count('class="problem"') == 3
    assert 'value="&#34;&gt;&lt;script&gt;"' in answer.text
    assert 'name="name" value="work"' in answer.text
    assert "<script>" not in answer.text


@pytest.mark.parametrize("query", ["", "search=no&", "state=unreadable&", "state=waiting&"])
async def test_a_position_of_another_list_is_no_error(query: str, database: Database) -> None:
    rows_of(database).insert("jobs_failed")
    async with browser_of(database.store()) as browser:
        for key in ("", f"@{10**17}", "@0001-01-01T00:00:00+00:00"):
            position = urlencode({"position": f"{OWNER}{key}"})
            assert (await browser.get(f"/jobs?{query}{position}")).status == 200


async def test_a_row_shows_why_or_how_far(database: Database) -> None:
    rows = rows_of(database)
    progress = '[30,120,"half way",0]'
    held = {"reserved_by": str(OWNER), "reserved_at": 0, "reservations": 1}
    retried = '[[1,"2026-01-01T00:00:00+00:00","ValueError: first\\nmore",null]]'
    rows.insert("jobs", progress=progress, **held)
    rows.insert("jobs", errors=retried, attempts=1)
    rows.insert("jobs_failed", error="KeyError: 'x'\n\nTraceback", attempts=2)
    rows.insert("jobs_cancelled", cancel_reason="no longer needed")
    texts = {
        "running": "1 30 of 120, 25 %: half way",
        "waiting": "2 ValueError: first",
        "failed": "3 KeyError: 'x'",
        "cancelled": "1 no longer needed",
    }
    async with browser_of(database.store()) as browser:
        for state, text in texts.items():
            assert seen(await browser.get(f"/jobs?state={state}")).endswith(f" {text}")


async def test_a_real_job_is_listed_with_its_worker_and_time(database: Database) -> None:
    rows_of(database)
    async with bgjobs.connect(config_of(database.store())) as client:
        job = await client.enqueue(work.request(5).available_in(hours=1.5))
    async with browser_of(database.store()) as browser:
        answer = await browser.get("/jobs?state=delayed")
        waiting = await browser.get("/jobs?state=waiting")

    assert (ids_in(answer), ids_in(waiting)) == ([job.id], [])
    assert f'title="{job.id}">{job.id.hex[:8]}</a>' in answer.text
    assert '<bdi class="name">work</bdi>' in answer.text
    assert "in 1 h" in seen(answer)


async def test_all_links_of_a_list_are_below_the_mount(sqlite_file: SQLiteFile) -> None:
    rows = rows_of(sqlite_file)
    for _ in range(jobs.LIMIT + 1):
        rows.insert("jobs_failed")
    async with browser_of(sqlite_file.store()) as browser:
        browser.root_path = "/admin/jobs"
        answer = await browser.get("/jobs?name=work")
        job = await browser.get(f"/jobs/{rows.ids[0]}")

    assert (answer.status, job.status) == (200, 200)
    assert (next_page(answer) or "").startswith("/admin/jobs/jobs?state=failed&name=work&")
    for text in (answer.text, job.text):
        addresses = re.findall(r'(?:href|src|action)="([^"#][^"]*)"', text)
        assert all(one.startswith(("/admin/jobs/", "data:")) for one in addresses)

"""The page of one job: its facts, and who sees which of them."""

import html
import json
import threading
from collections.abc import Collection
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from markupsafe import Markup

from bgjobs import web
from bgjobs._core.text import visible
from bgjobs.stores.types import Owner
from bgjobs.web.present.json_view import json_tree
from tests.fixtures.databases import Database
from tests.fixtures.hostile_rows import HostileRows
from tests.fixtures.stores import migrated
from tests.web.browser import Answer, Browser
from tests.web.stored import ADA, READER, browser_of, config_of, rows_of, seen

pytestmark = pytest.mark.anyio
OWNER = UUID(int=7)
HELD = {"reserved_by": str(OWNER), "reserved_at": 0, "reservations": 1}
HOSTILE = "<script>alert(1)</script>'\"><img src=x onerror=alert(2)>\u202e&lt;"
SECRET = "4111-1111-1111"
CARD = json.dumps({"card": {"holder": "Augusta", "number": SECRET}})
_SECOND = 1_000_000
_ATTEMPT_1 = ["reservation", 1, str(OWNER), "mail", "host:1", 1, 1, _SECOND, "failed"]
_END = ["end", "cancelled", 6 * _SECOND, "too late", "ida", 7 * _SECOND, "eve"]
_ATTEMPT_2 = [*_ATTEMPT_1[:1], 2, str(OWNER), "side", "host:2", 2, 1, _SECOND, "failed"]
_SHOWN_END = (
    "Ended As Error or reason By Retried By 1970-01-01 00:00:06 UTC cancelled too late ida "
    "1970-01-01 00:00:07 UTC eve"
)
BAD = '["a"]'
"""Metadata that cannot be read."""


async def page_of(browser: Browser, job_id: UUID) -> Answer:
    answer = await browser.get(f"/jobs/{job_id}")
    assert answer.status == 200, answer.text
    return answer


async def test_the_page_has_the_facts_and_the_life_of_a_job(database: Database) -> None:
    rows = rows_of(database)
    job_id = rows.insert(
        "jobs_failed",
        error="ValueError: last\n\nTraceback (most recent call last):\n"
        '  File "/srv/shop/mail.py", line 7, in send\n    raise ValueError("last")',
        errors='[[1,"2030-01-01T00:00:05+00:00","KeyError: first",null]]',
        history=json.dumps([_ATTEMPT_1, _END, _ATTEMPT_2]),
        metadata=json.dumps({"traceparent": f"00-{'ab' * 16}-{'cd' * 8}-01", "tenant": "7"}),
        occurrence='{"name":"nightly","schedule":"every 5 minutes","at":1000000,"made_up":2}',
        progress='[30,120,"half way",0]',
        **{**HELD, "priority": 3, "attempts": 1, "crashes": 4, "unique_key": "order-9"},
    )
    async with browser_of(database.store()) as browser:
        answer = await page_of(browser, job_id)

    text = seen(answer)
    for fact in (
        *(f"Id {job_id}", "Worker work", "State failed", "Priority 3", "Attempt 2"),
        *("Crashes 4", "Unique key order-9", "Last queue side", "Last node host:2"),
        *("Created 1970-01-01 00:00:00 UTC", "Progress 30 of 120, 25 %: half way"),
        *("Scheduled job nightly", "Schedule every 5 minutes", "Missed ones run in a row 2"),
        *("Occurrence 1970-01-01 00:00:01 UTC", "tenant 7", f"Trace {'ab' * 16}", _SHOWN_END),
    ):
        assert fact in text
    assert text.index("ValueError: last") < text.index("Attempt 1, 2030-01-01 00:00:05 UTC")
    assert '<svg class="life-picture"' in answer.text
    assert '<details class="trace"><summary>1 frame</summary>' in answer.text
    assert (
        '<span class="trace-path"><bdi class="name">/srv/shop/mail.py</bdi></span>'
        in answer.text
    )
    for query in ("name=work", f"owner={OWNER}", "queue=nightly"):
        assert f'<a href="/jobs?state=failed&amp;{query}">' in answer.text


async def test_a_job_links_to_its_trace(database: Database) -> None:
    trace = json.dumps({"traceparent": f"00-{'ab' * 16}-{'cd' * 8}-01"})
    job_id = rows_of(database).insert("jobs", metadata=trace)
    page = web.app(
        config_of(database.store()),
        auth=lambda _: READER,
        trace_url="https://traces.example.org/trace/{trace_id}?tab=1&wide",
    )
    async with page.opened():
        answer = await page_of(Browser(page), job_id)
    address = f"https://traces.example.org/trace/{'ab' * 16}?tab=1&amp;wide"
    assert f'<a href="{address}" rel="external noreferrer">' in answer.text


async def test_a_running_job_has_the_queue_and_node_of_its_owner(database: Database) -> None:
    rows = rows_of(database)
    with migrated(database.store()) as store:
        store.open_owner(Owner(OWNER, "mail", "host:1"), timedelta(hours=1))
    job_id = rows.insert("jobs", **HELD)
    async with browser_of(database.store()) as browser:
        text = seen(await page_of(browser, job_id))

    assert "State running" in text
    assert "Last queue mail Last node host:1" in text
    assert "so far" in text


async def test_a_cancelled_job_has_its_reason_and_who_cancelled_it(database: Database) -> None:
    job_id = rows_of(database).insert("jobs_cancelled", cancel_reason="too late")
    async with browser_of(database.store()) as browser:
        text = seen(await page_of(browser, job_id))

    assert "Reason too late Cancelled by ada" in text


async def test_arguments_and_results_are_trees_without_redacted_fields(
    database: Database,
) -> None:
    result = json.dumps({"holder": "Augusta Ada", "number": SECRET})
    job_id = rows_of(database).insert("jobs_succeeded", name="pay", payload=CARD, result=result)
    async with browser_of(database.store()) as browser:
        answer = await page_of(browser, job_id)

    text = seen(answer)
    assert 'holder: "Augusta"' in text
    assert 'holder: "Augusta Ada"' in text
    assert text.count("number: hidden") == 2
    assert SECRET not in answer.text


@pytest.mark.parametrize("table", ["jobs", "jobs_succeeded", "jobs_failed", "jobs_cancelled"])
@pytest.mark.parametrize(
    ("name", "user"), [("pay", READER), ("unknown", READER), ("unknown", ADA)]
)
async def test_values_are_shown_only_to_whom_may_see_them_of_known_workers(
    table: str, name: str, user: web.User, database: Database
) -> None:
    result = {"result": json.dumps({"Augusta": SECRET})} if "succ" in table else {}
    rows = rows_of(database)
    readable, unreadable = [
        rows.insert(table, name=name, payload=CARD, metadata=metadata, **result)
        for metadata in (None, BAD)
    ]
    state = table.removeprefix("jobs_").replace("jobs", "waiting")
    async with browser_of(database.store(), user) as browser:
        first, second = [await page_of(browser, one) for one in (readable, unreadable)]
        lists = [await browser.get(f"/jobs?state={one}") for one in (state, "unreadable")]

    for page in (first, second, *lists):
        assert page.status == 200
        assert "Augusta" not in page.text
        assert SECRET not in page.text
    assert "card object, 2 members" in seen(first)
    assert ("card object, 2 members" in seen(second)) == (user is ADA)
    why = "Your user may not see" if user is READER else "has no worker of this name"
    assert why in seen(first)


async def test_a_row_that_cannot_be_read_shows_its_columns_to_whom_may_see_them(
    database: Database,
) -> None:
    rows = rows_of(database)
    job_id = rows.insert(
        metadata='["<b>tenant</b>"]', unique_key="k" * 800, payload='{"n":123454321}'
    )
    secret = rows.insert(name="pay", payload=CARD, metadata=BAD)
    cut = rows.insert(name="pay", payload=f'{{"a":"{SECRET * 100}"}}', metadata=BAD)
    async with browser_of(database.store()) as browser:
        whole = await page_of(browser, job_id)
        others = [await page_of(browser, one) for one in (secret, cut)]
    async with browser_of(database.store(), READER) as browser:
        reason = await page_of(browser, job_id)

    for answer in (whole, reason):
        assert "<h1>Unreadable row</h1>" in answer.text
        assert "Reason metadata: expected texts by name as JSON" in seen(answer)
    assert '["<b>tenant</b>"]' in seen(whole)
    assert "<b>" not in whole.text
    assert "n: 123454321" in seen(whole)
    assert "number: hidden" in seen(others[0])
    assert "no readable JSON: 1,0" in seen(others[1])
    assert not any(SECRET in answer.text for answer in others)
    assert "tenant" not in reason.text
    assert "123454321" not in reason.text
    assert "kkk" not in reason.text


_PLACES = (
    "key error message path function metakey metavalue schedule recurs note pastq pastnode "
    "pasterror endedby retriedby queue node"
)


def hostile_row(rows: HostileRows, table: str) -> UUID:
    """Insert a row with a hostile text in each place; its name is that of the place."""

    def text(place: str) -> str:
        return f"{place}{HOSTILE}"

    error = f"{text('error')}\n{text('message')}\n\nTraceback (most recent call last):\n"
    frame = f'  File "{text("path").replace(chr(34), "")}", line 1, in {text("function")}\n'
    mine: dict[str, Any] = {
        "name": text("worker"),
        "payload": json.dumps({text("member"): text("payload")}),
        "unique_key": text("key"),
        "errors": json.dumps([[1, "2030-01-01T00:00:00+00:00", error + frame, None]]),
        "metadata": json.dumps({text("metakey"): text("metavalue")}),
        "occurrence": json.dumps(
            {"name": text("schedule"), "schedule": text("recurs"), "at": 0}
        ),
        "progress": json.dumps([1, 2, text("note"), 0]),
        "history": json.dumps(
            [
                [*_ATTEMPT_1[:3], text("pastq"), text("pastnode"), 1, 0, 0, "failed"],
                ["end", "failed", 0, text("pasterror"), text("endedby"), 0, text("retriedby")],
            ]
        ),
        **HELD,
        "reserved_at": 2 * 10**6,
    }
    if table == "jobs_cancelled":
        mine |= {"cancel_reason": text("reason"), "cancelled_by": text("canceller")}
    if table == "jobs_failed":
        mine |= {"error": text("end")}
    return rows.insert(table, **mine)


@pytest.mark.parametrize("state", ["running", "failed", "cancelled", "unreadable"])
async def test_hostile_texts_are_escaped_in_every_place(state: str, database: Database) -> None:
    rows = rows_of(database)
    with migrated(database.store()) as store:
        owner = Owner(OWNER, f"queue{HOSTILE}", f"node{HOSTILE}")
        store.open_owner(owner, timedelta(hours=1))
    table = f"jobs_{state}" if state in ("failed", "cancelled") else "jobs"
    job_id = hostile_row(rows, table)
    if state == "unreadable":
        rows.change("jobs", {"metadata": json.dumps([f"metakey{HOSTILE}"])})
    async with browser_of(database.store()) as browser:
        job = await page_of(browser, job_id)
        listed = await browser.get(f"/jobs?state={state}")

    for answer in (job, listed):
        assert "<script>" not in answer.text
        assert "<img" not in answer.text
        assert "\u202e" not in answer.text
        assert f"worker{visible(HOSTILE)}" in seen(answer)
    places = "key" if state == "unreadable" else _PLACES
    extra = {"cancelled": "reason canceller", "failed": "end"}.get(state, "")
    text = seen(job)
    for place in f"{places} {extra}".split():
        shown = visible(HOSTILE).replace('"', "") if place == "path" else visible(HOSTILE)
        assert f"{place}{shown}" in text, place


async def test_the_arguments_of_a_known_worker_are_escaped(database: Database) -> None:
    payload = json.dumps({f"n{HOSTILE}": HOSTILE})
    job_id = rows_of(database).insert(payload=payload)
    async with browser_of(database.store()) as browser:
        answer = await page_of(browser, job_id)

    assert f'n{visible(HOSTILE)}: "{visible(HOSTILE)}"' in seen(answer)
    assert "<script>" not in answer.text
    assert "<img" not in answer.text


async def test_an_unknown_id_is_explained(database: Database) -> None:
    rows_of(database)
    async with browser_of(database.store()) as browser:
        answer = await browser.get(f"/jobs/{OWNER}")
        other = await browser.get("/jobs/7")

    assert (answer.status, other.status) == (404, 404)
    assert "<h1>No such job</h1>" in answer.text
    assert f"There is no job with the id {OWNER}. It may have been deleted" in answer.text
    assert "There is no such page." in other.text


async def test_a_long_document_is_read_in_a_thread(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[bool] = []

    def noted(document: str, hidden: Collection[str]) -> Markup:
        threads.append(threading.current_thread() is threading.main_thread())
        return json_tree(document, hidden)

    monkeypatch.setattr("bgjobs.web.pages.documents.json_tree", noted)
    rows = rows_of(database)
    short, long = rows.insert(), rows.insert(payload=json.dumps({"n": ["x"] * 100_000}))
    async with browser_of(database.store()) as browser:
        await page_of(browser, short)
        answer = await page_of(browser, long)

    assert threads == [True, False]
    assert "array, 100,000 items" in html.unescape(answer.text)


async def test_much_metadata_is_cut(database: Database) -> None:
    metadata = json.dumps({f"k{index:03}": "v" for index in range(130)})
    job_id = rows_of(database).insert(metadata=metadata)
    async with browser_of(database.store()) as browser:
        text = seen(await page_of(browser, job_id))

    assert "k099" in text
    assert "k100" not in text
    assert "30 more keys" in text


async def test_metadata_that_names_no_trace_is_shown_as_it_is(
    database: Database,
) -> None:
    job_id = rows_of(database).insert(metadata='{"traceparent":"00-<b>-1-01"}')
    async with browser_of(database.store()) as browser:
        text = seen(await page_of(browser, job_id))

    assert "Trace " not in text
    assert "traceparent 00-<b>-1-01" in text
    assert "State waiting Due 1970-01-01 00:00:00 UTC" in text

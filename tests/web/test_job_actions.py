"""What users change at the page: each action, on both stores, and what is refused."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

import bgjobs
from bgjobs import web
from bgjobs.web.actions.tokens import LONGEST_FORM
from bgjobs.web.guard.bodies import LARGEST_BODY
from tests.fixtures.databases import Database, SQLiteFile
from tests.fixtures.stores import migrated
from tests.web.actors import ACTOR, FAILED, READER, hidden, jobs_in, sent
from tests.web.browser import Browser
from tests.web.clocks import JumpingClock
from tests.web.stored import browser_of, config_of, rows_of, seen, work

pytestmark = pytest.mark.anyio


async def test_failed_jobs_are_retried_one_some_or_all(failed: Database) -> None:
    config = config_of(failed.store())
    page = web.app(config, auth=lambda _: ACTOR)
    async with bgjobs.connect(config) as client, page.opened(client):
        browser = Browser(page)
        one, *_ = [job.id for job in await jobs_in(client, "failed")]
        answer = await browser.get(f"/jobs/{one}")
        assert f'href="/jobs/change?do=retry&amp;job={one}">Retry</a>' in answer.text
        done = await sent(browser, f"/jobs/change?do=retry&job={one}")
        assert "Retry 1 job Done: 1 job changed." in seen(done)
        assert f'<a href="/jobs/{one}">' in done.text
        everything = await browser.get(FAILED)
        assert "2 jobs are selected. They run again with all their attempts." in seen(
            everything
        )
        assert "Done: 2 jobs changed." in seen(await sent(browser, FAILED))
        assert len(await jobs_in(client, "waiting")) == 3
        audit = seen(await browser.get("/audit"))
        assert "ada retry_all all 2" in audit
        assert f"ada retry {one} 1" in audit
        actions = seen(await browser.get("/actions"))
    assert "Retry all failed jobs ada done 2" in actions


@pytest.mark.parametrize("scope", ["job", "all"])
async def test_waiting_jobs_are_cancelled_with_a_reason(database: Database, scope: str) -> None:
    config = config_of(database.store())
    page = web.app(config, auth=lambda _: ACTOR)
    with migrated(database.store()):
        pass
    async with bgjobs.connect(config) as client, page.opened(client):
        job = await client.enqueue(work.request(1))
        which = f"job={job.id}" if scope == "job" else "all=1&state=waiting"
        target = f"/jobs/change?do=cancel&{which}"
        refused = await sent(Browser(page), target, reason=" ")
        assert (refused.status, "expected a text, found an empty one" in seen(refused)) == (
            400,
            True,
        )
        await sent(Browser(page), target, reason="no stock")
        [found] = await jobs_in(client, "cancelled")
    assert (found.reason, found.cancelled_by) == ("no stock", "ada")


@pytest.mark.parametrize("scope", ["job", "all"])
async def test_waiting_jobs_get_another_time_and_priority(
    database: Database, scope: str
) -> None:
    config = config_of(database.store())
    page = web.app(config, auth=lambda _: ACTOR)
    with migrated(database.store()):
        pass
    async with bgjobs.connect(config) as client, page.opened(client):
        browser = Browser(page)
        job = await client.enqueue(work.request(1))

        def target(do: str, state: str) -> str:
            which = f"job={job.id}" if scope == "job" else f"all=1&state={state}"
            return f"/jobs/change?do={do}&{which}"

        await sent(browser, target("priority", "waiting"), priority="-7")
        await sent(browser, target("reschedule", "waiting"), at="2100-01-31 08:00")
        [found] = await jobs_in(client, "delayed")
        assert found.priority == -7
        assert found.available_at == datetime(2100, 1, 31, 8, tzinfo=UTC)
        await sent(browser, target("reschedule", "delayed"), minutes="90")
        [found] = await jobs_in(client, "delayed")
        left = found.available_at - config.clock.now()
        assert timedelta(minutes=80) < left <= timedelta(minutes=90)
        done = await sent(browser, target("run-now", "delayed"))
        assert "Done: 1 job changed." in seen(done)
        assert [one.id for one in await jobs_in(client, "waiting")] == [job.id]


@pytest.mark.parametrize(
    ("do", "fields", "problem"),
    [
        ("priority", {"priority": "high"}, "to 32,767, found 'high'"),
        ("priority", {"priority": "9" * 99}, "expected a whole number of -32,767 to 32,767"),
        ("reschedule", {}, "expected minutes or a time, found neither"),
        ("reschedule", {"minutes": "1", "at": "2100-01-01"}, "found both"),
        ("reschedule", {"minutes": "-1"}, "expected a whole number of 0 to"),
        ("reschedule", {"at": "noon"}, "expected a time in UTC such as 2030-01-31 08:00"),
    ],
)
async def test_a_wrong_field_is_explained_and_nothing_is_changed(
    do: str, fields: Mapping[str, str], problem: str, sqlite_file: SQLiteFile
) -> None:
    config = config_of(sqlite_file.store())
    page = web.app(config, auth=lambda _: ACTOR)
    with migrated(sqlite_file.store()):
        pass
    async with bgjobs.connect(config) as client, page.opened(client):
        job = await client.enqueue(work.request(1))
        answer = await sent(Browser(page), f"/jobs/change?do={do}&job={job.id}", **fields)
        assert await client.find(job.id) == job
    assert answer.status == 400
    assert problem in seen(answer)
    assert 'aria-invalid="true"' in answer.text
    for value in fields.values():
        assert f'value="{value}"' in answer.text


async def test_jobs_and_unreadable_rows_are_deleted(failed: Database) -> None:
    rows_of(failed).insert("jobs_succeeded", metadata='["a"]')
    config = config_of(failed.store())
    page = web.app(config, auth=lambda _: ACTOR)
    async with bgjobs.connect(config) as client, page.opened(client):
        browser = Browser(page)
        await jobs_in(client, "succeeded")  # a row that is met is set apart
        ids = [job.id for job in await jobs_in(client, "failed")]
        chosen = "&".join(f"job={one}" for one in ids[:2])
        await sent(browser, f"/jobs/change?do=delete&{chosen}&job={UUID(int=7)}")
        assert [job.id for job in await jobs_in(client, "failed")] == ids[2:]
        done = await sent(browser, "/jobs/change?do=delete&all=1&state=unreadable")
        assert "Done: 1 job changed." in seen(done)
        found = seen(await browser.get("/actions"))
    assert "Delete 3 jobs ada done 2" in found


async def test_an_action_leads_back_to_the_list_in_which_jobs_were_selected(
    failed: Database,
) -> None:
    async with browser_of(failed.store(), ACTOR) as browser:
        [one, *_] = re.findall(r'name="job" value="([^"]+)"', (await browser.get("/jobs")).text)
        target = f"/jobs/change?do=delete&job={one}&all=&state=failed&name=work"
        asked = await browser.get(target)
        done = await sent(browser, target)
    address = "/jobs?state=failed&amp;name=work"
    assert f'<a href="{address}">Back, without a change</a>' in asked.text
    assert f'<a href="{address}">Jobs of this filter</a>' in done.text
    assert f'href="/jobs/{one}"' not in done.text


async def test_a_planned_run_offers_what_changes_it(database: Database) -> None:
    occurrence = '{"name":"nightly","schedule":"every 5 minutes","at":1000000}'
    job_id = rows_of(database).insert("jobs", occurrence=occurrence)
    async with browser_of(database.store(), ACTOR) as browser:
        text = (await browser.get(f"/jobs/{job_id}")).text
    assert re.findall(r"/jobs/change\?do=([a-z-]+)&amp;", text) == ["cancel", "delete"]


async def test_jobs_that_are_left_out_are_counted(failed: Database) -> None:
    async with browser_of(failed.store(), ACTOR) as browser:
        done = await sent(browser, f"/jobs/change?do=retry&job={UUID(int=1)}&job={UUID(int=2)}")
    assert "2 jobs left out: their state has changed, or the change is not possible." in (
        seen(done)
    )


@pytest.mark.parametrize(
    ("target", "status", "text"),
    [
        ("/jobs/change?do=retry", 400, "No job is selected. Go back and select some."),
        ("/jobs/change?do=retry&job=7", 400, "what is not the id of a job"),
        ("/jobs/change?do=drop&job=7", 404, "There is no such page."),
        ("/jobs/change?do=retry&all=1&state=running", 400, "is not possible with running"),
        ("/jobs/change?do=retry&all=1&state=failed&before=x", 400, "before: expected a time"),
        ("/actions/unknown", 404, "The page does not know this action."),
    ],
)
async def test_nonsense_is_refused(
    target: str, status: int, text: str, sqlite_file: SQLiteFile
) -> None:
    rows_of(sqlite_file)
    async with browser_of(sqlite_file.store(), ACTOR) as browser:
        answer = await browser.get(target)
    assert (answer.status, text in seen(answer)) == (status, True), seen(answer)


async def test_too_many_selected_jobs_are_refused(sqlite_file: SQLiteFile) -> None:
    rows_of(sqlite_file)
    chosen = "&".join(f"job={UUID(int=one)}" for one in range(1_001))
    async with browser_of(sqlite_file.store(), ACTOR) as browser:
        answer = await browser.get(f"/jobs/change?do=retry&{chosen}")
    assert "At most 1,000 jobs can be selected; 1,001 are selected." in seen(answer)


async def test_a_reader_sees_no_button_and_changes_nothing(failed: Database) -> None:
    """Also with a token, which only users who may act get."""
    async with browser_of(failed.store(), ACTOR) as browser:
        fields = hidden(await browser.get(FAILED))
    async with browser_of(failed.store(), READER) as browser:
        listed = await browser.get("/jobs")
        assert "/jobs/change" not in listed.text
        assert (await browser.get(FAILED)).status == 403
        answer = await browser.post("/jobs/change", fields)
        assert answer.status == 403
        assert "Nothing was changed: your user may read" in seen(answer)
        assert len(re.findall(r'<a href="/jobs/[0-9a-f-]{36}"', listed.text)) == 3


async def test_a_page_that_is_read_only_lets_nobody_act(failed: Database) -> None:
    page = web.app(config_of(failed.store()), auth=lambda _: ACTOR, read_only=True)
    async with page.opened():
        browser = Browser(page)
        assert (await browser.get(FAILED)).status == 403
        assert (await browser.post("/jobs/change", {"do": "retry"})).status == 403


async def test_a_form_is_sent_once_by_its_user_in_its_hour(failed: Database) -> None:
    clock, users = JumpingClock(), [ACTOR]
    config = bgjobs.Config(store=failed.store(), enqueue_only=[work], clock=clock)
    page = web.app(config, auth=lambda _: users[-1])
    async with bgjobs.connect(config) as client, page.opened(client):
        browser = Browser(page)

        async def post(fields: Mapping[str, Any]) -> tuple[int, str]:
            answer = await browser.post("/jobs/change", fields)
            return answer.status, seen(answer) if answer.status != 303 else ""

        fields = hidden(await browser.get(FAILED))
        token = fields["token"][0]
        for wrong in ("", "x", "a.b.c", f"{token}0", f"é{token}", token.replace(".", ".9", 1)):
            status, text = await post({**fields, "token": wrong})
            assert (status, "this form is more than an hour old" in text) == (403, True)
        users.append(web.User("eve", may_act=True))
        assert (await post(fields))[0] == 403
        users.pop()
        clock.added += LONGEST_FORM + 2
        assert (await post(fields))[0] == 403
        assert len(await jobs_in(client, "failed")) == 3
        fields = hidden(await browser.get(FAILED))
        assert (await post(fields))[0] == 303
        status, text = await post(fields)
        assert (status, "This form was sent twice." in text) == (409, True)
        assert len(await jobs_in(client, "waiting")) == 3


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"origin": "https://evil.example", "sec-fetch-site": ""}, 403),
        ({"content-length": str(10_000_000)}, 413),
        ({"content-type": "multipart/form-data"}, 415),
    ],
)
async def test_a_form_of_another_site_or_kind_is_refused(
    headers: Mapping[str, str], status: int, failed: Database
) -> None:
    async with browser_of(failed.store(), ACTOR) as browser:
        fields = hidden(await browser.get(FAILED))
        answer = await browser.post("/jobs/change", fields, **headers)
        assert answer.status == status
        assert "3 jobs are selected" in seen(await browser.get(FAILED))


async def test_a_body_of_ten_megabytes_without_a_length_is_refused(failed: Database) -> None:
    async with browser_of(failed.store(), ACTOR) as browser:
        chunks = [b"a=" + b"x" * LARGEST_BODY] * 160
        headers = {
            "sec-fetch-site": "same-origin",
            "content-type": "application/x-www-form-urlencoded",
        }
        answer = await browser.send("POST", "/jobs/change", headers, chunks)
        assert answer.status == 413
        assert "3 jobs are selected" in seen(await browser.get(FAILED))


async def test_an_id_of_another_system_changes_nothing(
    failed: Database, tmp_path_factory: pytest.TempPathFactory
) -> None:
    shop, mail = config_of(failed.store()), config_of(_other_store(tmp_path_factory))
    page = web.app({"shop": shop, "mail": mail}, auth=lambda _: ACTOR)
    async with bgjobs.connect(shop) as client, page.opened({"shop": client}):
        browser = Browser(page)
        [one, *_] = await jobs_in(client, "failed")
        done = await sent(browser, f"/mail/jobs/change?do=delete&job={one.id}")
        assert "Done: 0 jobs changed." in seen(done)
        assert len(await jobs_in(client, "failed")) == 3
        [run] = re.findall(
            r'href="/mail/actions/([^"]+)"', (await browser.get("/mail/actions")).text
        )
        assert (await browser.get(f"/shop/actions/{run}")).status == 404


def _other_store(folders: pytest.TempPathFactory) -> bgjobs.Store:
    store = bgjobs.SQLiteStore(folders.mktemp("mail") / "mail.db")
    with migrated(store):
        pass
    return store

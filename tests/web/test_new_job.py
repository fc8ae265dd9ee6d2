"""The page New job: the form of a worker, its preview, and the job that it enqueues."""

import html
import json
import re
import shlex
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Literal, cast

import attrs
import pytest

import bgjobs
from bgjobs import web
from bgjobs.errors import StoreUnavailableError
from bgjobs.schedules import every
from bgjobs.web.guard.bodies import LARGEST_BODY
from tests.fixtures.databases import Database
from tests.fixtures.faulty_store import FaultyStore
from tests.fixtures.stores import migrated
from tests.web.browser import Answer, Browser
from tests.web.stored import seen

pytestmark = pytest.mark.anyio
ADA = web.User("ada", may_act=True)
HOSTILE = "<script>alert(1)</script>\u202e\"'"


@attrs.frozen
class Card:
    holder: str
    number: str = attrs.field(repr=False)


@bgjobs.worker
async def send(
    to: str, n: int, *, kind: Literal["<b>", "post"] = "post", note: str = HOSTILE
) -> None: ...


@bgjobs.worker
def pay(card: Card, amounts: list[int]) -> None: ...


@bgjobs.worker(name=HOSTILE)
async def odd() -> None: ...


@bgjobs.worker
async def tick() -> None: ...


def config_of(store: Any, **settings: Any) -> bgjobs.Config:
    return bgjobs.Config(
        store=store,
        queues=[bgjobs.Queue("mail", workers=[send, pay])],
        scheduled_jobs=[bgjobs.ScheduledJob(tick, every(hours=24), name="daily")],
        enqueue_only=[odd],
        **settings,
    )


@attrs.frozen
class Opened:
    """The page for one user, and the store behind it."""

    browser: Browser
    client: bgjobs.Client

    async def form(self, worker: str = "send") -> dict[str, str]:
        """Open the form of a worker, and return its hidden fields."""
        answer = await self.browser.get(f"/new?worker={worker}")
        assert answer.status == 200, answer.text
        return hidden(answer)

    async def send(self, do: str, worker: str = "send", /, **typed: str) -> Answer:
        form = {**await self.form(worker), **of(typed), "do": do}
        return await self.browser.post("/new", form)

    async def jobs(self) -> list[bgjobs.AnyJob]:
        states: list[Literal["waiting", "delayed"]] = ["waiting", "delayed"]
        found = [await self.client.list(bgjobs.JobFilter(state)) for state in states]
        return [job for listed in found for job in listed]


def hidden(answer: Answer) -> dict[str, str]:
    found = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', answer.text)
    return {name: html.unescape(value) for name, value in found}


def of(typed: Mapping[str, str]) -> dict[str, str]:
    """Return the fields of a form; those with a trailing underscore are no arguments."""
    return {k[:-1] if k.endswith("_") else f"argument.{k}": v for k, v in typed.items()}


@asynccontextmanager
async def opened(
    store: Any, user: web.User = ADA, *, read_only: bool = False, **settings: Any
) -> AsyncGenerator[Opened]:
    config = config_of(store, **settings)
    page = web.app(config, auth=lambda _: user, read_only=read_only)
    async with bgjobs.connect(config) as client, page.opened(client):
        yield Opened(Browser(page), client)


@pytest.fixture
def store(database: Database) -> bgjobs.Store:
    with migrated(database.store()):
        pass
    return database.store()


async def test_the_workers_of_the_configuration_are_listed(store: bgjobs.Store) -> None:
    async with opened(store) as one:
        answer = await one.browser.get("/new")

    addresses = re.findall(r'<a href="(/new\?worker=[^"]*)"', answer.text)
    name = "%3Cscript%3Ealert%281%29%3C%2Fscript%3E%E2%80%AE%22%27"
    assert addresses == [f"/new?worker={one}" for one in (name, "pay", "send", "tick")]
    for text in ("queue mail", "scheduled job daily", "another process"):
        assert text in seen(answer)
    assert "<script>" not in answer.text


async def test_the_form_has_a_labelled_field_for_each_parameter(store: bgjobs.Store) -> None:
    async with opened(store) as one:
        answer = await one.browser.get("/new?worker=send")

    ids = re.findall(r'<(?:input|select|textarea) id="([^"]+)"', answer.text)
    assert len(ids) == len(set(ids)) == 9
    assert re.findall(r'<label for="([^"]+)"', answer.text) == ids
    text = seen(answer)
    assert "to: str (required)" in text
    assert "n: int (required)" in text
    assert "kind: Literal['<b>', 'post']" in text
    assert '<option value="&#34;post&#34;" selected>post</option>' in answer.text
    assert "Its default is not shown; leave the field as it is to use it." in text
    assert "<script>" not in answer.text
    assert "\u202e" not in answer.text


@pytest.mark.parametrize("do", ["preview", ""])
async def test_a_preview_shows_the_request_and_stores_nothing(
    do: str, store: bgjobs.Store
) -> None:
    typed = {"to": "it's", "n": "3", "minutes_": "5", "priority_": "-2"}
    async with opened(store) as one:
        answer = await one.send(do, **typed, unique_="k", metadata_="a=b\r\n\r\nc=<d>")
        assert await one.jobs() == []
        assert await one.client.admin.audit() == []

    assert answer.status == 200
    python, command = (
        html.unescape(re.sub("<[^>]*>", "", found))
        for found in re.findall(r'<pre class="passage">(.*?)</pre>', answer.text, re.DOTALL)
    )
    assert python == (
        'send.request("it\'s", 3).available_in(minutes=5).priority(-2)'
        ".unique('k', on_conflict=\"raise\").with_metadata(a='b', c='<d>')"
    )
    assert shlex.split(command) == [
        *("bgjobs", "jobs", "enqueue", "--args", '["it\'s", 3]', "--in", "5m"),
        *("--priority", "-2", "--unique", "k", "--metadata", "a=b", "--metadata", "c=<d>"),
        "send",
    ]
    assert 'name="argument.n" value="3"' in answer.text
    assert "\nit&#39;s</textarea>" in answer.text


async def test_a_job_is_enqueued_with_its_author_and_shown(store: bgjobs.Store) -> None:
    async with opened(store) as one:
        preview = await one.send("preview", to="Ada", n="3", kind='"<b>"')
        again = {**hidden(preview), **of({"to": "Ada", "n": "3", "kind": '"<b>"'})}
        answer = await one.browser.post("/new", {**again, "do": "enqueue"})
        [job] = await one.jobs()
        [entry] = await one.client.admin.audit()
        shown = await one.browser.get(answer.location)

    assert (answer.status, answer.location) == (303, f"/jobs/{job.id}")
    assert json.loads(job.payload) == {"to": "Ada", "n": 3, "kind": "<b>"}
    assert (entry.author, entry.action, entry.subject, entry.changed) == (
        *("ada", "enqueue", "send", 1),
    )
    assert '<a href="/new?worker=send">new job with other arguments</a>' in shown.text


async def test_a_job_is_enqueued_with_its_options(store: bgjobs.Store) -> None:
    typed = {"at_": "2090-01-31 08:00", "priority_": "7", "unique_": "k", "metadata_": "t=7"}
    async with opened(store) as one:
        await one.send("enqueue", to="Ada", n="3", **typed)
        [job] = await one.jobs()

    assert job.state == "delayed"
    assert job.available_at.isoformat() == "2090-01-31T08:00:00+00:00"
    assert (job.priority, job.unique_key, job.metadata) == (7, "k", {"t": "7"})


async def test_wrong_values_are_explained_beside_their_fields_and_kept(
    store: bgjobs.Store,
) -> None:
    typed = {"to": HOSTILE, "n": "<x>", "minutes_": "1", "at_": "now", "priority_": "high"}
    async with opened(store) as one:
        answer = await one.send("enqueue", **typed, unique_="schedule:x", metadata_="odd")
        assert await one.jobs() == []

    problems = {
        "argument-2": "expected a whole number, found '<x>'",
        "minutes": "expected minutes or a time, found both",
        "priority": "expected a whole number of -32,767 to 32,767, found 'high'",
        "unique": "unique key: 'schedule:' begins the keys of scheduled jobs",
        "metadata": "expected KEY=VALUE, found 'odd'",
    }
    assert answer.status == 400
    assert "Nothing was enqueued." in seen(answer)
    for field, problem in problems.items():
        assert re.search(rf'id="{field}"[^>]* aria-invalid="true"', answer.text)
        [described] = re.findall(rf'id="{field}"[^>]* aria-describedby="([^"]*)"', answer.text)
        assert f"{field}-problem" in described.split()
        [found] = re.findall(rf'id="{field}-problem" role="alert">(.*)</p>', answer.text)
        assert problem in html.unescape(re.sub("<[^>]*>", "", found))
    assert (
        html.escape(HOSTILE, quote=True).replace("&quot;", "&#34;").replace("&#x27;", "&#39;")
        in answer.text
    )
    assert "<script>" not in answer.text


async def test_the_codec_of_the_library_checks_the_values(store: bgjobs.Store) -> None:
    typed = {"card": '{"holder": 1, "number": ["4111"]}', "amounts": "[1, null]"}
    async with opened(store) as one:
        answer = await one.send("enqueue", "pay", **typed)
        assert await one.jobs() == []

    assert answer.status == 400
    private = "card.number: expected str, found list whose parts are not shown (repr=False)"
    problems = re.findall(r'-problem" role="alert">(.*)</p>', answer.text)
    assert [html.unescape(re.sub("<[^>]*>", "", one)) for one in problems] == [
        f"card.holder: expected str, found int; {private}",
        "amounts[1]: expected int, found None",
    ]


async def test_private_fields_are_kept_in_the_form_and_masked_in_the_preview(
    store: bgjobs.Store,
) -> None:
    typed = {"card": '{"holder": "Ada", "number": "4111"}', "amounts": "[]"}
    async with opened(store) as one:
        answer = await one.send("preview", "pay", **typed)

    preview, _, form = answer.text.partition('<form method="post" action="/new"')
    assert "4111" not in preview
    assert preview.count("number=&lt;hidden&gt;") == 1
    assert preview.count("number&#34;: &lt;hidden&gt;") == 1
    assert form.count("4111") == 1


async def test_a_taken_unique_key_links_to_its_job(store: bgjobs.Store) -> None:
    async with opened(store) as one:
        first = await one.send("enqueue", to="Ada", n="3", unique_="k")
        second = await one.send("enqueue", to="Eva", n="4", unique_="k")
        jobs = await one.jobs()
        audit = await one.client.admin.audit()

    assert second.status == 409
    assert f'<a href="{first.location}">another job</a>' in second.text
    assert "\nEva</textarea>" in second.text
    assert len(jobs) == 1
    assert [entry.changed for entry in audit] == [0, 1]


async def test_workers_of_all_places_are_enqueued(store: bgjobs.Store) -> None:
    async with opened(store) as one:
        name = "%3Cscript%3Ealert%281%29%3C%2Fscript%3E%E2%80%AE%22%27"
        form = await one.browser.get(f"/new?worker={name}")
        assert "It takes none." in seen(form)
        assert "<script>" not in form.text
        answers = [
            await one.browser.post("/new", {**hidden(form), "do": "enqueue"}),
            await one.send("enqueue", "tick"),
            await one.send("enqueue", "pay", card='{"holder": "", "number": ""}', amounts="[]"),
        ]
        names = {job.name for job in await one.jobs()}

    assert [answer.status for answer in answers] == [303] * 3
    assert names == {HOSTILE, "tick", "pay"}


@pytest.mark.parametrize(
    ("user", "read_only"),
    [(web.User("grace", may_see_arguments=True), False), (ADA, True)],
    ids=["a reader", "read-only"],
)
async def test_users_who_may_not_act_get_no_form_and_no_link(
    user: web.User, read_only: bool, store: bgjobs.Store
) -> None:
    async with opened(store, user, read_only=read_only) as one:
        shown = [await one.browser.get(path) for path in ("/new", "/new?worker=send")]
        sent = await one.browser.post("/new", {"worker": "send", "do": "preview"})
        lists = [await one.browser.get(path) for path in ("/jobs", "/workers")]
        job = await one.client.enqueue(tick.request())
        page = await one.browser.get(f"/jobs/{job.id}")

    assert [answer.status for answer in (*shown, sent)] == [403] * 3
    assert [answer.status for answer in (*lists, page)] == [200] * 3
    assert ["/new" in answer.text for answer in (*lists, page)] == [False] * 3


async def test_the_lists_link_to_the_page(store: bgjobs.Store) -> None:
    async with opened(store) as one:
        for path in ("/jobs", "/workers"):
            assert '<a href="/new">New job</a>' in (await one.browser.get(path)).text


async def test_an_unknown_worker_and_a_form_that_was_sent_before_are_refused(
    store: bgjobs.Store,
) -> None:
    async with opened(store) as one:
        unknown = await one.browser.get("/new?worker=other")
        form = {**await one.form("tick"), "do": "enqueue"}
        answers = [await one.browser.post("/new", form) for _ in range(2)]
        jobs = await one.jobs()

    assert (unknown.status, "No such worker" in unknown.text) == (404, True)
    assert [answer.status for answer in answers] == [303, 409]
    assert len(jobs) == 1


async def test_a_form_may_have_as_many_bytes_as_a_request(store: bgjobs.Store) -> None:
    async with opened(store) as one:
        fits = await one.send("enqueue", to="x" * (LARGEST_BODY - 1_000), n="1")
        too_large = await one.send("enqueue", to="x" * LARGEST_BODY, n="1")
        [job] = await one.jobs()

    assert (fits.status, too_large.status) == (303, 413)
    assert len(cast("Any", json.loads(job.payload))["to"]) == LARGEST_BODY - 1_000


async def test_an_unavailable_store_is_a_page_in_plain_words(store: bgjobs.Store) -> None:
    wrapped: Any = FaultyStore(store)
    async with opened(wrapped, store_timeout=0.1) as one:
        wrapped.faults["write"] = [StoreUnavailableError("no answer")] * 50
        answer = await one.send("enqueue", "tick")

    assert (answer.status, "Database unavailable" in answer.text) == (503, True)

"""The pages: their frame, their texts, and the files that they need."""

import re

import pytest

import bgjobs
from bgjobs import web
from bgjobs.web.pages import PAGES
from tests.web.browser import Browser
from tests.web.clocks import JumpingClock
from tests.web.conftest import Open, greet

_COUNT = r'>(\w+)</a></dt><dd><span class="number">([^<]+)</span></dd>'

pytestmark = pytest.mark.anyio
HOSTILE = "<script>alert(1)</script>\u202e\"'"


async def test_the_overview_shows_counts_and_queues(config: bgjobs.Config) -> None:
    page = web.app(config, auth=lambda _: web.User("ada"))
    async with bgjobs.connect(config) as client, page.opened(client):
        await client.enqueue_many([greet.request("Ada"), greet.request("Ida")])
        await client.enqueue(greet.request("Eva").available_in(hours=1))
        answer = await Browser(page).get("/")

    counts = dict(re.findall(_COUNT, answer.text))
    assert counts == {
        "waiting": "2",
        "delayed": "1",
        "running": "0",
        "succeeded": "0",
        "failed": "0",
        "cancelled": "0",
        "unreadable": "0",
    }
    assert '<th scope="row"><bdi class="name">mail</bdi></th>' in answer.text
    assert "Ada" not in answer.text


async def test_every_name_is_escaped(config: bgjobs.Config, clock: JumpingClock) -> None:
    queue = bgjobs.Queue("a <b>queue</b>", workers=[greet])
    hostile = bgjobs.Config(store=config.store, queues=[queue], clock=clock)
    page = web.app(hostile, auth=lambda _: web.User(HOSTILE))
    async with page.opened():
        answer = await Browser(page).get("/")

    assert '<bdi class="name">a &lt;b&gt;queue&lt;/b&gt;</bdi>' in answer.text
    assert "<script>" not in answer.text
    assert "\u202e" not in answer.text
    assert "\\u202e" in answer.text


async def test_each_page_has_its_parts_and_can_be_read_without_the_script(opened: Open) -> None:
    async with opened() as browser:
        await browser.log_in()
        for page in PAGES:
            if not page.in_navigation:
                continue
            text = (await browser.get(page.path)).text
            assert '<html lang="en">' in text
            assert f"<title>{page.title} - bgjobs</title>" in text
            assert text.index('<a class="skip" href="#content">') < text.index("<nav")
            assert 'id="content"' in text
            assert text.count("<h1") == 1
            assert text.count('aria-current="page"') == 1
            for shown in re.findall(r"<time [^>]*>([^<]*)</time>", text):
                assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", shown)


@pytest.mark.parametrize("path", ["/", "/login", "/nowhere"])
async def test_all_addresses_are_below_the_mount(path: str, opened: Open) -> None:
    async with opened() as browser:
        browser.root_path = "/admin/jobs"
        if path == "/":
            assert (await browser.log_in()).location == "/admin/jobs/"
        text = (await browser.get(path)).text

    addresses = re.findall(r'(?:href|src|action)="([^"#][^"]*)"', text)
    assert len(addresses) >= 3
    assert [one for one in addresses if not one.startswith(("/admin/jobs/", "data:"))] == []


async def test_a_mount_without_its_slash_is_redirected(opened: Open) -> None:
    async with opened() as browser:
        browser.root_path = "/jobs"
        answer = await browser.get("")

    assert (answer.status, answer.location) == (303, "/jobs/")


@pytest.mark.parametrize(
    ("root_path", "location"),
    [
        ("//evil.example", "/evil.example/login?next=%2F"),
        ("/\\evil.example", "/%5Cevil.example/login?next=%2F"),
        ("/a\r\nX: y", "/a%0D%0AX%3A%20y/login?next=%2F"),
    ],
)
async def test_the_path_of_a_mount_leads_to_no_other_site(
    root_path: str, location: str, opened: Open
) -> None:
    async with opened() as browser:
        browser.root_path = root_path
        answer = await browser.get("/")

    assert (answer.status, answer.location) == (303, location)


async def test_read_only_takes_the_right_to_act(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[web.User] = []
    monkeypatch.setattr("bgjobs.web.site.PageRequest", lambda _, user, *rest: seen.append(user))
    for read_only in (False, True):
        async with opened(read_only=read_only) as browser:
            await browser.log_in()
            await browser.get("/")

    assert [user.may_act for user in seen] == [True, False]
    assert [user.may_see_arguments for user in seen] == [True, True]


@pytest.mark.parametrize(
    ("name", "kind"), [("style.css", "text/css"), ("page.js", "text/javascript")]
)
async def test_a_file_is_sent_once(name: str, kind: str, opened: Open) -> None:
    async with opened() as browser:
        first = await browser.get(f"/static/{name}")
        again = await browser.get(f"/static/{name}", if_none_match=first.headers["etag"])

    assert first.headers["content-type"] == f"{kind}; charset=utf-8"
    assert (first.status, again.status, again.text) == (200, 304, "")


@pytest.mark.parametrize(
    "path",
    [
        "/static/../pages/__init__.py",
        "/static/%2e%2e/pages/__init__.py",
        "/static/..%2fpages/__init__.py",
        "/static/..\\pages\\__init__.py",
        "/static//etc/passwd",
        "/static/style.css\0.js",
        "/static/./style.css",
        "/static/",
        "/static",
        "/static/STYLE.css",
        "/static/style.css/",
        "/static/....//style.css",
    ],
)
async def test_only_the_files_of_the_page_are_sent(path: str, opened: Open) -> None:
    """Path traversal; servers decode a path before they pass it on."""
    async with opened() as browser:
        answer = await browser.get(path)

    assert answer.status == 404
    assert "import" not in answer.text

"""Names and passwords: the form, the session, and what attackers try."""

import re
from threading import Event
from urllib.parse import urlencode

import anyio
import pytest

from bgjobs import web
from bgjobs.web.auth.attempts import ADDRESS_LIMIT, NAME_LIMIT
from bgjobs.web.auth.login_gate import AT_ONCE, MOST_WAITING, WRONG
from bgjobs.web.auth.sessions import LONGEST_PAUSE, LONGEST_SESSION, MOST_SESSIONS, WebSessions
from tests.web.browser import Browser
from tests.web.clocks import JumpingClock
from tests.web.conftest import Open

pytestmark = pytest.mark.anyio


async def test_a_user_logs_in_and_out(opened: Open) -> None:
    async with opened() as browser:
        asked = await browser.get("/")
        assert (asked.status, asked.location) == (303, "/login?next=%2F")
        assert (await browser.get(asked.location)).status == 200

        entered = await browser.log_in()
        assert (entered.status, entered.location) == (303, "/")
        assert '<bdi class="name">ada</bdi>' in (await browser.get("/")).text

        left = await browser.post("/logout", {})
        assert (left.status, left.location) == (303, "/")
        assert browser.cookies == {}
        assert (await browser.get("/")).status == 303


async def test_the_page_that_was_requested_follows_the_login(opened: Open) -> None:
    async with opened() as browser:
        asked = await browser.get("/?state=failed&x=%22")
        form = await browser.get(asked.location)
        [path] = re.findall(r'name="next" value="([^"]*)"', form.text)
        assert path == "/?state=failed&amp;x=%22"

        answer = await browser.post(
            "/login",
            {"name": "ada", "password": "correct horse", "next": "/?state=failed&x=%22"},
        )

    assert answer.location == "/?state=failed&x=%22"


@pytest.mark.parametrize(
    "path",
    [
        "https://evil.example/",
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "javascript:alert(1)",
        "/\r\nSet-Cookie: bgjobs=chosen",
        "/\nx",
        "evil.example",
        "",
        "/ü",
    ],
)
async def test_the_login_leads_to_no_other_site_and_sets_no_other_header(
    path: str, opened: Open
) -> None:
    """Open redirects, and header injection by the path."""
    async with opened() as browser:
        form = await browser.get(f"/login?{urlencode({'next': path})}")
        answer = await browser.post(
            "/login", {"name": "ada", "password": "correct horse", "next": path}
        )

    assert 'name="next" value="/"' in form.text
    assert (answer.status, answer.location) == (303, "/")
    assert len(answer.headers.getlist("set-cookie")) == 1


async def test_wrong_names_and_wrong_passwords_get_the_same_answer(opened: Open) -> None:
    """User enumeration by the text."""
    async with opened() as browser:
        answers = [
            await browser.log_in("ada", "wrong"),
            await browser.log_in("nothing", "wrong"),
            await browser.log_in("", ""),
            await browser.log_in("nothing", "correct horse"),
        ]

    assert {answer.status for answer in answers} == {401}
    assert len({answer.text for answer in answers}) == 1
    assert WRONG in answers[0].text
    assert browser.cookies == {}


async def test_a_login_takes_a_new_id_and_ignores_one_that_was_chosen(opened: Open) -> None:
    """Session fixation."""
    async with opened() as browser:
        browser.cookies["bgjobs"] = "chosen"
        assert (await browser.get("/")).status == 303
        await browser.log_in()
        first = browser.cookies["bgjobs"]
        assert first != "chosen"
        assert len(first) >= 43

        await browser.log_in()
        assert browser.cookies["bgjobs"] != first

        for old in ("chosen", first):
            assert (await Browser(browser.page, cookies={"bgjobs": old}).get("/")).status == 303


@pytest.mark.parametrize("pause", [LONGEST_PAUSE + 1, LONGEST_SESSION + 1])
async def test_a_session_ends_after_a_pause(
    pause: float, clock: JumpingClock, opened: Open
) -> None:
    async with opened() as browser:
        await browser.log_in()
        clock.added += pause
        assert (await browser.get("/")).status == 303


async def test_a_session_that_is_used_ends_by_its_age(
    clock: JumpingClock, opened: Open
) -> None:
    async with opened() as browser:
        await browser.log_in()
        statuses = list[int]()
        for _ in range(8):
            clock.added += LONGEST_PAUSE * 0.9
            statuses.append((await browser.get("/")).status)

    assert statuses == [200] * 6 + [303] * 2


async def test_a_logout_ends_the_session_in_the_server(opened: Open) -> None:
    async with opened() as browser:
        await browser.log_in()
        stolen = dict(browser.cookies)
        await browser.post("/logout", {})
        assert (await Browser(browser.page, cookies=stolen).get("/")).status == 303


async def test_a_logout_by_get_does_nothing(opened: Open) -> None:
    async with opened() as browser:
        await browser.log_in()
        answer = await browser.get("/logout")
        assert (answer.status, answer.headers["allow"]) == (405, "POST")
        assert (await browser.get("/")).status == 200


async def test_guessing_from_one_address_is_stopped(clock: JumpingClock, opened: Open) -> None:
    """Brute force."""
    async with opened() as browser:
        names = [f"user {number}" for number in range(ADDRESS_LIMIT.most)]
        for name in names:
            assert (await browser.log_in(name, "guess")).status == 401
        refused = await browser.log_in()
        assert refused.status == 429
        assert 0 < int(refused.headers["retry-after"]) <= ADDRESS_LIMIT.within
        assert browser.cookies == {}

        other = Browser(browser.page, address="198.51.100.7")
        assert (await other.log_in()).status == 303
        clock.added += ADDRESS_LIMIT.within
        assert (await browser.log_in()).status == 303


async def test_guessing_one_password_from_many_addresses_is_stopped(opened: Open) -> None:
    async with opened() as browser:
        for number in range(NAME_LIMIT.most):
            one = Browser(browser.page, address=f"198.51.100.{number}")
            assert (await one.log_in("ada", "guess")).status == 401
        refused = await browser.log_in("ada")
        other = await browser.log_in("grace")

    assert (refused.status, other.status) == (429, 303)


async def test_logins_that_would_wait_for_long_are_refused(
    opened: Open, basic: web.BasicAuth, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each comparison takes memory, so only some are made at the same time."""
    is_over, running, most = Event(), list[str](), list[int]()

    def find(name: str, password: str) -> None:
        running.append(name)
        most.append(len(running))
        is_over.wait(60)
        running.remove(name)

    monkeypatch.setattr(basic, "find", find)
    async with opened() as browser, anyio.create_task_group() as group:
        for number in range(AT_ONCE + MOST_WAITING):
            one = Browser(browser.page, address=f"198.51.100.{number}")
            group.start_soon(one.log_in, f"user {number}")
        await anyio.wait_all_tasks_blocked()
        refused = await browser.log_in()
        is_over.set()

    assert (refused.status, refused.headers["retry-after"]) == (429, "1")
    assert max(most) <= AT_ONCE


@pytest.mark.parametrize("value", ["", "chosen\r\nx: y", '"\x00"', "x" * 5_000, "\xff"])
async def test_a_hostile_cookie_is_no_session_and_is_not_sent_back(
    value: str, opened: Open
) -> None:
    async with opened() as browser:
        browser.cookies["bgjobs"] = value
        answer = await browser.get("/")
        left = await browser.post("/logout", {})

    assert answer.status == 303
    assert answer.headers.getlist("set-cookie") == []
    assert (left.status, browser.cookies) == (303, {})


async def test_right_passwords_do_not_count(opened: Open) -> None:
    async with opened() as browser:
        for _ in range(ADDRESS_LIMIT.most + 1):
            assert (await browser.log_in()).status == 303


@pytest.mark.parametrize(
    ("scheme", "host", "root_path", "name", "attributes"),
    [
        ("http", "localhost", "", "bgjobs", {"HttpOnly", "Path=/", "SameSite=lax"}),
        ("http", "localhost:8000", "", "bgjobs-8000", {"HttpOnly", "Path=/", "SameSite=lax"}),
        (
            "https",
            "localhost",
            "",
            "__Host-bgjobs",
            {"HttpOnly", "Path=/", "SameSite=lax", "Secure"},
        ),
        (
            "https",
            "localhost",
            "/jobs",
            "__Secure-bgjobs",
            {"HttpOnly", "Path=/jobs", "SameSite=lax", "Secure"},
        ),
    ],
)
async def test_the_cookie_is_out_of_reach_of_scripts_other_sites_and_other_paths(
    scheme: str, host: str, root_path: str, name: str, attributes: set[str], opened: Open
) -> None:
    async with opened() as browser:
        browser.scheme, browser.host, browser.root_path = scheme, host, root_path
        answer = await browser.log_in()

    [cookie] = answer.headers.getlist("set-cookie")
    pair, *found = cookie.split("; ")
    assert pair.partition("=")[0] == name
    assert set(found) == attributes


async def test_sessions_beyond_the_limit_replace_the_oldest() -> None:
    sessions = WebSessions()
    ids = [sessions.begin(web.User("ada"), 0.0) for _ in range(MOST_SESSIONS + 5)]

    assert len(sessions) == MOST_SESSIONS
    found = [sessions.find(one, 1.0) is not None for one in ids]
    assert found == [False] * 5 + [True] * MOST_SESSIONS

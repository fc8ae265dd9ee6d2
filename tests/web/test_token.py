"""The link that `bgjobs web` prints."""

import pytest

from bgjobs import web
from bgjobs.web.auth.token import TokenAuth
from tests.web.browser import Browser
from tests.web.conftest import Open

pytestmark = pytest.mark.anyio
AUTH = TokenAuth("secret-token", web.User("ada"))


async def test_the_token_is_exchanged_for_a_session(opened: Open) -> None:
    async with opened(auth=AUTH) as browser:
        answer = await browser.get("/?token=secret-token")
        page = await browser.get(answer.location)

    assert (answer.status, answer.location) == (303, "/")
    assert page.status == 200
    assert "secret-token" not in page.text


async def test_a_token_is_used_once(opened: Open) -> None:
    async with opened(auth=AUTH) as browser:
        await browser.get("/?token=secret-token")
        again = await Browser(browser.page).get("/?token=secret-token")
        reloaded = await browser.get("/?token=secret-token")

    assert again.status == 401
    assert again.headers.getlist("set-cookie") == []
    assert (reloaded.status, reloaded.location) == (303, "/")


@pytest.mark.parametrize("query", ["", "?token=", "?token=secret-toke", "?token=%C3%BC"])
async def test_without_the_token_no_page_is_shown(query: str, opened: Open) -> None:
    async with opened(auth=AUTH) as browser:
        answer = await browser.get(f"/{query}")

    assert answer.status == 401
    assert "Open the link that bgjobs web has printed." in answer.text


async def test_only_get_uses_the_token(opened: Open) -> None:
    async with opened(auth=AUTH) as browser:
        assert (await browser.send("HEAD", "/?token=secret-token")).status == 401
        assert (await browser.get("/?token=secret-token")).status == 303


async def test_the_session_can_be_ended(opened: Open) -> None:
    async with opened(auth=AUTH) as browser:
        await browser.get("/?token=secret-token")
        await browser.post("/logout", {})
        assert (await browser.get("/")).status == 401


def test_the_token_is_in_no_repr() -> None:
    assert "secret" not in repr(AUTH)

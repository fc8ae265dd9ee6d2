"""Users of the application that mounts the page, and applications that cannot be made."""

from typing import Any

import pytest
from starlette.requests import Request

import bgjobs
from bgjobs import web
from tests.web.conftest import Open

pytestmark = pytest.mark.anyio


def by_header(request: Request) -> web.User | None:
    name = request.headers.get("x-user")
    return web.User(name) if name else None


async def by_header_async(request: Request) -> web.User | None:
    return by_header(request)


@pytest.mark.parametrize("auth", [by_header, by_header_async])
async def test_a_function_of_the_request_finds_the_user(auth: Any, opened: Open) -> None:
    async with opened(auth=auth) as browser:
        known = await browser.get("/", x_user="ada")
        unknown = await browser.get("/")

    assert known.status == 200
    assert '<bdi class="name">ada</bdi>' in known.text
    assert "Log out" not in known.text
    assert unknown.status == 401
    assert "Log in to the application first" in unknown.text


async def test_the_page_has_no_login_of_its_own(opened: Open) -> None:
    async with opened(auth=by_header) as browser:
        statuses = [
            (await browser.get("/login")).status,
            (await browser.log_in()).status,
            (await browser.post("/logout", {})).status,
        ]

    assert statuses == [404, 404, 404]


async def test_a_user_who_may_not_read_sees_no_page(opened: Open) -> None:
    async with opened(auth=lambda _: web.User("ada", may_read=False)) as browser:
        answer = await browser.get("/")

    assert answer.status == 403
    assert "waiting" not in answer.text


@pytest.mark.parametrize("found", [True, "ada", 5, object()])
async def test_what_is_no_user_is_an_error_and_lets_no_one_in(
    found: object, opened: Open
) -> None:
    async with opened(auth=lambda _: found) as browser:
        answer = await browser.get("/")

    assert answer.status == 500
    assert "waiting" not in answer.text


@pytest.mark.parametrize(
    "found",
    [
        *("", "traces.example.org/{trace_id}", "javascript:alert('{trace_id}')"),
        *("https://traces.example.org/", "https://{trace_id}{trace_id}"),
        "https://traces .example.org/{trace_id}",
    ],
)
def test_the_address_of_a_trace_is_checked(found: str, config: bgjobs.Config) -> None:
    with pytest.raises(ValueError, match="trace_url") as caught:
        web.app(config, auth=by_header, trace_url=found)
    example = "'https://traces.example.org/trace/{trace_id}'"
    wanted = f"app: trace_url: expected an address such as {example}, found {found!r}"
    assert str(caught.value) == wanted


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (
            {},
            (
                "app: auth: expected web.BasicAuth({...}), or a function of the request that "
                "returns a web.User or None; the page is open to no one without it; found None"
            ),
        ),
        ({"auth": "ada"}, "app: auth: expected web.BasicAuth({...}), or a function"),
        ({"auth": web.BasicAuth}, "app: auth: expected web.BasicAuth({...}), or a function"),
        (
            {"auth": by_header, "read_only": 1},
            "app: read_only: expected True or False, found int",
        ),
        (
            {"auth": by_header, "allowed_hosts": None},
            "allowed_hosts: expected a collection of names, found None",
        ),
        (
            {"auth": by_header, "allowed_hosts": "a.example"},
            "allowed_hosts: expected a collection of names, found str",
        ),
        (
            {"auth": by_header, "trace_url": 7},
            "app: trace_url: expected str or None, found int",
        ),
    ],
)
def test_a_page_that_is_open_to_all_cannot_be_made(
    options: dict[str, Any], error: str, config: bgjobs.Config
) -> None:
    with pytest.raises(TypeError) as caught:
        web.app(config, **options)
    assert str(caught.value).startswith(error)

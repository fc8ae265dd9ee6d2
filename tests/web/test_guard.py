"""What every request has to pass, and the headers of every answer."""

from collections.abc import Iterator

import pytest

import bgjobs
from bgjobs import web
from bgjobs.web.guard.bodies import LARGEST_BODY
from bgjobs.web.guard.hosts import as_hosts, name_of
from bgjobs.web.guard.origins import is_own
from tests.web.browser import FORM
from tests.web.conftest import Open

pytestmark = pytest.mark.anyio

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


@pytest.mark.parametrize(
    ("method", "target", "host", "status"),
    [
        ("GET", "/", "localhost", 200),
        ("GET", "/nowhere", "localhost", 404),
        ("GET", "/static/style.css", "localhost", 200),
        ("GET", "/", "evil.example", 400),
        ("POST", "/", "localhost", 403),
        ("DELETE", "/", "localhost", 405),
    ],
)
async def test_every_answer_has_the_headers_against_clickjacking_and_scripts(
    method: str, target: str, host: str, status: int, opened: Open
) -> None:
    async with opened(auth=lambda _: web.User("ada")) as browser:
        answer = await browser.send(method, target, {"host": host})

    assert answer.status == status
    assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS
    assert not [name for name in answer.headers if name.startswith("access-control-")]


async def test_no_page_with_data_is_cached_and_no_page_has_inline_code(opened: Open) -> None:
    async with opened() as browser:
        pages = [await browser.get("/login")]
        await browser.log_in()
        pages += [await browser.get("/"), await browser.get("/nowhere")]

    assert {page.headers["cache-control"] for page in pages} == {"no-store"}
    for page in pages:
        assert "style=" not in page.text
        assert "<style" not in page.text
        assert page.text.count("<script") == page.text.count("<script src=") == 1
        assert "onclick" not in page.text


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil.example",
        "evil.example:8000",
        "localhost@evil.example",
        "localhost:8000:80",
        "localhost/",
        "localhost\r\nx: y",
        "",
        "127.0.0.2",
        "[::2]",
    ],
)
async def test_a_request_for_another_host_name_is_refused(host: str, opened: Open) -> None:
    """DNS rebinding: the name of a hostile site has the address of this server."""
    async with opened() as browser:
        answer = await browser.send("GET", "/", {"host": host})

    assert answer.status == 400
    assert "allowed_hosts=[" in answer.text
    assert "evil" not in answer.text


async def test_a_request_with_several_host_names_or_none_is_refused(opened: Open) -> None:
    async with opened() as browser:
        several = await browser.send("GET", "/", [("host", "localhost"), ("host", "a.example")])
        browser.host = ""
        none = await browser.send("GET", "/")

    assert (several.status, none.status) == (400, 400)


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:8000", "127.0.0.1", "[::1]:8000", "jobs.example.org:443"]
)
async def test_an_allowed_host_name_is_answered(host: str, opened: Open) -> None:
    async with opened(allowed_hosts=["Jobs.example.org"]) as browser:
        assert (await browser.send("GET", "/login", {"host": host})).status == 200


@pytest.mark.parametrize(
    ("names", "error"),
    [
        (
            ["*"],
            "expected host names without a port, such as jobs.example.org, found '*'",
        ),
        (["https://a.example"], "found 'https://a.example'"),
        (["a.example:80"], "found 'a.example:80'"),
        (["a.example\n"], "found 'a.example\\n'"),
    ],
)
def test_a_wrong_host_name_is_refused(names: list[str], error: str) -> None:
    with pytest.raises(ValueError) as caught:
        as_hosts(names)
    assert str(caught.value).endswith(error)


def test_a_host_name_is_read_without_its_port() -> None:
    assert name_of("Jobs.Example.org:8000") == "jobs.example.org"
    assert name_of("[::1]:8000") == "[::1]"
    assert name_of("jobs.example.org:port") is None


@pytest.mark.parametrize(
    ("origin", "site", "expected"),
    [
        (None, "same-origin", True),
        ("null", "same-origin", True),
        ("http://localhost:8000", None, True),
        ("https://localhost:8000", None, True),
        (None, None, False),
        ("null", None, False),
        ("http://localhost", None, False),
        ("http://localhost:8000.evil.example", None, False),
        ("http://evil.example", None, False),
        ("http://localhost:8000", "cross-site", False),
        ("http://localhost:8000", "same-site", False),
        ("http://localhost:8000", "none", False),
    ],
)
def test_only_a_form_of_the_same_origin_is_accepted(
    origin: str | None, site: str | None, expected: bool
) -> None:
    assert is_own("localhost:8000", origin, site) is expected


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "null"},
        {"origin": "https://evil.example"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site", "origin": "http://localhost"},
    ],
)
async def test_a_logout_that_another_site_sends_is_refused(
    headers: dict[str, str], opened: Open
) -> None:
    """Cross-site request forgery."""
    async with opened() as browser:
        await browser.log_in()
        answer = await browser.send("POST", "/logout", {"content-type": FORM, **headers})
        still_there = await browser.get("/")

    assert answer.status == 403
    assert "Nothing was changed." in " ".join(answer.text.split())
    assert still_there.status == 200


async def test_two_origins_are_refused(opened: Open) -> None:
    both = [("origin", "http://localhost"), ("origin", "https://evil.example")]
    async with opened() as browser:
        assert (await browser.send("POST", "/logout", both)).status == 403


@pytest.mark.parametrize(
    "method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "get"]
)
async def test_other_methods_are_refused(method: str, opened: Open) -> None:
    async with opened() as browser:
        answer = await browser.send(method, "/")

    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD, POST")


def megabytes(count: int, taken: list[int]) -> Iterator[bytes]:
    for number in range(count):
        taken.append(number)
        yield bytes(1_000_000)


@pytest.mark.parametrize("length", ["10000000", "65537", "9" * 5_000])
async def test_a_large_request_is_refused_before_it_is_read(length: str, opened: Open) -> None:
    taken: list[int] = []
    headers = {"sec-fetch-site": "same-origin", "content-type": FORM, "content-length": length}
    async with opened() as browser:
        answer = await browser.send("POST", "/login", headers, megabytes(10, taken))

    assert (answer.status, answer.headers["connection"]) == (413, "close")
    assert taken == []


async def test_a_large_request_without_a_length_is_refused_at_the_limit(opened: Open) -> None:
    taken: list[int] = []
    headers = {"sec-fetch-site": "same-origin", "content-type": FORM}
    async with opened() as browser:
        answer = await browser.send("POST", "/login", headers, megabytes(10, taken))

    assert answer.status == 413
    assert f"{LARGEST_BODY:,}" in answer.text
    assert taken == [0]


@pytest.mark.parametrize("length", ["-1", "ten", "1e3", "", " 5"])
async def test_a_length_that_is_no_number_is_refused(length: str, opened: Open) -> None:
    async with opened() as browser:
        answer = await browser.send("GET", "/login", {"content-length": length})

    assert answer.status == 400


async def test_two_lengths_are_refused(opened: Open) -> None:
    async with opened() as browser:
        twice = [("content-length", "5"), ("content-length", "6")]
        assert (await browser.send("GET", "/login", twice)).status == 400


async def test_the_answer_to_head_has_no_body(opened: Open) -> None:
    async with opened(auth=lambda _: web.User("ada")) as browser:
        answer = await browser.send("HEAD", "/")

    assert (answer.status, answer.text) == (200, "")


async def test_a_web_socket_is_closed(config: bgjobs.Config) -> None:
    page = web.app(config, auth=lambda _: web.User("ada"))
    sent: list[object] = []

    async def receive() -> dict[str, object]:
        raise AssertionError("nothing is received")

    async def send(message: object) -> None:
        sent.append(message)

    await page({"type": "websocket"}, receive, send)

    assert sent == [{"type": "websocket.close", "code": 1008}]


async def test_a_form_of_another_type_is_refused(opened: Open) -> None:
    headers = {"sec-fetch-site": "same-origin", "content-type": "application/json"}
    async with opened() as browser:
        answer = await browser.send("POST", "/login", headers, [b'{"name": "ada"}'])

    assert answer.status == 415

"""Requests to the web page in this process, without a server and a network."""

from collections.abc import Sequence
from time import perf_counter
from typing import Any, final
from urllib.parse import urlencode

from attrs import frozen

from bgjobs import web


@final
@frozen
class Answer:
    """What the page answered, and after how many milliseconds its last byte was sent."""

    milliseconds: float
    text: str
    location: str
    """Where the browser is sent; empty if nowhere."""


async def call(
    page: web.WebApp, address: str, form: Sequence[tuple[str, str]] | None = None
) -> Answer:
    """Request an address, or send a form there; an answer that is an error is raised."""
    path, _, query = address.partition("?")
    headers = [(b"host", b"localhost"), (b"sec-fetch-site", b"same-origin")]
    headers.append((b"content-type", b"application/x-www-form-urlencoded"))
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "GET" if form is None else "POST",
        "scheme": "http",
        "path": path,
        "root_path": "",
        "query_string": query.encode(),
        "headers": headers,
        "client": ("127.0.0.1", 50_000),
        "server": ("localhost", 8_000),
    }
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": urlencode(form or ()).encode()}

    async def send(message: Any) -> None:
        sent.append(message)

    started = perf_counter()
    await page(scope, receive, send)
    taken = perf_counter() - started
    start, *parts = sent
    if start["status"] not in (200, 303):
        raise AssertionError(f"{address}: expected a page, found status {start['status']}")
    location = dict(start["headers"]).get(b"location", b"").decode()
    return Answer(taken * 1e3, b"".join(one["body"] for one in parts).decode(), location)

"""A browser that calls an ASGI application, and can send what no real browser would."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import anyio
from attrs import define, field, frozen
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message

FORM = "application/x-www-form-urlencoded"


@frozen
class Answer:
    status: int
    headers: Headers
    text: str

    @property
    def location(self) -> str:
        return self.headers["location"]


@define
class Browser:
    """Sends requests with the cookies that it has received; it follows no redirection."""

    page: ASGIApp
    host: str = "localhost"
    scheme: str = "http"
    root_path: str = ""
    address: str | None = "192.0.2.1"
    cookies: dict[str, str] = field(factory=dict[str, str])

    async def get(self, target: str, **headers: str) -> Answer:
        return await self.send("GET", target, headers)

    async def post(self, target: str, form: Mapping[str, Any], **headers: str) -> Answer:
        """Send a form, as a page of the same origin does."""
        sent = {"sec-fetch-site": "same-origin", "content-type": FORM, **headers}
        return await self.send("POST", target, sent, [urlencode(form, doseq=True).encode()])

    async def log_in(self, name: str = "ada", password: str = "correct horse") -> Answer:
        return await self.post("/login", {"name": name, "password": password, "next": "/"})

    async def send(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str] | Sequence[tuple[str, str]] = (),
        chunks: Iterable[bytes] = (),
    ) -> Answer:
        pairs = list(headers.items() if isinstance(headers, Mapping) else headers)
        pairs = [(name.replace("_", "-"), value) for name, value in pairs]
        if not any(name == "host" for name, _ in pairs):
            pairs.append(("host", self.host))
        if self.cookies:
            pairs.append(("cookie", "; ".join(f"{k}={v}" for k, v in self.cookies.items())))
        answer = await _call(self.page, self._scope(method, target, pairs), chunks)
        self._keep_cookies(answer.headers.getlist("set-cookie"))
        return answer

    def _scope(
        self, method: str, target: str, headers: Sequence[tuple[str, str]]
    ) -> dict[str, Any]:
        path, _, query = target.partition("?")
        return {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "scheme": self.scheme,
            "path": self.root_path + path,
            "root_path": self.root_path,
            "query_string": query.encode("latin-1"),
            "headers": [(k.encode("latin-1"), v.encode("latin-1")) for k, v in headers],
            "client": None if self.address is None else (self.address, 50_000),
            "server": ("localhost", 8000),
        }

    def _keep_cookies(self, sent: Iterable[str]) -> None:
        for one in sent:
            pair, *attributes = one.split("; ")
            name, _, value = pair.partition("=")
            if "Max-Age=0" in attributes:
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = value


async def _call(page: ASGIApp, scope: dict[str, Any], chunks: Iterable[bytes]) -> Answer:
    sent: list[Message] = []
    body = iter(chunks)
    is_read = False

    async def receive() -> Message:
        nonlocal is_read
        if is_read:
            await anyio.sleep_forever()
        chunk = next(body, None)
        is_read = chunk is None
        return {"type": "http.request", "body": chunk or b"", "more_body": not is_read}

    async def send(message: Message) -> None:
        sent.append(message)

    await page(scope, receive, send)
    start, *parts = sent
    for name, value in start["headers"]:  # as servers check them
        assert b"\r" not in name + value
        assert b"\n" not in name + value
    content = b"".join(part["body"] for part in parts)
    return Answer(start["status"], Headers(raw=start["headers"]), content.decode())

"""`Guard`: the ASGI middleware around all pages."""

from collections.abc import Callable, Collection, Iterable
from typing import final

from attrs import frozen
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from bgjobs.web.guard.bodies import limited, refusal_of_length
from bgjobs.web.guard.headers import with_security_headers
from bgjobs.web.guard.hosts import WRONG_HOST, name_of
from bgjobs.web.guard.origins import FOREIGN, is_own
from bgjobs.web.refusals import Refusal

_METHODS = ("GET", "HEAD", "POST")


def wrong_method(allowed: Iterable[str]) -> Refusal:
    """Return the answer to a request of another method than these."""
    text = "This address does not answer to such a request."
    return Refusal(405, "Method not allowed", text, {"Allow": ", ".join(sorted(allowed))})


@final
@frozen
class Guard:
    """Refuses what no page may receive, and adds the security headers to every answer."""

    pages: ASGIApp
    allowed_hosts: Collection[str]
    refuse: Callable[[Scope, Refusal], Response]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        method = scope["method"]
        send = with_security_headers(send, method)
        refusal = refusal_of(method, Headers(scope=scope), self.allowed_hosts)
        if refusal is None:
            await self.pages(scope, limited(receive), send)
        else:
            await self.refuse(scope, refusal)(scope, receive, send)


def refusal_of(method: str, headers: Headers, allowed_hosts: Collection[str]) -> Refusal | None:
    """Return why a request is refused, or None if it may pass."""
    hosts = headers.getlist("host")
    if len(hosts) != 1 or name_of(hosts[0]) not in allowed_hosts:
        return WRONG_HOST
    if method not in _METHODS:
        return wrong_method(_METHODS)
    if method == "POST" and not _is_own(hosts[0], headers):
        return FOREIGN
    return refusal_of_length(headers.getlist("content-length"))


def _is_own(host: str, headers: Headers) -> bool:
    origins, sites = headers.getlist("origin"), headers.getlist("sec-fetch-site")
    if len(origins) > 1 or len(sites) > 1:
        return False
    return is_own(host, next(iter(origins), None), next(iter(sites), None))

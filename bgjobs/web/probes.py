"""`health`: what an orchestrator asks a process, as an ASGI application."""

from typing import final

from attrs import frozen
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from bgjobs import BgJobs
from bgjobs._core.arguments import check_type
from bgjobs.web.guard.guard import wrong_method
from bgjobs.web.guard.headers import with_security_headers
from bgjobs.web.lifespan import refuse_socket, serve_lifespan
from bgjobs.web.links import path_below
from bgjobs.web.refusals import NOT_FOUND, Refusal

_METHODS = ("GET", "HEAD")


def health(bg: BgJobs) -> ASGIApp:
    """Return an ASGI application that tells an orchestrator how a running application is.

    ``/live`` answers with status 200 as long as the event loop answers. ``/ready`` answers with
    200 if `BgJobs.health` has no problem, otherwise with 503 and the problems. Anyone may ask:
    the answers contain no names and no data. The store is not asked.

    Args:
        bg: The application of `bgjobs.run`.

    Raises:
        TypeError: `bg` has another type.
    """
    check_type("health: bg", bg, BgJobs)
    return _Probes(bg)


@final
@frozen
class _Probes:
    """Answers the requests of an orchestrator."""

    bg: BgJobs

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or confirm the lifespan of a server."""
        if scope["type"] == "http":
            send = with_security_headers(send, scope["method"])
            await self._answer(Request(scope))(scope, receive, send)
        elif scope["type"] == "lifespan":
            await serve_lifespan(receive, send, None)
        else:
            await refuse_socket(send)

    def _answer(self, request: Request) -> Response:
        path = path_below(request.scope)
        if path not in ("/live", "/ready"):
            return _refused(NOT_FOUND)
        if request.method not in _METHODS:
            return _refused(wrong_method(_METHODS))
        problems = self.bg.health.problems if path == "/ready" else ()
        if problems:
            return PlainTextResponse("".join(f"{one}\n" for one in problems), 503)
        return PlainTextResponse("ok\n")


def _refused(refusal: Refusal) -> Response:
    return PlainTextResponse(f"{refusal.text}\n", refusal.status, refusal.headers)

"""The cookie with the id of a session."""

from typing import Literal

from starlette.requests import Request
from starlette.responses import Response

from bgjobs.web.guard.hosts import port_of
from bgjobs.web.links import base_of


def cookie_name(*, is_secure: bool, path: str, port: str) -> str:
    """Return the name of the cookie.

    Browsers accept its prefix only from https, and ``__Host-`` only for the path ``/``; another
    program on the same host cannot set such a cookie over http. A cookie is sent to each port
    of a host, so two pages on one host would share it without the port in its name.
    """
    name = f"bgjobs-{port}" if port else "bgjobs"
    if not is_secure:
        return name
    return f"__Host-{name}" if path == "/" else f"__Secure-{name}"


def session_id_of(request: Request) -> str:
    """Return the id of the session that a request names; empty if it names none."""
    return request.cookies.get(_name(request), "")


def set_session_id(request: Request, response: Response, session_id: str) -> None:
    """Send the id of a new session."""
    _set(request, response, session_id, max_age=None)


def delete_session_id(request: Request, response: Response) -> None:
    """Delete the cookie in the browser."""
    _set(request, response, "", max_age=0)


def _set(request: Request, response: Response, value: str, *, max_age: int | None) -> None:
    same_site: Literal["lax"] = "lax"  # strict would ask who follows a link to log in again
    response.set_cookie(
        _name(request),
        value,
        max_age=max_age,
        path=_path(request),
        secure=_is_secure(request),
        httponly=True,
        samesite=same_site,
    )


def _name(request: Request) -> str:
    port = port_of(request.headers["host"])
    return cookie_name(is_secure=_is_secure(request), path=_path(request), port=port)


def _path(request: Request) -> str:
    return base_of(request.scope) or "/"


def _is_secure(request: Request) -> bool:
    scheme: str = request.scope["scheme"]
    return scheme == "https"

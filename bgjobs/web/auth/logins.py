"""The sessions of users who log in here, and the form that ends one."""

from collections.abc import Callable
from typing import final

from attrs import field, frozen
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from bgjobs.web.auth.cookies import delete_session_id, session_id_of, set_session_id
from bgjobs.web.auth.sessions import WebSessions
from bgjobs.web.auth.users import User
from bgjobs.web.links import base_of

SEE_OTHER = 303
"""The status of a redirection that a browser follows with GET."""


@final
@frozen(eq=False)
class Logins:
    """Begins, finds and ends the session of a request."""

    clock: Callable[[], float]
    _sessions: WebSessions = field(factory=WebSessions, init=False)

    def user_of(self, request: Request) -> User | None:
        """Return the user of the session of a request; None without one."""
        return self._sessions.find(session_id_of(request), self.clock())

    def begin(self, request: Request, user: User, path: str) -> Response:
        """Begin a session under a new id, and send the browser to a path."""
        self._sessions.end(session_id_of(request))
        response = redirect(request, path)
        set_session_id(request, response, self._sessions.begin(user, self.clock()))
        return response

    async def log_out(self, request: Request) -> Response:
        """End the session of a request."""
        self._sessions.end(session_id_of(request))
        response = redirect(request, "/")
        delete_session_id(request, response)
        return response


def redirect(request: Request, path: str) -> Response:
    """Send the browser to a path of this application."""
    return RedirectResponse(f"{base_of(request.scope)}{path}", status_code=SEE_OTHER)

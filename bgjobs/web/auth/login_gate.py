"""The gate of `BasicAuth`: a form for a name and a password."""

from collections.abc import Callable, Mapping, Sequence
from math import ceil
from typing import Any, final

from anyio import CapacityLimiter, to_thread
from starlette.requests import Request
from starlette.responses import Response

from bgjobs.web.auth.attempts import ADDRESS_LIMIT, NAME_LIMIT, LoginAttempts, address_key
from bgjobs.web.auth.basic import BasicAuth
from bgjobs.web.auth.gate import Endpoint
from bgjobs.web.auth.logins import Logins, redirect
from bgjobs.web.auth.users import User
from bgjobs.web.forms import form_of
from bgjobs.web.links import own_path, requested, with_query
from bgjobs.web.refusals import Refusal, RefusedError

AT_ONCE, MOST_WAITING = 2, 20
"""Passwords that are compared at the same time, each with 32 MiB, and that wait for it."""
WRONG = "The name or the password is wrong."
_NO_SESSION = Refusal(401, "Not logged in", "Your session has ended. Log in again.")


@final
class LoginGate:
    """Asks for a name and a password, once for each session."""

    can_log_out = True

    def __init__(
        self, auth: BasicAuth, logins: Logins, render: Callable[..., Response]
    ) -> None:
        self._auth = auth
        self._logins = logins
        self._render = render
        self._addresses = LoginAttempts(ADDRESS_LIMIT)
        self._names = LoginAttempts(NAME_LIMIT)
        self._comparing = CapacityLimiter(AT_ONCE)
        self.endpoints: Sequence[Endpoint] = (
            Endpoint("/login", self.show_form, ("GET",)),
            Endpoint("/login", self.log_in, ("POST",)),
            Endpoint("/logout", logins.log_out, ("POST",)),
        )

    async def admit(self, request: Request) -> User | Response | Refusal:
        """Return the user of the session, or send the browser to the form."""
        user = self._logins.user_of(request)
        if user is not None:
            return user
        if request.method == "POST":
            return _NO_SESSION
        return redirect(request, with_query("/login", next=requested(request.scope)))

    async def show_form(self, request: Request) -> Response:
        """Show the form."""
        return self._form(request, own_path(request.query_params.get("next", "/")))

    async def log_in(self, request: Request) -> Response:
        """Compare the password, and begin a session if it is right."""
        form = await form_of(request)
        path, name = own_path(form.get("next", "/")), form.get("name", "")
        user = await self._find(_address(request), name, form.get("password", ""))
        if user is None:
            return self._form(request, path, problem=WRONG, status=401)
        return self._logins.begin(request, user, path)

    async def _find(self, address: str, name: str, password: str) -> User | None:
        now = self._logins.clock()
        wait = max(self._addresses.wait(address, now), self._names.wait(name, now))
        if self._comparing.statistics().tasks_waiting >= MOST_WAITING:
            wait = max(wait, 1.0)
        if wait > 0:
            raise RefusedError(too_many(wait))
        self._addresses.add(address, now)
        self._names.add(name, now)
        user = await to_thread.run_sync(
            self._auth.find, name, password, limiter=self._comparing
        )
        if user is not None:
            self._addresses.remove(address, now)
            self._names.remove(name, now)
        return user

    def _form(
        self, request: Request, path: str, *, problem: str = "", status: int = 200
    ) -> Response:
        values: Mapping[str, Any] = {"next": path, "problem": problem}
        return self._render(request.scope, "login.html", values, status=status)


def too_many(wait: float) -> Refusal:
    """Return the answer to a login that may be tried after this many seconds."""
    seconds = max(1, ceil(wait))
    text = f"Too many logins have failed. Try again in {seconds} s."
    return Refusal(429, "Too many logins", text, {"Retry-After": str(seconds)})


def _address(request: Request) -> str:
    return "" if request.client is None else address_key(request.client.host)

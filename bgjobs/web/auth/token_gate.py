"""The gate of `bgjobs web`: a link that can be used once."""

from collections.abc import Sequence
from hmac import compare_digest
from typing import final

from starlette.requests import Request
from starlette.responses import Response

from bgjobs.web.auth.gate import Endpoint
from bgjobs.web.auth.logins import Logins, redirect
from bgjobs.web.auth.token import TokenAuth
from bgjobs.web.auth.users import User
from bgjobs.web.links import requested_path
from bgjobs.web.refusals import Refusal

USED = Refusal(
    401,
    "Not logged in",
    "Open the link that bgjobs web has printed. It can be used once; for another one, start "
    "bgjobs web again.",
)


@final
class TokenGate:
    """Exchanges the token for a session, and removes it from the address."""

    can_log_out = True

    def __init__(self, auth: TokenAuth, logins: Logins) -> None:
        self._auth = auth
        self._logins = logins
        self._is_used = False
        self.endpoints: Sequence[Endpoint] = (Endpoint("/logout", logins.log_out, ("POST",)),)

    async def admit(self, request: Request) -> User | Response | Refusal:
        """Return the user of the session, or begin one with the token."""
        token = request.query_params.get("token")
        if token is None or request.method != "GET":
            return self._logins.user_of(request) or USED
        path = requested_path(request.scope)
        if not self._is_used and compare_digest(token.encode(), self._auth.token.encode()):
            self._is_used = True
            return self._logins.begin(request, self._auth.user, path)
        return redirect(request, path) if self._logins.user_of(request) else USED

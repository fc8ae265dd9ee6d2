"""The gate of an application that knows its users by a session of its own."""

from collections.abc import Awaitable, Callable, Sequence
from inspect import isawaitable
from typing import TypeAlias, final

from attrs import field, frozen
from starlette.requests import Request

from bgjobs._core.arguments import check_type
from bgjobs.web.auth.gate import Endpoint
from bgjobs.web.auth.users import User
from bgjobs.web.refusals import Refusal

FindUser: TypeAlias = Callable[[Request], User | Awaitable[User | None] | None]
"""A plain or async function that returns the user of a request, or None for no user."""

UNKNOWN = Refusal(
    401, "Not logged in", "Log in to the application first, and then open this page again."
)


@final
@frozen(eq=False)
class OwnGate:
    """Asks a function of the application who a request comes from."""

    find_user: FindUser
    can_log_out: bool = field(default=False, init=False)
    endpoints: Sequence[Endpoint] = field(default=(), init=False)

    async def admit(self, request: Request) -> User | Refusal:
        """Return the user that the function returns."""
        found = self.find_user(request)
        user = await found if isawaitable(found) else found
        if user is None:
            return UNKNOWN
        check_type("auth: result", user, User, "a User or None")
        return user

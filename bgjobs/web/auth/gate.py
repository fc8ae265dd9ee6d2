"""`Gate`: decides who a request comes from."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeAlias

from attrs import frozen
from starlette.requests import Request
from starlette.responses import Response

from bgjobs.web.auth.users import User
from bgjobs.web.refusals import Refusal

Handler: TypeAlias = Callable[[Request], Awaitable[Response]]


@frozen
class Endpoint:
    """A path below the application, and the function that answers its requests."""

    path: str
    handler: Handler
    methods: Sequence[str] = ("GET",)


class Gate(Protocol):
    """What stands before the pages."""

    @property
    def can_log_out(self) -> bool:
        """Whether the pages show a button that sends a form to ``/logout``."""
        ...

    @property
    def endpoints(self) -> Sequence[Endpoint]:
        """The pages of the gate itself."""
        ...

    async def admit(self, request: Request) -> User | Response | Refusal:
        """Return the user of a request, or the answer to one of an unknown user."""
        ...

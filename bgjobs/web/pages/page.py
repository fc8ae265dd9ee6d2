"""`WebPage`: what the shell has to know of a page, and `PageRequest`: what a page gets."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias, final

from attrs import frozen
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from bgjobs import Client, Config
from bgjobs.web.auth.users import User
from bgjobs.web.links import Links
from bgjobs.web.shared import SharedReads
from bgjobs.web.systems import OpenSystem


@final
@frozen(eq=False)
class PageRequest:
    """A request for a page, of a user who may read."""

    request: Request
    user: User
    system: OpenSystem
    links: Links
    trace_url: str | None = None
    """The address of a trace, with ``{trace_id}``."""
    form: QueryParams | None = None
    """The fields of a form that was sent, of a user who may act."""

    @property
    def fields(self) -> QueryParams:
        """What was asked for: the form that was sent, otherwise the query of the address."""
        return self.request.query_params if self.form is None else self.form

    @property
    def client(self) -> Client:
        """The client of the system, or its running application."""
        return self.system.client

    @property
    def config(self) -> Config:
        """The configuration of the system."""
        return self.system.system.config

    @property
    def shared(self) -> SharedReads:
        """What requests for pages of this system have read lately."""
        return self.system.shared


Act: TypeAlias = Callable[[PageRequest], Awaitable[str | Response | Mapping[str, Any]]]
"""Carries out a form that was sent.

It returns the address where the browser goes, or another answer; or, if the form is wrong, the
values with which the page is shown again.
"""


@final
@frozen
class WebPage:
    """A page of each system."""

    path: str
    """Its path below that of the system, as for a route of Starlette: ``/jobs/{id:uuid}``."""
    title: str
    template: str
    """The name of a file in ``templates/``, which extends ``base.html``."""
    load: Callable[[PageRequest], Awaitable[Mapping[str, Any]]]
    """Returns the values that the template shows, of any types.

    A value `title` replaces the title of the page, and `status` the status 200.
    """
    in_navigation: bool = True
    live: str | None = None
    """The template of the part that is sent again when it has changed."""
    act: Act | None = None
    """What a form of the page does, for users who may act. The form has a field `token`."""

    @property
    def live_path(self) -> str:
        """The path at which a browser listens for changes of the live part."""
        return f"{self.path.rstrip('/')}/live"

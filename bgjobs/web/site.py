"""`Site`: the pages of an application that is open."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, final

from attrs import evolve, frozen
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Match, Route

from bgjobs.errors import BgJobsError
from bgjobs.web.actions.tokens import FormTokens
from bgjobs.web.auth.gate import Endpoint, Gate
from bgjobs.web.auth.logins import SEE_OTHER, redirect
from bgjobs.web.auth.users import User
from bgjobs.web.forms import form_of
from bgjobs.web.guard.guard import wrong_method
from bgjobs.web.html import Frame, Link, Renderer
from bgjobs.web.links import Links, base_of, live_address, path_below
from bgjobs.web.live import INTERVAL, events
from bgjobs.web.pages import PAGES
from bgjobs.web.pages.page import Act, PageRequest, WebPage
from bgjobs.web.refusals import NOT_ACTING, NOT_FOUND, NOT_READABLE, Refusal, RefusedError
from bgjobs.web.systems import OpenSystem


@final
@frozen(eq=False)
class Site:
    """Answers the requests for pages."""

    systems: Sequence[OpenSystem]
    gate: Gate
    renderer: Renderer
    tokens: FormTokens
    read_only: bool
    trace_url: str | None = None

    def routes(self) -> Sequence[Route]:
        """Return the routes of all pages, also of those of the gate."""
        return [
            Route(one.path, one.handler, methods=list(one.methods)) for one in self._endpoints()
        ]

    def _endpoints(self) -> Iterator[Endpoint]:
        yield from self.gate.endpoints
        if len(self.systems) > 1 or self.systems[0].system.name:
            yield Endpoint("/", self.show_systems)
        for one in self.systems:
            for page in PAGES:
                handler = partial(self.show, one, page)
                yield Endpoint(f"{one.system.prefix}{page.path}", handler)
                if page.act is not None:
                    act = partial(self.act, one, page, page.act)
                    yield Endpoint(f"{one.system.prefix}{page.path}", act, ("POST",))
                if page.live is not None:
                    follow = partial(self.follow, one, page, page.live)
                    yield Endpoint(f"{one.system.prefix}{page.live_path}", follow)

    async def show_systems(self, request: Request) -> Response:
        """Show the list of the systems."""
        user = await self._admit(request)
        if isinstance(user, Response):
            return user
        frame = self._frame(request, user)
        return self.renderer.page(request.scope, "systems.html", {}, frame=frame)

    async def show(self, one: OpenSystem, page: WebPage, request: Request) -> Response:
        """Show a page of a system."""
        user = await self._admit(request)
        if isinstance(user, Response):
            return user
        asked = self._asked(one, user, request)
        return self._rendered(page, asked, await page.load(asked))

    async def act(self, one: OpenSystem, page: WebPage, act: Act, request: Request) -> Response:
        """Carry out a form that was sent, by a user who may act, and once.

        Raises:
            RefusedError: The user may not act; or the form was sent before, or was made for
                another user, too long ago, or not here. Nothing is changed.
        """
        user = await self._admit(request)
        if isinstance(user, Response):
            return user
        if not user.may_act:
            raise RefusedError(NOT_ACTING)
        form = await form_of(request)
        self.tokens.accept(form.get("token", ""), user)
        asked = self._asked(one, user, request, form)
        found = await act(asked)
        if isinstance(found, str):
            return RedirectResponse(found, status_code=SEE_OTHER)
        return found if isinstance(found, Response) else self._rendered(page, asked, found)

    def _rendered(
        self, page: WebPage, asked: PageRequest, found: Mapping[str, Any]
    ) -> Response:
        scope, user = asked.request.scope, asked.user
        values: Mapping[str, Any] = {
            "title": page.title,
            "live": live_address(scope),
            "user": user,
            "token": self.tokens.issue(user) if user.may_act and page.act else None,
            **found,
        }
        return self.renderer.page(
            scope,
            page.template,
            values,
            links=asked.links,
            frame=self._frame(asked.request, user, asked.system, page),
            status=values.get("status", 200),
        )

    async def follow(
        self, one: OpenSystem, page: WebPage, template: str, request: Request
    ) -> Response:
        """Send the live part of a page, and again whenever it has changed.

        Raises:
            RefusedError: The user may not read, or there is nothing to show; browsers do not
                ask again then.
        """
        user = await self._reader(request)
        asked = self._asked(one, user, request)
        rights = (user.may_act, user.may_see_arguments)
        key = ("live", asked.links, request.scope["path"], request.url.query, rights)

        async def render() -> str:
            values = {"user": user, **await page.load(asked)}
            return self.renderer.part(template, values, asked.links)

        async def check() -> None:
            if await self._reader(request) != user:
                raise RefusedError(NOT_READABLE)  # the browser asks again, with the new rights

        read = partial(one.shared.get, key, render, INTERVAL)
        with suppress(BgJobsError):  # the stream ends at once, and the browser opens another
            await read()
        return StreamingResponse(events(read, check), media_type="text/event-stream")

    async def _reader(self, request: Request) -> User:
        """Return the user of a request for a stream, which cannot show the form of a login."""
        user = await self._admit(request)
        if isinstance(user, Response):
            raise RefusedError(NOT_READABLE)
        return user

    async def _admit(self, request: Request) -> User | Response:
        """Return the user of a request, who may read, or where the gate sends the browser.

        Raises:
            RefusedError: The user may not read, or is unknown.
        """
        admitted = await self.gate.admit(request)
        if isinstance(admitted, Response):
            return admitted
        if isinstance(admitted, Refusal):
            raise RefusedError(admitted)
        if not admitted.may_read:
            raise RefusedError(NOT_READABLE)
        return evolve(admitted, may_act=admitted.may_act and not self.read_only)

    def _asked(
        self, one: OpenSystem, user: User, request: Request, form: QueryParams | None = None
    ) -> PageRequest:
        links = Links(base_of(request.scope), one.system.prefix)
        return PageRequest(request, user, one, links, self.trace_url, form)

    def _frame(
        self,
        request: Request,
        user: User,
        current: OpenSystem | None = None,
        shown: WebPage | None = None,
    ) -> Frame:
        base = base_of(request.scope)
        systems = [
            Link(one.system.name, Links(base, one.system.prefix).page("/"), one is current)
            for one in self.systems
            if one.system.name
        ]
        pages = [
            Link(page.title, Links(base, current.system.prefix).page(page.path), page is shown)
            for page in PAGES
            if current is not None and page.in_navigation
        ]
        return Frame(user, self.gate.can_log_out, pages, systems)


async def answer(routes: Sequence[Route], request: Request) -> Response:
    """Return the answer of the route of a request; raise `RefusedError` if there is none."""
    if not path_below(request.scope):
        return redirect(request, "/")
    methods = set[str]()
    for route in routes:
        match, found = route.matches(request.scope)
        methods |= set() if match is Match.NONE else route.methods or set()
        if match is Match.FULL:
            request.scope.update(found)
            response: Response = await route.endpoint(request)
            return response
    raise RefusedError(wrong_method(methods) if methods else NOT_FOUND)

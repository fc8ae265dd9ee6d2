"""`app` and `WebApp`: the page as an ASGI application."""

from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from inspect import isasyncgenfunction, isgeneratorfunction
from typing import TypeAlias, final

from anyio.abc import TaskGroup
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from bgjobs import Client, Config, connect
from bgjobs._core.arguments import check_flag
from bgjobs.web.actions.runs import Runs, nursery_of_runs
from bgjobs.web.actions.tokens import FormTokens
from bgjobs.web.assets import read_assets
from bgjobs.web.auth.basic import BasicAuth
from bgjobs.web.auth.gate import Gate
from bgjobs.web.auth.login_gate import LoginGate
from bgjobs.web.auth.logins import Logins
from bgjobs.web.auth.own import FindUser, OwnGate
from bgjobs.web.auth.token import TokenAuth
from bgjobs.web.auth.token_gate import TokenGate
from bgjobs.web.failures import refusal_for
from bgjobs.web.guard.guard import Guard
from bgjobs.web.guard.hosts import LOOPBACK, as_hosts
from bgjobs.web.html import Renderer
from bgjobs.web.lifespan import refuse_socket, serve_lifespan
from bgjobs.web.links import check_trace_url, path_below
from bgjobs.web.refusals import CLOSED, NOT_FOUND, RefusedError
from bgjobs.web.shared import SharedReads
from bgjobs.web.site import Site, answer
from bgjobs.web.systems import OpenSystem, System, as_systems, running_clients

Auth: TypeAlias = BasicAuth | TokenAuth | FindUser

_STATIC = "/static/"


def app(
    config: Config | Mapping[str, Config],
    *,
    auth: Auth | None = None,
    allowed_hosts: Collection[str] = (),
    read_only: bool = False,
    trace_url: str | None = None,
) -> "WebApp":
    """Return the web page of one or several systems, an ASGI application.

    Serve it on its own, or mount it in an application and enter `WebApp.opened` there.

    Args:
        config: The configuration of the application whose jobs are shown; for several, a
            mapping of names to configurations, each with a store of its own. Each name is the
            first part of the addresses of its pages.
        auth: Who may use the page: `BasicAuth`, or a plain or async function of the request
            that returns a `User`, or None for no user. It is required.
        allowed_hosts: The host names under which the page answers, without a port, in addition
            to those of this machine: ``["jobs.example.org"]``.
        read_only: Whether no user may change anything, whatever `auth` allows.
        trace_url: The address of a trace that ``bgjobs.telemetry`` has stored with a job, where
            ``{trace_id}`` stands for its 32 hexadecimal digits:
            ``"https://traces.example.org/trace/{trace_id}"``. The page of the job links to it.

    Raises:
        TypeError: An argument has another type, or `auth` is missing.
        ValueError: A name of a system or a host cannot be one, two systems share a store, or
            `trace_url` is no such address.
    """
    systems = as_systems(config)
    hosts = as_hosts(allowed_hosts)
    check_flag("app: read_only", read_only)
    check_trace_url(trace_url)
    hosts |= LOOPBACK
    return WebApp(systems, _checked(auth), hosts, read_only=read_only, trace_url=trace_url)


def _checked(auth: Auth | None) -> Auth:
    wanted = (
        "web.BasicAuth({...}), or a function of the request that returns a web.User or None; "
        "the page is open to no one without it"
    )
    if isinstance(auth, BasicAuth | TokenAuth):
        return auth
    if not callable(auth) or isinstance(auth, type):
        found = "None" if auth is None else type(auth).__name__
        raise TypeError(f"app: auth: expected {wanted}; found {found}")
    if isgeneratorfunction(auth) or isasyncgenfunction(auth):
        raise TypeError(f"app: auth: expected {wanted}; found a generator function")
    return auth


@final
class WebApp:
    """The web page, an ASGI application; `app` makes it."""

    def __init__(
        self,
        systems: Sequence[System],
        auth: Auth,
        hosts: Collection[str],
        *,
        read_only: bool,
        trace_url: str | None,
    ) -> None:
        self._systems = systems
        self._auth = auth
        self._read_only = read_only
        self._trace_url = trace_url
        self._assets = read_assets()
        self._renderer = Renderer()
        self._guard = Guard(self._answer, hosts, self._renderer.refusal)
        self._routes: Sequence[Route] | None = None  # while the page is open

    @asynccontextmanager
    async def opened(
        self, running: Client | Mapping[str, Client] | None = None
    ) -> AsyncGenerator[None]:
        """Open the page for the length of an `async with` block.

        Enter it in the lifespan of the application that mounts the page. A server that serves
        the page on its own need not: the page opens itself then. Sessions end with the block,
        and actions that users have begun are stopped behind the batch that they change.

        Args:
            running: A client of `bgjobs.connect`, or the application of `bgjobs.run`, that the
                page uses; for several systems, a mapping of names to them. It has to be open
                until the end of the block. For a system without one, the page opens a client.

        Raises:
            RuntimeError: The page is open.
            TypeError: `running` has another type.
            ValueError: `running` names an unknown system.
            Exception: The exceptions of `bgjobs.connect`.
        """
        clients = running_clients(running, self._systems)
        if self._routes is not None:
            raise RuntimeError("opened: the page is open: enter its block once")
        async with AsyncExitStack() as stack:
            opened = [await _client_of(one, clients, stack) for one in self._systems]
            nursery = await stack.enter_async_context(nursery_of_runs())
            systems = [
                _open_system(one, client, nursery)
                for one, client in zip(self._systems, opened, strict=True)
            ]
            site = Site(
                systems,
                self._gate(),
                self._renderer,
                FormTokens(self._systems[0].config.clock.monotonic),
                self._read_only,
                self._trace_url,
            )
            self._routes = site.routes()
            try:
                yield
            finally:
                self._routes = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or open the page for the lifespan of a server."""
        if scope["type"] == "http":
            await self._guard(scope, receive, send)
        elif scope["type"] == "lifespan":
            opened = self.opened if self._routes is None else None
            await serve_lifespan(receive, send, opened)
        else:
            await refuse_socket(send)

    def _gate(self) -> Gate:
        logins = Logins(self._systems[0].config.clock.monotonic)
        if isinstance(self._auth, BasicAuth):
            return LoginGate(self._auth, logins, self._renderer.page)
        if isinstance(self._auth, TokenAuth):
            return TokenGate(self._auth, logins)
        return OwnGate(self._auth)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            response = await self._respond(Request(scope, receive))
        except Exception as error:  # noqa: BLE001 - the browser gets a page that hides it
            response = self._renderer.refusal(scope, refusal_for(error, scope["path"]))
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        path = path_below(request.scope)
        if path.startswith(_STATIC):
            asset = self._assets.get(path.removeprefix(_STATIC))
            if asset is None:
                raise RefusedError(NOT_FOUND)
            return asset.answer(request)
        if self._routes is None:
            raise RefusedError(CLOSED)
        return await answer(self._routes, request)


def _open_system(system: System, client: Client, nursery: TaskGroup) -> OpenSystem:
    clock = system.config.clock
    return OpenSystem(system, client, SharedReads(clock.monotonic), Runs(nursery, clock.now))


async def _client_of(
    system: System, running: Mapping[str, Client], stack: AsyncExitStack
) -> Client:
    """Return the running client of a system, or one that is open until the stack is closed."""
    found = running.get(system.name)
    if found is None:
        found = await stack.enter_async_context(connect(system.config))
    return found

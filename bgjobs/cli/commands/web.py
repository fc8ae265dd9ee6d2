"""`bgjobs web`: serve the web page of the application until a signal."""

import secrets
import signal
import socket
from collections.abc import AsyncIterator, Collection
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING, Any, final

import anyio
import click
from attrs import define, field

from bgjobs.cli import server
from bgjobs.cli.application import load_auth
from bgjobs.cli.errors import CommandError
from bgjobs.cli.options import user_name
from bgjobs.cli.output import terminal
from bgjobs.cli.session import CommandSession, pass_session

if TYPE_CHECKING:
    from bgjobs.web import WebApp


@click.command()
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="The address to listen on."
)
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=8000,
    show_default=True,
    help="The port to listen on; 0 takes a free one.",
)
@click.option(
    "--auth",
    metavar="MODULE:NAME",
    help="The users: a BasicAuth, or a function as for web.app; without it, only you.",
)
@click.option(
    "--allow-host",
    "allowed_hosts",
    metavar="NAME",
    multiple=True,
    help="A host name under which the page answers; may be repeated.",
)
@click.option("--read-only", is_flag=True, help="Refuse all changes.")
@pass_session
def web(
    session: CommandSession,
    host: str,
    port: int,
    auth: str | None,
    allowed_hosts: tuple[str, ...],
    *,
    read_only: bool,
) -> None:
    """Serve a web page of the jobs until TERM or INT (Ctrl-C).

    Without --auth, the page is for you alone: it listens on this machine only, and the link
    that is printed can be used once.
    """
    server.check_extra("the web page")
    if auth is None and not _is_loopback(host):
        raise CommandError(
            f"--host: other machines can reach {host}: name the users with --auth module:name"
        )
    token = secrets.token_urlsafe(32)
    config = session.config
    page = _page(session, auth, token, [*allowed_hosts, *_own_name(host)], read_only=read_only)
    terminal.log_to_stderr()
    with server.listening(host, port) as listener:
        url = f"{server.url_of(host, listener)}/{'' if auth else f'?token={token}'}"
        anyio.run(_serve, page, config.event_loop, listener, url, backend=config.event_loop)


def _is_loopback(host: str) -> bool:
    address = _address(host)
    return host == "localhost" if address is None else address.is_loopback


def _own_name(host: str) -> Collection[str]:
    """Return the host name that the address has in a link; none for all addresses."""
    address = _address(host)
    if address is None:
        return [host]
    return [] if address.is_unspecified else [f"[{host}]" if ":" in host else host]


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _page(
    session: CommandSession,
    auth: str | None,
    token: str,
    hosts: Collection[str],
    *,
    read_only: bool,
) -> "WebApp":
    from bgjobs import web as pages  # noqa: PLC0415 - needs the libraries checked above
    from bgjobs.web.auth.token import TokenAuth  # noqa: PLC0415 - as above

    config = session.config
    with terminal.all_output_to_stderr():
        if auth is None:
            me = pages.User(user_name() or "operator", may_act=True, may_see_arguments=True)
            users: Any = TokenAuth(token, me)
        else:
            users = load_auth(auth)
    try:
        return pages.app(config, auth=users, allowed_hosts=hosts, read_only=read_only)
    except (TypeError, ValueError) as error:
        raise CommandError(str(error)) from error


async def _serve(page: "WebApp", event_loop: str, listener: socket.socket, url: str) -> None:
    # Signals are received before the store opens: it may have to wait for the database.
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with anyio.create_task_group() as group:
            stop = _Stop(group.cancel_scope)

            async def serve_page() -> None:
                async with page.opened():
                    stop.is_serving = True
                    terminal.line(url)
                    terminal.note("bgjobs: serving the web page; Ctrl-C stops it")
                    await server.serve(page, event_loop, listener, stop.asked)
                group.cancel_scope.cancel()

            group.start_soon(serve_page)
            await stop.on_signals(signals)


@final
@define
class _Stop:
    """What signals do to the server: the first lets it answer the last requests."""

    scope: anyio.CancelScope
    asked: anyio.Event = field(factory=anyio.Event)
    is_serving: bool = False

    async def on_signals(self, signals: AsyncIterator[signal.Signals]) -> None:
        async for _ in signals:
            if self.asked.is_set() or not self.is_serving:
                self.scope.cancel()
            self.asked.set()

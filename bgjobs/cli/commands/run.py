"""`bgjobs run`: run the queues and scheduled jobs of the application until a signal."""

import logging
import re
import signal
import socket
from collections.abc import AsyncIterator, Collection, Generator
from contextlib import contextmanager
from typing import Literal, final

import anyio
import click
from attrs import define, evolve, field, frozen

import bgjobs
from bgjobs._core.text import visible
from bgjobs.cli import server
from bgjobs.cli.errors import CommandError
from bgjobs.cli.names import check_queue, complete_queues
from bgjobs.cli.output import terminal
from bgjobs.cli.session import CommandSession, pass_session

_logger = logging.getLogger("bgjobs")
_PORT = re.compile(r"[0-9]{1,5}")
_LAST_PORT = 65_535
_LEVELS = ("debug", "info", "warning", "error")


@click.command()
@click.option(
    "--backend",
    type=click.Choice(["trio", "asyncio"]),
    help="The event loop, instead of Config(event_loop=...), which is trio by default.",
)
@click.option(
    "--queue",
    "queues",
    metavar="NAME",
    multiple=True,
    shell_complete=complete_queues,
    help="Run only this queue, and no scheduled jobs; may be repeated.",
)
@click.option(
    "--schedules",
    "with_schedules",
    is_flag=True,
    help="Run only the scheduled jobs, and the queues that --queue names.",
)
@click.option(
    "--log-level",
    type=click.Choice(_LEVELS),
    default="info",
    show_default=True,
    help="The lowest level that is logged to stderr.",
)
@click.option(
    "--health",
    "health_at",
    metavar="HOST:PORT",
    help="Where to answer /live and /ready to an orchestrator; port 0 takes a free one.",
)
@pass_session
def run(
    session: CommandSession,
    backend: Literal["trio", "asyncio"] | None,
    queues: tuple[str, ...],
    log_level: str,
    health_at: str | None,
    *,
    with_schedules: bool,
) -> None:
    """Run the queues and scheduled jobs until TERM or INT (Ctrl-C).

    The first signal stops new jobs and lets handlers finish within the application's
    grace. A second signal cancels them. Unfinished jobs run again later.
    """
    config = session.config
    if not config.queues and not config.scheduled_jobs:
        raise CommandError(
            "nothing to run: the application has no queues and no scheduled jobs"
        )
    selected = _selected(config, queues, with_schedules=with_schedules)
    _set_up_logging(log_level)
    event_loop = backend or config.event_loop
    with _health_server(health_at, event_loop) as health:
        anyio.run(_run, _with_log_listener(selected), health, backend=event_loop)


def _selected(
    config: bgjobs.Config, queues: Collection[str], *, with_schedules: bool
) -> bgjobs.Config:
    """Keep the queues and scheduled jobs that were named; all workers may still be enqueued."""
    if not queues and not with_schedules:
        return config
    for name in queues:
        check_queue(config, name)
    if with_schedules and not config.scheduled_jobs:
        raise CommandError("--schedules: the application has no scheduled jobs")
    return evolve(
        config,
        queues=[queue for queue in config.queues if queue.name in queues],
        scheduled_jobs=config.scheduled_jobs if with_schedules else (),
        enqueue_only=[*config.all_workers()],
    )


def _set_up_logging(level: str) -> None:
    terminal.log_to_stderr()
    _logger.setLevel(level.upper())


def _with_log_listener(config: bgjobs.Config) -> bgjobs.Config:
    if bgjobs.log_listener in config.listeners:
        return config
    return evolve(config, listeners=[*config.listeners, bgjobs.log_listener])


@contextmanager
def _health_server(health_at: str | None, event_loop: str) -> Generator["_HealthServer | None"]:
    """Listen where an orchestrator asks, before any queue starts."""
    if health_at is None:
        yield None
        return
    host, port = _host_and_port(health_at)
    server.check_extra("--health")
    with server.listening(host, port) as listener:
        yield _HealthServer(server.url_of(host, listener), listener, event_loop)


def _host_and_port(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not _PORT.fullmatch(port) or int(port) > _LAST_PORT:
        expected = "expected HOST:PORT, such as 127.0.0.1:8080"
        raise CommandError(f"--health: {expected}, found {text!r}")
    return host, int(port)


async def _run(config: bgjobs.Config, health: "_HealthServer | None") -> None:
    stop = _Shutdown(config.grace)
    try:
        # Signals are received before the store opens: it may have to wait for the database.
        with stop.scope, anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            async with anyio.create_task_group() as group:
                group.start_soon(stop.on_signals, signals)
                await _run_until_stopped(config, health, stop)
                group.cancel_scope.cancel()
    except BaseException:
        if not stop.is_interrupted:
            raise  # otherwise it comes from the cancellation of the start
    _logger.info("stopped before anything ran" if stop.bg is None else "stopped")
    if stop.is_interrupted:
        raise KeyboardInterrupt


async def _run_until_stopped(
    config: bgjobs.Config, health: "_HealthServer | None", stop: "_Shutdown"
) -> None:
    ended = anyio.Event()
    # The server outlives the application, so that it answers while handlers finish.
    async with anyio.create_task_group() as serving:
        async with bgjobs.run(config) as bg:
            stop.bg = bg
            if health is not None:
                serving.start_soon(health.serve, bg, ended)
            _logger.info("running %s; Ctrl-C stops it", visible(_names(config)))
            await bg.wait_stopping()
        ended.set()


@final
@frozen
class _HealthServer:
    """What serves the answers to an orchestrator."""

    url: str
    listener: socket.socket
    event_loop: str

    async def serve(self, bg: bgjobs.BgJobs, ended: anyio.Event) -> None:
        """Answer until the application has ended."""
        from bgjobs.web import health  # noqa: PLC0415 - needs the libraries checked before

        _logger.info("answering at %s/live and %s/ready", self.url, self.url)
        await server.serve(health(bg), self.event_loop, self.listener, ended)


@final
@define
class _Shutdown:
    """What signals do to the running application."""

    grace: float
    scope: anyio.CancelScope = field(factory=anyio.CancelScope)
    bg: bgjobs.BgJobs | None = None
    is_stopping: bool = False
    is_interrupted: bool = False
    """By Ctrl-C, before anything ran."""

    async def on_signals(self, signals: AsyncIterator[signal.Signals]) -> None:
        async for number in signals:
            self._on_signal(number)

    def _on_signal(self, number: signal.Signals) -> None:
        if self.bg is None:
            self.is_interrupted = self.is_interrupted or number == signal.SIGINT
            self.scope.cancel()
        elif self.is_stopping:
            _logger.info("cancelling the running handlers")
            self.bg.stop(grace=0)
        else:
            self.is_stopping = True
            _logger.info(
                "stopping: handlers have %g s to finish; a second signal cancels them",
                self.grace,
            )
            self.bg.stop()


def _names(config: bgjobs.Config) -> str:
    queues = [f"queue {queue.name}" for queue in config.queues]
    return ", ".join(queues + [f"scheduled job {job.name}" for job in config.scheduled_jobs])

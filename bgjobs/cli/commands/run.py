"""`bgjobs run`: run the queues and scheduled jobs of the application until a signal."""

import logging
import signal
from collections.abc import AsyncIterator, Collection
from typing import Literal, final

import anyio
import click
from attrs import define, evolve, field

import bgjobs
from bgjobs._core.text import visible
from bgjobs.cli.errors import CommandError
from bgjobs.cli.names import check_queue, complete_queues
from bgjobs.cli.output import terminal
from bgjobs.cli.session import CommandSession, pass_session

_logger = logging.getLogger("bgjobs")
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
@pass_session
def run(
    session: CommandSession,
    backend: Literal["trio", "asyncio"] | None,
    queues: tuple[str, ...],
    log_level: str,
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
    anyio.run(_run, _with_log_listener(selected), backend=backend or config.event_loop)


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
    # Has no effect if the application has set up its own logging.
    logging.basicConfig(
        handlers=[terminal.log_handler("%(asctime)s %(levelname)s %(message)s")]
    )
    _logger.setLevel(level.upper())


def _with_log_listener(config: bgjobs.Config) -> bgjobs.Config:
    if bgjobs.log_listener in config.listeners:
        return config
    return evolve(config, listeners=[*config.listeners, bgjobs.log_listener])


async def _run(config: bgjobs.Config) -> None:
    stop = _Shutdown(config.grace)
    try:
        # Signals are received before the store opens: it may have to wait for the database.
        with stop.scope, anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            async with anyio.create_task_group() as group:
                group.start_soon(stop.on_signals, signals)
                async with bgjobs.run(config) as bg:
                    stop.bg = bg
                    _logger.info("running %s; Ctrl-C stops it", visible(_names(config)))
                    await bg.wait_stopping()
                group.cancel_scope.cancel()
    except BaseException:
        if not stop.is_interrupted:
            raise  # otherwise it comes from the cancellation of the start
    _logger.info("stopped before anything ran" if stop.bg is None else "stopped")
    if stop.is_interrupted:
        raise KeyboardInterrupt


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

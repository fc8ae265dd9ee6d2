"""`bgjobs run`: the queues and scheduled jobs of the application, until a signal."""

import logging
import signal
from collections.abc import AsyncIterator, Collection
from typing import Literal, final

import anyio
import click
from attrs import define, evolve, field

import bgjobs
from bgjobs.cli import completing, names
from bgjobs.cli.errors import Fault
from bgjobs.cli.output import terminal as screen
from bgjobs.cli.session import Session, pass_session
from bgjobs.visible import visible

_logger = logging.getLogger("bgjobs")
_LEVELS = ("debug", "info", "warning", "error")


@click.command()
@click.option(
    "--backend",
    type=click.Choice(["trio", "asyncio"]),
    help="The event loop; else the one of Config(event_loop=...), which is trio by default.",
)
@click.option(
    "--queue",
    "queues",
    metavar="NAME",
    multiple=True,
    shell_complete=completing.queues,
    help="Only this queue, and no scheduled jobs; may be repeated.",
)
@click.option(
    "--schedules",
    "with_schedules",
    is_flag=True,
    help="Only the scheduled jobs, and the queues that --queue names.",
)
@click.option(
    "--log-level",
    type=click.Choice(_LEVELS),
    default="info",
    show_default=True,
    help="What is logged to stderr.",
)
@pass_session
def run(
    session: Session,
    backend: Literal["trio", "asyncio"] | None,
    queues: tuple[str, ...],
    log_level: str,
    *,
    with_schedules: bool,
) -> None:
    """Run the queues and scheduled jobs until TERM or INT (Ctrl-C).

    The first signal stops in order: handlers may go on for the application's grace. A second
    one cancels them. What is unfinished is given back.
    """
    config = session.config
    if not config.queues and not config.scheduled_jobs:
        raise Fault("nothing to run: the application has no queues and no scheduled jobs")
    chosen = _chosen(config, queues, with_schedules=with_schedules)
    _log(log_level)
    anyio.run(_run, _logging(chosen), backend=backend or config.event_loop)


def _chosen(
    config: bgjobs.Config, queues: Collection[str], *, with_schedules: bool
) -> bgjobs.Config:
    """Leave out what was not named; its jobs may still be enqueued here."""
    if not queues and not with_schedules:
        return config
    for name in queues:
        names.check_queue(config, name)
    if with_schedules and not config.scheduled_jobs:
        raise Fault("--schedules: the application has no scheduled jobs")
    return evolve(
        config,
        queues=[queue for queue in config.queues if queue.name in queues],
        scheduled_jobs=config.scheduled_jobs if with_schedules else (),
        enqueue_only=[*config.all_workers()],
    )


def _log(level: str) -> None:
    # Does nothing where the application has set up its own logging.
    logging.basicConfig(handlers=[screen.log_handler("%(asctime)s %(levelname)s %(message)s")])
    _logger.setLevel(level.upper())


def _logging(config: bgjobs.Config) -> bgjobs.Config:
    if bgjobs.log_listener in config.listeners:
        return config
    return evolve(config, listeners=[*config.listeners, bgjobs.log_listener])


async def _run(config: bgjobs.Config) -> None:
    stop = _Stop(config.grace)
    try:
        # Heard of before anything is open: a signal may come while the store is waited for.
        with stop.scope, anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            async with anyio.create_task_group() as group:
                group.start_soon(stop.at_each, signals)
                async with bgjobs.run(config) as bg:
                    stop.bg = bg
                    _logger.info("running %s; Ctrl-C stops it", visible(_what(config)))
                    await bg.wait_stopping()
                group.cancel_scope.cancel()
    except BaseException:
        if not stop.is_interrupted:
            raise  # else it is how the start was cut off
    _logger.info("stopped before it ran" if stop.bg is None else "stopped")
    if stop.is_interrupted:
        raise KeyboardInterrupt


@final
@define
class _Stop:
    """What signals do."""

    grace: float
    scope: anyio.CancelScope = field(factory=anyio.CancelScope)
    bg: bgjobs.BgJobs | None = None
    is_begun: bool = False
    is_interrupted: bool = False
    """By Ctrl-C, before anything ran."""

    async def at_each(self, signals: AsyncIterator[signal.Signals]) -> None:
        async for number in signals:
            self._next(number)

    def _next(self, number: signal.Signals) -> None:
        if self.bg is None:
            self.is_interrupted = self.is_interrupted or number == signal.SIGINT
            self.scope.cancel()
        elif self.is_begun:
            _logger.info("cancelling the handlers")
            self.bg.stop(grace=0)
        else:
            self.is_begun = True
            _logger.info(
                "stopping: handlers may go on for %g s; a second signal cancels them",
                self.grace,
            )
            self.bg.stop()


def _what(config: bgjobs.Config) -> str:
    queues = [f"queue {queue.name}" for queue in config.queues]
    return ", ".join(queues + [f"scheduled job {job.name}" for job in config.scheduled_jobs])

"""What a shell offers for a name: the names of the application, or nothing."""

from collections.abc import Callable, Iterable

import click

import bgjobs
from bgjobs.cli.application import load_config
from bgjobs.cli.faults import Fault
from bgjobs.visible import is_visible

Complete = Callable[[click.Context, click.Parameter, str], list[str]]


def _completing(names: Callable[[bgjobs.Config], Iterable[str]]) -> Complete:
    def complete(context: click.Context, _: click.Parameter, begun: str) -> list[str]:
        app: str | None = context.find_root().params.get("app")
        try:
            config = load_config(app or "")
        except Fault:  # a line of text in the middle of somebody's typing helps nobody
            return []
        found = {name for name in names(config) if name.startswith(begun)}
        return sorted(filter(is_visible, found))  # a shell prints them as they are

    return complete


workers: Complete = _completing(lambda config: (worker.name for worker in config.all_workers()))
queues: Complete = _completing(lambda config: (queue.name for queue in config.queues))
schedules: Complete = _completing(lambda config: (job.name for job in config.scheduled_jobs))

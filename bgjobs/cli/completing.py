"""What a shell offers for a name: the names of the application, where that was asked for."""

import os
from collections.abc import Callable, Iterable

import click

import bgjobs
from bgjobs.cli.application import load_config
from bgjobs.cli.errors import Fault
from bgjobs.cli.streams import kept_for_answers_by_all
from bgjobs.visible import is_visible

Complete = Callable[[click.Context, click.Parameter, str], list[str]]
ASKED_FOR_BY = "BGJOBS_COMPLETE_NAMES"
"""Set to 1, a press of the TAB key may import the application: that runs its code, and a folder
that somebody else has filled may have another one of its name."""


def _completing(names: Callable[[bgjobs.Config], Iterable[str]]) -> Complete:
    def complete(context: click.Context, _: click.Parameter, begun: str) -> list[str]:
        if os.environ.get(ASKED_FOR_BY) != "1":
            return []
        app: str | None = context.find_root().params.get("app")
        try:
            with kept_for_answers_by_all():
                config = load_config(app or "")
        except Fault:  # a line of text in the middle of somebody's typing helps nobody
            return []
        found = {name for name in names(config) if name.startswith(begun)}
        return sorted(filter(is_visible, found))  # a shell prints them as they are

    return complete


workers: Complete = _completing(lambda config: (worker.name for worker in config.all_workers()))
queues: Complete = _completing(lambda config: (queue.name for queue in config.queues))
schedules: Complete = _completing(lambda config: (job.name for job in config.scheduled_jobs))

"""The names of an application, and help with those that are misspelt."""

import bgjobs
from bgjobs.errors import UnknownNameError


def check_worker(config: bgjobs.Config, name: str) -> "bgjobs.Worker[..., object]":
    """Give the worker of this name; `UnknownNameError` when there is none."""
    for worker in config.all_workers():
        if worker.name == name:
            return worker
    raise UnknownNameError("worker", name, {worker.name for worker in config.all_workers()})


def check_found(config: bgjobs.Config, name: str | None, count: int) -> None:
    """Refuse a worker's name that neither a job nor the application has.

    Jobs of a worker that was removed may still be there, so the name alone is not wrong.
    """
    if name is not None and not count:
        check_worker(config, name)


def check_queue(config: bgjobs.Config, name: str) -> None:
    """Raise `UnknownNameError` when there is no queue of this name."""
    known = [queue.name for queue in config.queues]
    if name not in known:
        raise UnknownNameError("queue", name, known)


def check_schedule(config: bgjobs.Config, name: str) -> bgjobs.ScheduledJob:
    """Give the scheduled job of this name; `UnknownNameError` when there is none."""
    for job in config.scheduled_jobs:
        if job.name == name:
            return job
    raise UnknownNameError("schedule", name, [job.name for job in config.scheduled_jobs])

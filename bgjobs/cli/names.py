"""Names and ids that are typed: checked, completed by the shell, and found by their prefix."""

import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from uuid import UUID

import click

import bgjobs
from bgjobs._core.text import is_visible
from bgjobs.cli.application import load_config
from bgjobs.cli.errors import CommandError, ExitCode
from bgjobs.cli.output import formats, terminal
from bgjobs.cli.session import CommandSession
from bgjobs.errors import StoreError, UnknownNameError

Completer = Callable[[click.Context, click.Parameter, str], list[str]]
_COMPLETION_SWITCH = "BGJOBS_COMPLETE_NAMES"
"""Completion of names must be enabled, because each press of TAB then imports the application:
code of the current folder runs, and another user may have written it."""
_MATCHES_SHOWN = 3
_MAX_SHORTENED = 200
"""Longer lists show whole ids, because each short id costs a query."""
_NEIGHBOURS = 50


def check_worker(config: bgjobs.Config, name: str) -> "bgjobs.Worker[..., object]":
    """Return the worker of this name, or raise `UnknownNameError`."""
    for worker in config.all_workers():
        if worker.name == name:
            return worker
    raise UnknownNameError("worker", name, {worker.name for worker in config.all_workers()})


def check_worker_or_jobs(config: bgjobs.Config, name: str | None, count: int) -> None:
    """Raise `UnknownNameError` if no job was found and the application has no such worker.

    Jobs of a worker that was removed may still be stored, so the name alone is not an error.
    """
    if name is not None and not count:
        check_worker(config, name)


def check_queue_or_jobs(config: bgjobs.Config, name: str | None, count: int) -> None:
    """Raise `UnknownNameError` if no job was found and nothing of this name reserves jobs."""
    known = [queue.name for queue in config.queues]
    known += [job.name for job in config.scheduled_jobs]
    if name is not None and not count and name not in known:
        raise UnknownNameError("queue", name, known)


def check_queue(config: bgjobs.Config, name: str) -> None:
    """Raise `UnknownNameError` if the application has no queue of this name."""
    known = [queue.name for queue in config.queues]
    if name not in known:
        raise UnknownNameError("queue", name, known)


def check_schedule(config: bgjobs.Config, name: str) -> bgjobs.ScheduledJob:
    """Return the scheduled job of this name, or raise `UnknownNameError`."""
    for job in config.scheduled_jobs:
        if job.name == name:
            return job
    raise UnknownNameError("scheduled job", name, [job.name for job in config.scheduled_jobs])


def _completer(names: Callable[[bgjobs.Config], Iterable[str]]) -> Completer:
    def complete(context: click.Context, _: click.Parameter, typed: str) -> list[str]:
        if os.environ.get(_COMPLETION_SWITCH) != "1":
            return []
        app: str | None = context.find_root().params.get("app")
        try:
            with terminal.all_output_to_stderr():
                config = load_config(app or "")
        except CommandError:  # an error text would only disturb the line that is being typed
            return []
        found = {name for name in names(config) if name.startswith(typed)}
        return sorted(filter(is_visible, found))  # a shell prints them without escapes

    return complete


complete_workers: Completer = _completer(
    lambda config: (worker.name for worker in config.all_workers())
)
complete_queues: Completer = _completer(lambda config: (queue.name for queue in config.queues))
complete_schedules: Completer = _completer(
    lambda config: (job.name for job in config.scheduled_jobs)
)


def resolve_ids(session: CommandSession, texts: Sequence[str]) -> tuple[UUID, ...]:
    """Return the ids that were typed, whole or as prefixes, in the same order.

    The store is asked only if one of them is a prefix.

    Raises:
        CommandError: If a prefix matches no job, or several.
    """
    if all(_is_whole(one) for one in texts):
        return tuple(map(UUID, texts))

    async def resolve(client: bgjobs.Client) -> tuple[UUID, ...]:
        return tuple([await _resolve(client.admin, text) for text in texts])

    return session.run(resolve)


def _is_whole(text: str) -> bool:
    return len(text.replace("-", "")) == formats.MAX_DIGITS


async def _resolve(admin: bgjobs.Admin, text: str) -> UUID:
    if _is_whole(text):
        return UUID(text)
    found = await admin.find_ids(text, limit=_MATCHES_SHOWN + 1)
    if not found:
        raise CommandError(f"no job has an id that begins with {text!r}", ExitCode.UNKNOWN_JOB)
    if len(found) > 1:
        more = ", ..." if len(found) > _MATCHES_SHOWN else ""
        shown = ", ".join(map(str, found[:_MATCHES_SHOWN]))
        raise CommandError(f"several jobs have an id that begins with {text!r}: {shown}{more}")
    return found[0]


async def short_ids(client: bgjobs.Client, ids: Collection[UUID]) -> Mapping[UUID, str]:
    """Return a prefix of each id that no other job of the store has, all of one length.

    Returns:
        An empty mapping if there are too many ids, or the store cannot search for prefixes:
        the ids are then shown whole.
    """
    if len(ids) > _MAX_SHORTENED:
        return {}
    digits = formats.distinct_digits(ids)
    try:
        for one in ids:
            digits = await _distinct_digits(client.admin, one, digits)
    except StoreError:
        return {}
    return {one: formats.id_prefix(one, digits) for one in ids}


async def _distinct_digits(admin: bgjobs.Admin, one: UUID, digits: int) -> int:
    while digits < formats.MAX_DIGITS:
        prefix = formats.id_prefix(one, digits)
        others = {*await admin.find_ids(prefix, limit=_NEIGHBOURS)} - {one}
        if not others:
            break
        digits = max(formats.shared_digits(one, other) for other in others) + 1
    return digits

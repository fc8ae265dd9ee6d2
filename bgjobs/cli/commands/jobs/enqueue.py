"""`bgjobs jobs enqueue`, and the JSON arguments that it takes."""

import inspect
import json
import sys
from datetime import datetime, timedelta
from typing import Any

import click

import bgjobs
from bgjobs.cli.errors import CommandError
from bgjobs.cli.names import check_worker, complete_workers
from bgjobs.cli.options import PRIORITY, at_option, delay_option, json_option, key_value
from bgjobs.cli.output import as_json, terminal
from bgjobs.cli.session import CommandSession, pass_session
from bgjobs.errors import DuplicateJobError

_ARRAY = "a JSON array such as '[\"Ada\", 3]'"
_OBJECT = 'a JSON object such as \'{"name": "Ada"}\''
_JSON_TYPES = {"dict": "an object", "list": "an array", "str": "a string", "bool": "a boolean"}
_TRIES = 3


@click.command()
@click.argument("worker", shell_complete=complete_workers)
@click.option(
    "--args", metavar="JSON", default="[]", help="Positional arguments; - reads stdin."
)
@click.option("--kwargs", metavar="JSON", default="{}", help="Named arguments; - reads stdin.")
@delay_option
@at_option
@click.option(
    "--priority",
    type=PRIORITY,
    default=0,
    show_default=True,
    help="Lower priorities run first.",
)
@click.option(
    "--unique", metavar="KEY", help="Enqueue nothing if a waiting or running job has this key."
)
@click.option(
    "--metadata",
    type=key_value,
    multiple=True,
    metavar="KEY=VALUE",
    help="A text beside the arguments; may be repeated.",
)
@json_option
@pass_session
def enqueue(
    session: CommandSession,
    worker: str,
    args: str,
    kwargs: str,
    delay: timedelta | None,
    at: datetime | None,
    priority: int,
    unique: str | None,
    metadata: tuple[tuple[str, str], ...],
    *,
    with_json: bool,
) -> None:
    """Enqueue a job.

    Its arguments are JSON, and must match the annotations of the worker.
    """
    if delay is not None and at is not None:
        raise CommandError("expected --in or --at, found both")
    plain = request(
        check_worker(session.config, worker),
        _array("--args", _text(args)),
        _object("--kwargs", _text(kwargs)),
    )
    wanted = _with_options(plain, delay, at, priority, unique, metadata)
    job, is_new = session.run(lambda client: _enqueue(client, wanted))
    if with_json:
        terminal.json({**as_json.job(job), "is_new": is_new})
    elif is_new:
        terminal.line(f"enqueued {job.id}")
    else:
        terminal.line(f"nothing was enqueued: job {job.id} has this key")


async def _enqueue(
    client: bgjobs.Client, wanted: bgjobs.JobRequest
) -> tuple[bgjobs.AnyJob, bool]:
    """Enqueue a job, or find the job that has its unique key; return also whether it is new."""
    for _ in range(_TRIES):
        try:
            return await client.enqueue(wanted), True
        except DuplicateJobError as error:
            if error.holder is None:  # only if two requests of one call have the same key
                raise
            holder = await client.find(error.holder)
            if holder is not None:  # otherwise it was deleted meanwhile
                return holder, False
    return await client.enqueue(wanted), True


def _with_options(
    wanted: bgjobs.JobRequest,
    delay: timedelta | None,
    at: datetime | None,
    priority: int,
    unique: str | None,
    metadata: tuple[tuple[str, str], ...],
) -> bgjobs.JobRequest:
    try:
        if delay is not None:
            wanted = wanted.available_in(seconds=delay.total_seconds())
        if at is not None:
            wanted = wanted.available_at(at)
        if unique is not None:
            wanted = wanted.unique(unique, on_conflict="raise")
        return wanted.with_metadata(**dict(metadata)).priority(priority)
    except ValueError as error:
        raise CommandError(str(error)) from None


def request(
    worker: "bgjobs.Worker[..., object]", args: list[Any], kwargs: dict[str, Any]
) -> bgjobs.JobRequest:
    """Return a request for a job with arguments that were parsed from JSON.

    Raises:
        CommandError: If the handler does not take these arguments.
        PayloadError: If their types do not match its annotations.
    """
    signature = inspect.Signature(worker.parameters)
    try:
        bound = signature.bind(*args, **kwargs).arguments
    except TypeError as error:
        raise CommandError(f"worker {worker.name!r}: {error}; it takes {signature}") from None
    # Decoded like a stored payload, so that JSON becomes the annotated types.
    positional, named = worker.decode(json.dumps(bound))
    return worker.request(*positional, **named)


def _text(value: str) -> str:
    return sys.stdin.read() if value == "-" else value


def _array(option: str, text: str) -> list[Any]:
    """Parse a JSON array; an error does not quote the text, which may hold secrets."""
    found = _parse(option, text, _ARRAY)
    if not isinstance(found, list):
        raise CommandError(f"{option}: expected {_ARRAY}, found {_json_type(found)}")
    items: list[Any] = found  # pyright: ignore[reportUnknownVariableType] - any JSON
    return items


def _object(option: str, text: str) -> dict[str, Any]:
    """Parse a JSON object; an error does not quote the text, which may hold secrets."""
    found = _parse(option, text, _OBJECT)
    if not isinstance(found, dict):
        raise CommandError(f"{option}: expected {_OBJECT}, found {_json_type(found)}")
    entries: dict[str, Any] = found  # pyright: ignore[reportUnknownVariableType] - JSON keys
    return entries


def _parse(option: str, text: str, expected: str) -> object:
    try:
        found: object = json.loads(text)
    except json.JSONDecodeError as error:
        where = f"at character {error.pos + 1}"
        raise CommandError(f"{option}: expected {expected}, found no JSON {where}") from None
    except (ValueError, RecursionError):
        raise CommandError(f"{option}: expected {expected}, found no JSON") from None
    return found


def _json_type(value: object) -> str:
    return "null" if value is None else _JSON_TYPES.get(type(value).__name__, "a number")

"""A job's arguments from JSON text, checked like those of a program."""

import inspect
import json
from typing import Any

import bgjobs
from bgjobs.cli.errors import Fault

_ARRAY = "a JSON array such as '[\"Ada\", 3]'"
_OBJECT = 'a JSON object such as \'{"name": "Ada"}\''


def array(option: str, text: str) -> list[Any]:
    """Read the value of an option; text that is no array is refused without being shown."""
    found = _read(option, text, _ARRAY)
    if not isinstance(found, list):
        raise Fault(f"{option}: expected {_ARRAY}, found {_kind(found)}")
    items: list[Any] = found  # pyright: ignore[reportUnknownVariableType] - any JSON
    return items


def mapping(option: str, text: str) -> dict[str, Any]:
    """Read the value of an option; text that is no object is refused without being shown."""
    found = _read(option, text, _OBJECT)
    if not isinstance(found, dict):
        raise Fault(f"{option}: expected {_OBJECT}, found {_kind(found)}")
    entries: dict[str, Any] = found  # pyright: ignore[reportUnknownVariableType] - JSON keys
    return entries


def _read(option: str, text: str, expected: str) -> object:
    try:
        found: object = json.loads(text)
    except json.JSONDecodeError as error:
        where = f"at character {error.pos + 1}"
        raise Fault(f"{option}: expected {expected}, found no JSON {where}") from None
    except (ValueError, RecursionError):
        raise Fault(f"{option}: expected {expected}, found no JSON") from None
    return found


_KINDS = {"dict": "an object", "list": "an array", "str": "a string", "bool": "a boolean"}


def _kind(value: object) -> str:
    return "null" if value is None else _KINDS.get(type(value).__name__, "a number")


def request(
    worker: "bgjobs.Worker[..., object]", args: list[Any], kwargs: dict[str, Any]
) -> bgjobs.JobRequest:
    """Ask for a run with arguments that were read from JSON."""
    signature = inspect.signature(worker.handler)
    if worker.takes_context:
        _, *parameters = signature.parameters.values()
        signature = signature.replace(parameters=parameters)
    try:
        given = signature.bind(*args, **kwargs).arguments
    except TypeError as error:
        wanted = signature.replace(return_annotation=signature.empty)
        raise Fault(f"worker {worker.name!r}: {error}; it takes {wanted}") from None
    # Read like a stored row, so that JSON becomes what the annotations say.
    positional, named = worker.decode(json.dumps(given))
    return worker.request(*positional, **named)

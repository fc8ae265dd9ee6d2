"""What was typed for the arguments of a job, as JSON or as problems."""

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from inspect import Parameter
from typing import Any, NoReturn, cast

from bgjobs import JobRequest, Worker
from bgjobs._core.text import value_text
from bgjobs.errors import PayloadError
from bgjobs.web.actions.argument_fields import ArgumentField, Kind
from bgjobs.web.actions.filter_form import instant_of

WHOLE_REQUEST = ""
"""The name of the field of a problem that no field has alone."""
_NAMED = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
_MOST_DIGITS = 4_000
_WHOLE = re.compile(rf"-?[0-9]{{1,{_MOST_DIGITS}}}")
_NUMBER = re.compile(r"-?[0-9]{1,400}(?:\.[0-9]{1,400})?(?:[eE][+-]?[0-9]{1,4})?")
_PATH = re.compile(r"(\w+)(?=:|\.|\[| keys)(: )?")
"""The name of an argument at the beginning of a problem, and whether it is the whole path."""


def json_arguments(
    fields: Sequence[ArgumentField], typed: Mapping[str, str]
) -> tuple[Mapping[str, Any], Mapping[str, str]]:
    """Return the arguments as JSON values, and the problems; both by the name of the field.

    What is as it was filled in is left out, so that the default of the function is used.
    """
    arguments, problems = dict[str, Any](), dict[str, str]()
    for field in fields:
        text = typed[field.name]
        if field.has_default and text == field.filled:
            continue
        if text if field.kind == "text" else text.strip():
            try:
                arguments[field.name] = _READERS[field.kind](text)
            except ValueError as error:
                problems[field.name] = str(error)
        elif field.is_optional:
            arguments[field.name] = None
        elif field.is_required:
            problems[field.name] = "expected a value, found none"
        elif field.kind == "text":
            arguments[field.name] = ""
    return arguments, problems


def request_of(
    worker: Worker[..., Any], arguments: Mapping[str, Any]
) -> tuple[JobRequest[Any] | None, Mapping[str, str]]:
    """Return a request with these JSON arguments; None if they do not fit, and the problems."""
    if again := _given_again(worker, arguments):
        return None, again
    try:
        # Decoded like a stored payload, so that JSON becomes the annotated types.
        positional, named = worker.decode(json.dumps(arguments))
        return worker.request(*positional, **named), {}
    except PayloadError as error:
        return None, _by_field(error.problems, arguments)
    except RecursionError:
        return None, {WHOLE_REQUEST: "expected arguments that are less nested"}


def _given_again(worker: Worker[..., Any], arguments: Mapping[str, Any]) -> Mapping[str, str]:
    """Return a problem for a name in ``**kwargs`` that another parameter has."""
    names = {one.name for one in worker.parameters if one.kind in _NAMED}
    for one in worker.parameters:
        given = arguments.get(one.name)
        if one.kind is Parameter.VAR_KEYWORD and isinstance(given, dict):
            for name in names.intersection(cast("dict[str, Any]", given)):
                return {
                    one.name: f"expected names without a field of their own, found {name!r}"
                }
    return {}


def _by_field(problems: Sequence[str], arguments: Mapping[str, Any]) -> Mapping[str, str]:
    found = dict[str, list[str]]()
    for problem in problems:
        path = _PATH.match(problem)
        if path is None or path[1] not in arguments:
            found.setdefault(WHOLE_REQUEST, []).append(problem)
        else:
            text = problem[path.end() :] if path[2] else problem
            found.setdefault(path[1], []).append(text)
    return {name: "; ".join(texts) for name, texts in found.items()}


def _whole(text: str) -> int:
    if not _WHOLE.fullmatch(text.strip()):
        raise ValueError(f"expected a whole number, found {value_text(text)}")
    return int(text)


def _number(text: str) -> int | float:
    if _WHOLE.fullmatch(text.strip()):
        return int(text)
    if not _NUMBER.fullmatch(text.strip()) or not math.isfinite(float(text)):
        raise ValueError(f"expected a number such as 2.5, found {value_text(text)}")
    return float(text)


def _json(text: str) -> Any:
    """Return a JSON value; the errors do not quote the text, which may have secrets."""
    try:
        return json.loads(text, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        where = f"at character {error.pos + 1}"
        raise ValueError(f"expected JSON, found another text {where}") from None
    except (ValueError, RecursionError):
        raise ValueError("expected JSON, found another text") from None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _instant(text: str) -> str:
    return instant_of(text).isoformat()


_READERS: Mapping[Kind, Callable[[str], Any]] = {
    "text": str,
    "line": str.strip,
    "whole": _whole,
    "number": _number,
    "instant": _instant,
    "choice": _json,
    "json": _json,
}

"""A request as Python and as a command, for a shell.

The fields with ``repr=False`` are written as ``<hidden>``, which is neither Python nor JSON: a
text from which a secret is missing cannot be used by mistake.
"""

import dataclasses
import json
import shlex
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from enum import Enum
from functools import partial
from inspect import BoundArguments, Parameter, Signature
from keyword import iskeyword
from typing import Any, Final, cast

import attrs

from bgjobs import JobRequest, Worker
from bgjobs._core.text import visible_json

HIDDEN: Final = "<hidden>"
_MASK = object()
_MINUTE = timedelta(minutes=1)
_COLLECTIONS: Mapping[type, tuple[str, str]] = {
    list: ("[", "]"),
    tuple: ("(", ")"),
    set: ("{", "}"),
    frozenset: ("frozenset({", "})"),
}


def python_text(worker: Worker[..., Any], request: JobRequest[Any]) -> str:
    """Return the expression that makes a request of this worker."""
    positional, named = worker.decode(request.payload)
    given = Signature(worker.parameters).bind(*positional, **named).arguments
    args, kwargs = _call_of(worker, given)

    write = partial(_python, private=worker.redacted)
    call = _call(map(write, args), _written(kwargs, worker.redacted, write))
    return "".join([f"{_function(worker)}.request{call}", *_methods(request)])


def command_text(worker: Worker[..., Any], request: JobRequest[Any]) -> str:
    """Return the `bgjobs` command that enqueues a request of this worker."""
    args, kwargs = _call_of(worker, json.loads(request.payload))
    parts = ["bgjobs", "jobs", "enqueue"]
    if args:
        parts += ["--args", visible_json(_json([*args], worker.redacted))]
    if kwargs:
        parts += ["--kwargs", visible_json(_json(kwargs, worker.redacted))]
    parts += [*_options(request), *(["--"] if worker.name.startswith("-") else []), worker.name]
    return shlex.join(parts)


def _call_of(
    worker: Worker[..., Any], arguments: Mapping[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the positional and the named arguments, those with private names masked."""
    shown = {
        one.name: _masked(one) if one.name in worker.redacted else arguments[one.name]
        for one in worker.parameters
        if one.name in arguments
    }
    bound = BoundArguments(Signature(worker.parameters), cast("Any", shown))
    return bound.args, bound.kwargs


def _masked(parameter: Parameter) -> object:
    if parameter.kind is Parameter.VAR_POSITIONAL:
        return [_MASK]
    return {parameter.name: _MASK} if parameter.kind is Parameter.VAR_KEYWORD else _MASK


def _function(worker: Worker[..., Any]) -> str:
    name = str(getattr(worker, "__name__", ""))
    return name if name.isidentifier() else "worker"


def _methods(request: JobRequest[Any]) -> Iterator[str]:
    options = request.options
    if options.available_at is not None:
        yield f".available_at({options.available_at!r})"
    if options.available_in is not None:
        unit, count = _delay(options.available_in)
        yield f".available_in({unit}={count})"
    if options.priority:
        yield f".priority({options.priority})"
    if options.unique_key is not None:
        raises = ', on_conflict="raise"' if options.refuses_duplicates else ""
        yield f".unique({options.unique_key!r}{raises})"
    if options.metadata:
        yield f".with_metadata{_call((), {k: repr(v) for k, v in options.metadata})}"


def _options(request: JobRequest[Any]) -> Iterator[str]:
    options = request.options
    if options.available_at is not None:
        yield from ("--at", options.available_at.isoformat())
    if options.available_in is not None:
        unit, count = _delay(options.available_in)
        yield from ("--in", f"{count}{unit[0]}")
    if options.priority:
        yield from ("--priority", str(options.priority))
    if options.unique_key is not None:
        yield from ("--unique", options.unique_key)
    for key, value in options.metadata:
        yield from ("--metadata", f"{key}={value}")


def _delay(delay: timedelta) -> tuple[str, int | float]:
    if not delay % _MINUTE:
        return "minutes", delay // _MINUTE
    return "seconds", delay.total_seconds()


def _call(args: Iterable[str], kwargs: Mapping[str, str]) -> str:
    """Return the parentheses of a call; names that Python cannot write are in a dict."""
    plain = {key for key in kwargs if key.isidentifier() and not iskeyword(key)}
    parts = [*args, *(f"{key}={value}" for key, value in kwargs.items() if key in plain)]
    others = [f"{key!r}: {value}" for key, value in kwargs.items() if key not in plain]
    return f"({', '.join([*parts, *(['**{' + ', '.join(others) + '}'] if others else [])])})"


def _written(
    members: Mapping[str, Any], private: Collection[str], write: Callable[[Any], str]
) -> Mapping[str, str]:
    return {key: HIDDEN if key in private else write(one) for key, one in members.items()}


def _json(value: Any, private: frozenset[str]) -> str:
    write, kind = partial(_json, private=private), cast("Any", type(value))
    if value is _MASK:
        return HIDDEN
    if kind is dict:
        members = _written(value, private, write)
        pairs = (f"{json.dumps(k, ensure_ascii=False)}: {one}" for k, one in members.items())
        return f"{{{', '.join(pairs)}}}"
    if kind is list:
        return f"[{', '.join(map(write, value))}]"
    return json.dumps(value, ensure_ascii=False)


def _python(value: Any, private: frozenset[str]) -> str:
    write, kind = partial(_python, private=private), cast("Any", type(value))
    if value is _MASK:
        return HIDDEN
    if isinstance(value, Enum):
        return _member(value)
    if kind is dict:
        pairs = (
            f"{write(k)}: {HIDDEN if k in private else write(v)}" for k, v in value.items()
        )
        return f"{{{', '.join(pairs)}}}"
    names = _field_names(kind)
    if names is not None:
        members = {name: getattr(value, attribute) for name, attribute in names.items()}
        hidden = {name for name, attribute in names.items() if attribute in private}
        return f"{kind.__name__}" + _call((), _written(members, hidden, write))
    if kind in _COLLECTIONS:
        return _collection(kind, [write(one) for one in value])
    return repr(value)


def _member(value: Enum) -> str:
    kind = type(value)
    is_named = value.name in kind.__members__
    return f"{kind.__name__}.{value.name}" if is_named else f"{kind.__name__}({value.value!r})"


def _collection(kind: type, items: Sequence[str]) -> str:
    before, after = _COLLECTIONS[kind]
    if not items and kind in (set, frozenset):
        return f"{kind.__name__}()"
    comma = "," if kind is tuple and len(items) == 1 else ""
    return f"{before}{', '.join(items)}{comma}{after}"


def _field_names(kind: Any) -> Mapping[str, str] | None:
    """Return the arguments that make a record, each with its attribute; None for no record."""
    if attrs.has(kind):
        return {one.alias or one.name: one.name for one in attrs.fields(kind) if one.init}
    if dataclasses.is_dataclass(kind):
        return {one.name: one.name for one in dataclasses.fields(kind) if one.init}
    return {name: name for name in kind._fields} if hasattr(kind, "_fields") else None

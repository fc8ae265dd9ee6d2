"""The fields of a form for the arguments of a worker, by the annotations of its parameters."""

import json
import types
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, Flag
from inspect import Parameter, formatannotation
from pathlib import Path, PosixPath, PurePath, PurePosixPath
from typing import (
    Annotated,
    Any,
    Final,
    Literal,
    NewType,
    TypeAlias,
    Union,
    cast,
    final,
    get_args,
    get_origin,
)
from uuid import UUID

from attrs import frozen

from bgjobs import Worker
from bgjobs._core.text import visible_lines
from bgjobs.web.present.text import label

Kind: TypeAlias = Literal["text", "line", "whole", "number", "instant", "choice", "json"]

LONGEST_DEFAULT = 4_000
"""Characters of a default that is filled in."""
_LONGEST_CHOICE = 100
_KINDS: dict[object, Kind] = {
    str: "text",
    int: "whole",
    float: "number",
    timedelta: "number",
    datetime: "instant",
    **dict.fromkeys((date, time, UUID, Decimal, bytes), "line"),
    **dict.fromkeys((Path, PurePath, PosixPath, PurePosixPath), "line"),
}
_FORMS: dict[object, str] = {
    date: "Such as 2030-01-31",
    time: "Such as 08:00",
    datetime: "Such as 2030-01-31 08:00, in UTC",
    timedelta: "In seconds",
    bytes: "In base64",
}
"""How values are written whose annotation does not show it."""
_REST = {"*": "In JSON, as an array", "**": "In JSON, as an object"}
_WRAPPERS = (Annotated, Final)
_STARS: Mapping[object, str] = {Parameter.VAR_POSITIONAL: "*", Parameter.VAR_KEYWORD: "**"}


@final
@frozen
class ArgumentField:
    """A field for one parameter."""

    name: str
    """The name of the parameter."""
    kind: Kind
    annotation: str
    """As it is written, with the stars of ``*args`` and ``**kwargs``."""
    has_default: bool
    """Whether the argument may be left out."""
    is_optional: bool = False
    """Whether an empty field means None."""
    written: str = ""
    """How a value is written, if that is not clear."""
    choices: Sequence[tuple[str, str]] = ()
    """The JSON of each value, and the text that is shown for it."""
    filled: str = ""
    """What the field contains at first: the default."""
    hides_default: bool = False
    """Whether the default is not filled in, because it is private, long or invisible."""

    @property
    def is_required(self) -> bool:
        """Whether an empty field is a problem."""
        return not self.has_default and not self.is_optional

    @property
    def empty_text(self) -> str:
        """What an empty choice means."""
        if self.hides_default:
            return "the default"
        return "None" if self.is_optional else "choose"


def argument_fields(worker: Worker[..., Any]) -> Sequence[ArgumentField]:
    """Return the fields for the arguments of a worker, in the order of its signature."""
    defaults = worker.encode_defaults()
    return [_field(one, defaults.get(one.name), worker.redacted) for one in worker.parameters]


def holds(value: Any, names: frozenset[str]) -> bool:
    """Whether a JSON value has a member of one of these names, at any depth."""
    kind = cast("Any", type(value))
    if kind is dict:
        return bool(value.keys() & names) or any(holds(one, names) for one in value.values())
    return kind is list and any(holds(one, names) for one in value)


def _field(one: Parameter, default: str | None, private: frozenset[str]) -> ArgumentField:
    stars = _STARS.get(one.kind, "")
    annotation = stars + formatannotation(one.annotation)
    if stars:
        written = _REST[stars]
        return ArgumentField(one.name, "json", annotation, has_default=True, written=written)
    plain, is_optional = _without_none(one.annotation)
    choices = _choices(plain)
    kind: Kind = "choice" if choices else _kind(plain)
    has_default = one.default is not one.empty
    filled = None if default is None else _filled(kind, json.loads(default), private)
    return ArgumentField(
        one.name,
        kind,
        annotation,
        has_default,
        is_optional or default == "null",
        _written(kind, plain),
        choices,
        filled or "",
        has_default and filled is None,
    )


def _filled(kind: Kind, value: Any, private: frozenset[str]) -> str | None:
    """Return the text of a default, None if it is not shown."""
    if value is None:
        return ""
    is_text = kind in ("text", "line", "instant")
    text: str = value if is_text else json.dumps(value, ensure_ascii=False)
    is_shown = len(text) <= LONGEST_DEFAULT and not holds(value, private)
    return text if is_shown and visible_lines(text) == text else None


def _written(kind: Kind, annotation: Any) -> str:
    if kind == "json":
        return "In JSON"
    return "" if kind == "choice" else _FORMS.get(annotation, "")


def _kind(annotation: Any) -> Kind:
    if _is_class(annotation, Flag):
        return "whole"
    try:
        return _KINDS.get(annotation, "json")
    except TypeError:  # some annotations are not hashable
        return "json"


def _choices(annotation: Any) -> Sequence[tuple[str, str]]:
    if annotation is bool:
        return [("true", "yes"), ("false", "no")]
    if get_origin(annotation) is Literal:
        found = [one.value if isinstance(one, Enum) else one for one in get_args(annotation)]
        return [(json.dumps(one), _shown(str(one))) for one in found if one is not None]
    if _is_class(annotation, Enum) and not _is_class(annotation, Flag):
        return [(json.dumps(one.value), _shown(_member(one))) for one in annotation]
    return ()


def _is_class(annotation: Any, base: type) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, base)


def _member(one: Enum) -> str:
    return one.name if one.name == str(one.value) else f"{one.name} ({one.value})"


def _shown(text: str) -> str:
    return label(text, _LONGEST_CHOICE)


def _without_none(annotation: Any) -> tuple[Any, bool]:
    """Return the annotation without None and wrappers, and whether it allows None."""
    plain = _stripped(annotation)
    if get_origin(plain) is Literal:
        return plain, None in get_args(plain)
    if get_origin(plain) not in (Union, types.UnionType):
        return plain, False
    members = [_stripped(one) for one in get_args(plain)]
    others = [one for one in members if one is not types.NoneType]
    is_optional = len(others) < len(members)
    return (others[0] if len(others) == 1 else plain), is_optional


def _stripped(annotation: Any) -> Any:
    while True:
        if get_origin(annotation) in _WRAPPERS:
            annotation = get_args(annotation)[0]
        elif isinstance(annotation, NewType):
            annotation = annotation.__supertype__
        else:
            return annotation

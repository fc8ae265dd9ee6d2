"""The shapes of single values: numbers, text, times, enumerations and literals."""

import base64
import math
from collections.abc import Callable, Iterable
from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from enum import Enum, Flag
from pathlib import Path, PosixPath, PurePath, PurePosixPath
from types import NoneType
from typing import Any
from uuid import UUID

from bgjobs._core.payloads.shapes import (
    BOOL,
    FLOAT,
    INT,
    NULL,
    NUMBER,
    TEXT,
    AnnotationError,
    Code,
    Shape,
    type_mismatch,
    value_mismatch,
)

_PURE_POSIX = (PurePosixPath, PosixPath)
_LONGEST_EXACT = timedelta(microseconds=2**52)
"""About 142 years; a float of more seconds rounds the microseconds."""
_SECOND = timedelta(seconds=1)


def _one_of(*kinds: type) -> Callable[[Any], bool]:
    # A subclass would be read back as its base, without what it adds.
    return lambda value: type(value) in kinds


def _is_int(value: Any) -> bool:
    return type(value) is int


def _is_number(value: Any) -> bool:
    return type(value) is float or type(value) is int


def _checking(expected: str, accepts: Callable[[Any], bool]) -> Code:
    def check(value: Any) -> Any:
        if accepts(value):
            return value
        raise type_mismatch(expected, value)

    return check


def _int(value: Any) -> Any:
    if type(value) is int:
        return value
    raise type_mismatch("int", value)


def _str(value: Any) -> Any:
    if type(value) is str:
        return value
    raise type_mismatch("str", value)


def _float(value: Any) -> float:
    if type(value) is not float and not _is_number(value):
        raise type_mismatch("float", value)
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise value_mismatch("expected a finite float, found NaN, Infinity or an int beyond it")
    if number != value:
        raise value_mismatch("expected a float, found an int that a float would round")
    return number


def _aware(value: datetime) -> datetime:
    offset = value.utcoffset()
    if offset is None:
        raise value_mismatch("expected datetime with a time zone, found a naive one")
    _check_offset("datetime", offset)
    return value


def _time_text(value: time) -> str:
    if value.tzinfo is not None:
        offset = value.utcoffset()
        if offset is None:
            raise value_mismatch(
                "expected time with a fixed offset or none, found a named zone"
            )
        _check_offset("time", offset)
    return value.isoformat()


def _check_offset(kind: str, offset: timedelta) -> None:
    # Python writes a shorter offset but reads it as UTC.
    if offset and abs(offset) < _SECOND:
        problem = f"expected {kind} with a UTC offset of zero or at least one second"
        raise value_mismatch(f"{problem}, found a shorter one")


def _seconds(value: timedelta) -> int | float:
    whole, rest = divmod(value, timedelta(seconds=1))
    if not rest:
        return whole
    seconds = value.total_seconds()
    if abs(value) > _LONGEST_EXACT:
        raise value_mismatch(
            "expected timedelta that seconds as a float keep exactly, found a longer one"
        )
    return seconds


def _timedelta(value: Any) -> timedelta:
    if not _is_number(value):
        raise type_mismatch("timedelta as seconds", value)
    try:
        return timedelta(seconds=value)
    except (OverflowError, ValueError):
        raise value_mismatch(
            "expected timedelta as seconds, found a number out of range"
        ) from None


def _decimal_text(value: Decimal) -> str:
    if not value.is_finite():
        raise value_mismatch("expected a finite Decimal, found NaN or Infinity")
    return str(value)


def _decimal(text: str) -> Decimal:
    number = Decimal(text)
    if not number.is_finite():
        raise ValueError(text)
    return number


def _uuid(text: str) -> UUID:
    found = UUID(text)
    if str(found) != text.lower():
        raise ValueError(text)
    return found


def _base64_text(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")


def _base64(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _as_text(
    kind: type,
    write: Callable[[Any], str],
    read: Callable[[str], Any],
    accepts: Callable[[Any], bool] | None = None,
    wanted: str = "",
    *,
    keeps_equality: bool = True,
) -> Shape:
    expected = kind.__name__
    fits = accepts or _one_of(kind)

    def encode(value: Any) -> str:
        if fits(value):
            return write(value)
        raise type_mismatch(wanted or expected, value)

    def decode(value: Any) -> Any:
        if not isinstance(value, str):
            raise type_mismatch(f"{expected} as text", value)
        try:
            return read(value)
        except (ValueError, InvalidOperation):
            raise value_mismatch(f"expected {expected} as text, found other text") from None

    return Shape(expected, TEXT, fits, encode, decode, keeps_equality=keeps_equality)


def _plain(kind: type, kinds: frozenset[type], accepts: Callable[[Any], bool]) -> Shape:
    expected = "None" if kind is NoneType else kind.__name__
    check = _checking(expected, accepts)
    return Shape(expected, kinds, accepts, check, check, keeps_equality=True)


def _encode_timedelta(value: Any) -> int | float:
    if type(value) is timedelta:
        return _seconds(value)
    raise type_mismatch("timedelta", value)


SCALARS: dict[Any, Shape] = {
    NoneType: _plain(NoneType, NULL, _one_of(NoneType)),
    bool: _plain(bool, BOOL, _one_of(bool)),
    int: Shape("int", INT, _is_int, _int, _int, keeps_equality=True),
    float: Shape("float", FLOAT, _is_number, _float, _float, keeps_equality=True),
    str: Shape("str", TEXT, _one_of(str), _str, _str, keeps_equality=True),
    bytes: _as_text(bytes, _base64_text, _base64),
    datetime: _as_text(
        datetime,
        lambda value: _aware(value).isoformat(),
        lambda text: _aware(datetime.fromisoformat(text)),
        # Two wall times of one named zone may be the same instant.
        keeps_equality=False,
    ),
    date: _as_text(date, date.isoformat, date.fromisoformat),
    time: _as_text(time, _time_text, time.fromisoformat),
    timedelta: Shape(
        "timedelta",
        NUMBER,
        _one_of(timedelta),
        _encode_timedelta,
        _timedelta,
        keeps_equality=True,
    ),
    UUID: _as_text(UUID, str, _uuid),
    Decimal: _as_text(Decimal, _decimal_text, _decimal),
    # Path() and PurePath() return the class of the current system.
    Path: _as_text(Path, str, Path, _one_of(type(Path()))),
    PurePath: _as_text(
        PurePath,
        str,
        PurePath,
        _one_of(type(PurePath()), type(Path())),
        "PurePath of this system",
    ),
    PosixPath: _as_text(PosixPath, str, PosixPath),
    PurePosixPath: _as_text(PurePosixPath, str, PurePosixPath, _one_of(*_PURE_POSIX)),
}
"""The shapes of classes of single values."""


def enum_shape(kind: type[Enum]) -> Shape:
    """Return the shape of an enumeration, whose members are written as their values."""
    wrong = [member.name for member in kind if type(member.value) not in (str, int)]
    if wrong or not len(kind):
        found = f"{wrong[0]} with another value" if wrong else "no member"
        raise AnnotationError(f"expected an Enum of str or int values, found {found}")
    if issubclass(kind, Flag):
        return _flag_shape(kind)
    members = {_key(member.value): member for member in kind}

    def encode(value: Any) -> Any:
        if type(value) is not kind:
            raise type_mismatch(kind.__name__, value)
        # `_missing_` may have made a member that the class does not list.
        json = value.value
        if not _is_choice(json) or members.get(_key(json)) is not value:
            raise value_mismatch(
                f"expected a member of {kind.__name__}, found one that is not declared"
            )
        return json

    decode = _chooser(f"a value of {kind.__name__}", members)
    kinds = frozenset[type](key for key, _ in members)
    return _shape_of_members(kind, kinds, encode, decode)


def _flag_shape(kind: type[Flag]) -> Shape:
    def encode(value: Any) -> Any:
        if type(value) is not kind:
            raise type_mismatch(kind.__name__, value)
        if decode(value.value) != value:
            raise value_mismatch(f"expected flags of {kind.__name__}, found undeclared ones")
        return value.value

    def decode(value: Any) -> Any:
        if type(value) is not int:
            raise type_mismatch(f"a value of {kind.__name__}", value)
        try:
            found = kind(value)
        except Exception:  # noqa: BLE001 - a user's `_missing_` may raise anything
            found = None
        if type(found) is not kind:
            raise value_mismatch(f"expected a value of {kind.__name__}, found another int")
        return found

    return _shape_of_members(kind, INT, encode, decode)


def _shape_of_members(
    kind: type[Enum], kinds: frozenset[type], encode: Code, decode: Code
) -> Shape:
    return Shape(
        kind.__name__,
        kinds,
        lambda value: type(value) is kind,
        encode,
        decode,
        exact=True,
        keeps_equality=True,
    )


def literal_shape(choices: Iterable[Any]) -> Shape:
    """Return the shape of a `Literal`; members of enumerations are written as their values."""
    written = {_key(choice): _written(choice) for choice in choices}
    read = {_key(json): choice for (_, choice), json in written.items()}
    if len(read) < len(written):
        raise AnnotationError("expected Literal values that differ, found equal ones")
    expected = f"one of {', '.join(repr(json) for _, json in read)}"
    return Shape(
        expected,
        frozenset[type](key for key, _ in read),
        lambda value: _is_choice(value) and _key(value) in written,
        _chooser(expected, written),
        _chooser(expected, read),
        exact=True,
        keeps_equality=True,
    )


def _written(choice: Any) -> Any:
    value = choice.value if isinstance(choice, Enum) else choice
    if value is None or type(value) in (bool, int, str):
        return value
    raise AnnotationError(
        f"expected a Literal of None, bool, int or str, found {type(value).__name__}"
    )


def _key(value: object) -> tuple[type[Any], Any]:
    # True equals 1, so the type is part of the key.
    return type(value), value


def _is_choice(value: Any) -> bool:
    # Subclasses of str and int are excluded; they may not be hashable.
    return value is None or type(value) in (bool, int, str) or isinstance(value, Enum)


def _chooser(expected: str, choices: dict[tuple[type, Any], Any]) -> Code:
    def choose(value: Any) -> Any:
        if _is_choice(value) and _key(value) in choices:
            return choices[_key(value)]
        if any(type(value) is kind for kind, _ in choices):
            raise value_mismatch(f"expected {expected}, found another {type(value).__name__}")
        raise type_mismatch(expected, value)

    return choose

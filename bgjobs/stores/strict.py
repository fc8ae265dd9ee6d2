"""Readers of JSON values, each of which refuses all values but the expected ones.

A refusal says what was expected and what was found, but never quotes the value, which may be a
payload.
"""

import json
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, NoReturn, TypeVar, cast, final
from uuid import UUID

from bgjobs._core.text import check_storable
from bgjobs._core.timestamps import LONGEST_DELAY, MICROSECOND, as_instant, from_microseconds

T = TypeVar("T")

_LONGEST_NUMBER = 40
"""Characters of the longest number; no field accepts a longer one."""
_INSTANT = "an instant with a time zone, from the year 1 to 9999"


@final
class Refused(Exception):  # noqa: N818 - the caller of a reader turns it into an error
    """Why a value is refused."""


def refuse(wanted: str, found: str) -> NoReturn:
    """Raise `Refused`."""
    raise Refused(f"expected {wanted}, found {found}")


def kind_of(found: object) -> str:
    """Return the type of a value in words."""
    return "none" if found is None else type(found).__name__


def made(make: Callable[[], T]) -> T:
    """Return what `make` returns; `Refused` has the reason without the name before it."""
    try:
        return make()
    except (ValueError, TypeError) as error:
        raise Refused(str(error).rpartition(": ")[2]) from None


def loaded(text: str, wanted: str) -> dict[str, Any]:
    """Return the JSON object of a text; a refusal describes it as `wanted`."""
    try:
        found = _DECODER.decode(text)
    except RecursionError:
        refuse(wanted, "one nested too deeply")
    except ValueError:
        found = None
    if not isinstance(found, dict):
        refuse(wanted, "something else")
    return cast("dict[str, Any]", found)


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        refuse("each name once in an object", "one twice")
    return values


def _no_constant(name: str) -> NoReturn:
    refuse("JSON", name)


def _number(text: str) -> float:
    return int(text) if len(text) <= _LONGEST_NUMBER else float(text)


_DECODER = json.JSONDecoder(
    object_pairs_hook=_without_duplicates, parse_constant=_no_constant, parse_int=_number
)


@final
class Fields:
    """Named values."""

    def __init__(self, values: dict[str, Any]) -> None:
        self._values = values

    def take(self, name: str, read: Callable[[Any], T]) -> T:
        """Return what `read` returns for a value; `Refused` names the field."""
        if name not in self._values:
            raise Refused(f"{name}: expected a value, found none")
        return _at(name, read, self._values[name])


def several(found: object, most: int, read: Callable[[Any], T]) -> tuple[T, ...]:
    """Return what `read` returns for each value of a list; `Refused` has the position."""
    values = as_list(found)
    if len(values) > most:
        refuse(f"at most {most}", f"{len(values):,}")
    return tuple(_at(f"[{index}]", read, one) for index, one in enumerate(values))


def _at(where: str, read: Callable[[Any], T], found: object) -> T:
    try:
        return read(found)
    except Refused as refused:
        raise Refused(f"{where}: {refused}") from None


def as_list(found: object) -> list[Any]:
    """Return a list."""
    if not isinstance(found, list):
        refuse("a list", kind_of(found))
    return cast("list[object]", found)


def as_text(found: object) -> str:
    """Return a text that both databases can store."""
    return made(lambda: check_storable("", found))


def as_id(found: object) -> UUID:
    """Return a UUID."""
    try:
        return UUID(as_text(found))
    except ValueError:
        refuse("a UUID", "other text")


def as_time(found: object) -> datetime:
    """Return the time of a text in ISO format."""
    try:
        return as_instant("instant", datetime.fromisoformat(as_text(found)))
    except ValueError:
        refuse(_INSTANT, "other text")


def as_moment(found: object) -> datetime:
    """Return the time of a number of microseconds."""
    count = whole(-(2**62), 2**62)(found)
    try:
        return from_microseconds(count)
    except OverflowError:
        refuse(_INSTANT, "one beyond")


def as_duration(found: object) -> timedelta:
    """Return the duration of a number of microseconds."""
    return timedelta(microseconds=whole(0, LONGEST_DELAY // MICROSECOND)(found))


def as_flag(found: object) -> bool:
    """Return true or false."""
    if not isinstance(found, bool):
        refuse("true or false", kind_of(found))
    return found


def whole(least: int, most: int) -> Callable[[object], int]:
    """Return a reader of whole numbers between two bounds."""

    def read(found: object) -> int:
        if isinstance(found, bool) or not isinstance(found, int | float):
            refuse(wanted, kind_of(found))
        if not isinstance(found, int) or not least <= found <= most:
            refuse(wanted, "another number")
        return found

    wanted = f"a whole number from {least:,} to {most:,}"
    return read


def amount(most: int) -> Callable[[object], float]:
    """Return a reader of numbers, whole or not, from 0 to a bound."""

    def read(found: object) -> float:
        if isinstance(found, bool) or not isinstance(found, int | float):
            refuse(wanted, kind_of(found))
        if not 0 <= found <= most:
            refuse(wanted, "another number")
        return found

    wanted = f"a number from 0 to {most:,}"
    return read


def text_of(longest: int, *, least: int = 1) -> Callable[[object], str]:
    """Return a reader of texts with `least` to `longest` characters."""

    def read(found: object) -> str:
        text = as_text(found)
        if not least <= len(text) <= longest:
            refuse(f"{wanted} characters", f"{len(text):,}")
        return text

    wanted = f"{least} to {longest:,}" if least else f"at most {longest:,}"
    return read


def one_of(words: Sequence[str]) -> Callable[[object], str]:
    """Return a reader of one of these words."""

    def read(found: object) -> str:
        if not isinstance(found, str) or found not in words:
            refuse(f"one of {', '.join(words)}", "another value")
        return found

    return read


def optional(read: Callable[[Any], T]) -> Callable[[Any], T | None]:
    """Return a reader that also accepts null."""
    return lambda found: None if found is None else read(found)

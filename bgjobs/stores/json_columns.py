"""JSON texts in columns: what is read there may have been written by anything."""

import json
from typing import Any, TypeVar

from bgjobs._core.jobs import is_utf8

T = TypeVar("T")
_OBJECT: type[dict[str, Any]] = dict
_ARRAY: type[list[Any]] = list


def parsed(text: str) -> Any:
    """Return what a JSON text holds, of any type; `ValueError` for other text."""
    try:
        found: Any = json.loads(text)
    except RecursionError:
        raise ValueError("expected JSON, found too many levels") from None
    return found


def as_text(found: object) -> str:
    """Return a text that can be stored again; `ValueError` for anything else."""
    if not isinstance(found, str) or not (found.isascii() or is_utf8(found)):
        raise ValueError("expected a text")
    return found


def as_count(found: object, *, least: int = 0, most: int = 2**63 - 1) -> int:
    """Return a whole number between two bounds; `ValueError` for anything else."""
    if type(found) is not int or not least <= found <= most:
        raise ValueError(f"expected a whole number from {least} to {most}")
    return found


def as_object(found: object) -> dict[str, Any]:
    """Return a JSON object; `ValueError` for anything else."""
    return _of_type(found, _OBJECT)


def as_array(found: object) -> list[Any]:
    """Return a JSON array; `ValueError` for anything else."""
    return _of_type(found, _ARRAY)


def as_flag(found: object) -> bool:
    """Return true or false; `ValueError` for anything else."""
    return _of_type(found, bool)


def _of_type(found: object, kind: type[T]) -> T:
    if not isinstance(found, kind):
        # One error for all that is wrong with a text of a row, its types too.
        raise ValueError(f"expected {kind.__name__}")  # noqa: TRY004 - see above
    return found

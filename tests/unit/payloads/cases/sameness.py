"""As strict a comparison as there can be: by type at every depth, by order, by each field."""

import dataclasses
import inspect
from datetime import datetime, time
from decimal import Decimal
from functools import cached_property
from typing import Any

import attrs

MISSING = object()
KEPT = ("__orig_class__", "_attrs_cached_hash")
"""What `Generic` and attrs leave in an instance for themselves."""


def is_same(one: Any, other: Any) -> bool:
    """Whether nothing tells the two apart, which `==` often says of different values."""
    if type(one) is not type(other):
        return False
    if isinstance(one, set | frozenset):
        return len(one) == len(other) and _is_each_in(list(one), list(other))
    parts = _parts_of(one)
    if parts is None:
        return bool(one == other)
    others = _parts_of(other) or []
    return len(parts) == len(others) and all(map(is_same, parts, others))


def _is_each_in(some: list[Any], others: list[Any]) -> bool:
    for one in some:
        like = next((n for n, other in enumerate(others) if is_same(one, other)), None)
        if like is None:
            return False
        del others[like]
    return True


def _parts_of(value: Any) -> list[Any] | None:
    """Return all that makes a value; None if `==` decides."""
    if isinstance(value, float):
        return [value.hex()]
    if isinstance(value, Decimal):
        return [str(value)]
    if isinstance(value, datetime | time):
        return [value.isoformat(), value.fold, type(value.tzinfo).__name__]
    if isinstance(value, dict):
        return [*value, *value.values()]
    names = _fields_of(type(value))
    if names is not None:
        return [*(getattr(value, name, MISSING) for name in names), _state(value)]
    return [*value, _state(value)] if isinstance(value, list | tuple) else None


def _fields_of(kind: Any) -> list[str] | None:
    if attrs.has(kind):
        return [one.name for one in attrs.fields(kind)]
    if dataclasses.is_dataclass(kind):
        return [one.name for one in dataclasses.fields(kind)]
    return None


def _state(value: Any) -> dict[str, Any]:
    """Return what an instance holds, but for results that it or Python keeps."""
    found = getattr(value, "__dict__", {})
    return {
        name: found[name]
        for name in sorted(found)
        if name not in KEPT
        and not isinstance(inspect.getattr_static(type(value), name, None), cached_property)
    }

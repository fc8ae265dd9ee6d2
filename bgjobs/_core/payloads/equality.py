"""Comparison of a value with what it is read back as.

It is stricter than `==`: True equals 1, a subclass may equal its base, and a class may leave
fields out of its comparison.
"""

import dataclasses
import inspect
import types
from collections.abc import Collection, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from functools import cached_property
from pathlib import PurePath
from typing import Any, Generic, cast

import attrs

from bgjobs._core.payloads.fields import field_names, is_typed_dict
from bgjobs._core.payloads.shapes import key_step

_MISSING = object()
_TEXTS = (str, bytes, bytearray)
"""Sequences that no annotation accepts as a sequence."""
_HOOKS = ("__post_init__", "__attrs_pre_init__", "__attrs_post_init__")
_KEPT = ("__orig_class__", "_attrs_cached_hash")
"""Attributes that `Generic` and attrs (`cache_hash`) set in an instance."""


def difference(given: object, found: object) -> str | None:
    """Return the path to the first part that differs, "" for the whole value, None if equal."""
    if type(given) is not type(found):
        return _across_classes(given, found)
    if attrs.has(type(given)) or dataclasses.is_dataclass(given):
        return _in_fields(given, found)
    if isinstance(given, dict):
        return _in_entries(cast("Any", given), cast("Any", found))
    if isinstance(given, list | tuple):
        return _in_items(cast("Any", given), cast("Any", found))
    return None if _is_same(given, found) else ""


def _is_same(given: Any, found: Any) -> bool:
    if isinstance(given, datetime):
        return _is_same_instant(given, found)
    if isinstance(given, set | frozenset):
        return _has_same_items(cast("Any", given), found)
    return _is_equal(given, found)


def _across_classes(given: Any, found: Any) -> str | None:
    """Compare contents, because `Sequence` and its like are read back as another class."""
    kind = cast("Any", type(found))
    if kind is list and isinstance(given, Sequence) and not isinstance(given, _TEXTS):
        return _in_items(list(cast("Any", given)), found)
    if kind is dict and isinstance(given, Mapping):
        return _in_entries(cast("Any", given), found)
    if kind in (set, frozenset) and isinstance(given, AbstractSet):
        return None if _has_same_items(cast("Any", given), found) else ""
    is_wider = (type(given) is int and kind is float) or (
        isinstance(given, PurePath) and isinstance(found, PurePath)
    )
    return None if is_wider and _is_equal(given, found) else ""


def _in_fields(given: Any, found: Any) -> str | None:
    for one in value_fields(type(given)):
        pair = getattr(given, one.name, _MISSING), getattr(found, one.name, _MISSING)
        path = difference(*pair)
        if path is not None:
            return f".{one.name}{path if one.repr is True else ''}"
    return _in_extra_attributes(given, found)


def _in_extra_attributes(given: Any, found: Any) -> str | None:
    pair = extra_attributes(given), extra_attributes(found)
    if pair[0].keys() != pair[1].keys():
        return ""
    return _first(
        (f".{name}", difference(value, pair[1][name])) for name, value in pair[0].items()
    )


def _in_entries(given: Mapping[Any, Any], found: Mapping[Any, Any]) -> str | None:
    if given.keys() == found.keys():
        others = [found[key] for key in given]
    elif _are_same_in_order(given, found):
        others = list(found.values())
    else:
        return ""
    pairs = zip(given.items(), others, strict=True)
    return _first((key_step(key), difference(value, other)) for (key, value), other in pairs)


def _are_same_in_order(given: Mapping[Any, Any], found: Mapping[Any, Any]) -> bool:
    # In an hour that a clock change repeats, a datetime does not equal itself in another zone.
    return len(given) == len(found) and all(
        difference(*pair) is None for pair in zip(given, found, strict=True)
    )


def _in_items(given: Sequence[Any], found: Sequence[Any]) -> str | None:
    if len(given) != len(found):
        return ""
    names: Sequence[str] = getattr(given, "_fields", ())
    path = _first(
        (f".{names[index]}" if names else f"[{index}]", difference(*pair))
        for index, pair in enumerate(zip(given, found, strict=True))
    )
    return _in_extra_attributes(given, found) if names and path is None else path


def _first(steps: Iterator[tuple[str, str | None]]) -> str | None:
    return next((step + path for step, path in steps if path is not None), None)


def _has_same_items(given: Collection[Any], found: Collection[Any]) -> bool:
    by_value = {one: one for one in found}
    left: list[Any] = []
    for one in given:
        like = by_value.pop(one, _MISSING)
        if like is _MISSING:
            left.append(one)
        elif difference(one, like) is not None:  # `==` may leave out fields
            return False
    return _has_like(left, list(by_value))


def _has_like(given: list[Any], found: list[Any]) -> bool:
    """Whether the two have the same items, by `difference` and not by `==`."""
    for one in given:
        like = next(
            (n for n, other in enumerate(found) if difference(one, other) is None), None
        )
        if like is None:
            return False
        del found[like]
    return not found


def _is_same_instant(given: datetime, found: datetime) -> bool:
    # `==` between zones is False in an hour that a clock change repeats.
    same_wall_time = given.replace(tzinfo=None, fold=0) == found.replace(tzinfo=None, fold=0)
    return given == found or (same_wall_time and given.utcoffset() == found.utcoffset())


def _is_equal(given: Any, found: Any) -> bool:
    try:
        # A value that differs from itself, such as NaN, counts as equal.
        return bool(given == found) or bool(given != given and found != found)  # noqa: PLR0124 - NaN
    except Exception:  # noqa: BLE001 - user code may raise anything
        return False


def is_rebuilt_from_fields(kind: type[Any]) -> bool:
    """Whether an instance depends on its fields only.

    A class with code of its own, such as a converter or `__post_init__`, may be read back
    changed. Each request compares instances of such classes with what they are read back as.
    """
    if is_typed_dict(kind):
        return True
    if not (attrs.has(kind) or dataclasses.is_dataclass(kind)):
        return _is_plain_namedtuple(kind)
    return (
        not any(hasattr(kind, hook) for hook in _HOOKS)
        and type(kind).__call__ is type.__call__
        and kind.__new__ is object.__new__
        and kind.__getattribute__ is object.__getattribute__
        and _is_generated(kind.__init__)
        and (kind.__setattr__ is object.__setattr__ or _is_generated(kind.__setattr__))
        and all(_is_plain_field(kind, one) for one in value_fields(kind))
    )


def value_fields(kind: Any) -> "Iterator[attrs.Attribute[Any] | dataclasses.Field[Any]]":
    """Yield the fields that belong to the value of an attrs class or a dataclass.

    Fields with both `init=False` and `eq=False` (`compare=False`) do not.
    """
    for one in attrs.fields(kind) if attrs.has(kind) else dataclasses.fields(kind):
        compared = one.eq if isinstance(one, attrs.Attribute) else one.compare
        if one.init or compared is not False:
            yield one


def extra_attributes(value: Any, known: "Collection[str] | None" = None) -> dict[str, Any]:
    """Return the attributes of an instance that are neither fields nor cached properties."""
    kind = cast("Any", type(value))
    names = field_names(kind) if known is None else known
    return {
        name: one
        for name, one in getattr(value, "__dict__", {}).items()
        if name not in names
        and name not in _KEPT
        and not isinstance(inspect.getattr_static(kind, name, None), cached_property)
    }


def is_slot(kind: type[Any], name: str) -> bool:
    """Whether instances keep the attribute in a slot, outside their `__dict__`."""
    return isinstance(inspect.getattr_static(kind, name, None), types.MemberDescriptorType)


def _is_plain_field(kind: type[Any], one: Any) -> bool:
    if getattr(one, "converter", None) or getattr(one, "validator", None):
        return False
    # A property or descriptor of this name may store another value.
    kept: object = inspect.getattr_static(kind, one.name, None)
    return bool(one.init) and (is_slot(kind, one.name) or not hasattr(kept, "__get__"))


def _is_plain_namedtuple(kind: type[Any]) -> bool:
    return set(kind.__bases__) <= {tuple, Generic}


def _is_generated(method: Any) -> bool:
    """Whether attrs or dataclasses generated it."""
    code: Any = getattr(method, "__code__", None)
    if code is None:
        return False
    by_attrs = code.co_filename.startswith("<attrs generated ")
    by_dataclass = code.co_qualname.startswith("__create_fn__.<locals>.")
    return bool(by_attrs or by_dataclass or method.__module__ == "attr._make")

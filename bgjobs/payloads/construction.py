"""Whether an instance that is made again from its fields is bound to be the same.

It is, unless a class has code of its own that runs then, or fields that are not written. Values
of those classes are compared with what is read back, by each request.
"""

import dataclasses
import inspect
import types
from collections.abc import Collection, Iterator
from functools import cached_property
from typing import Any, Generic, cast, is_typeddict

import attrs

_HOOKS = ("__post_init__", "__attrs_pre_init__", "__attrs_post_init__")
_KEPT = ("__orig_class__", "_attrs_cached_hash")
"""What `Generic` and attrs (`cache_hash`) leave in an instance."""


def is_remade_as_it_was(kind: type[Any]) -> bool:
    """Whether nothing but the fields decides what an instance is."""
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
        and all(_is_plain_field(kind, one) for one in parts_of(kind))
    )


def is_typed_dict(kind: Any) -> bool:
    """Whether it is a TypedDict, of whichever module."""
    # By its name: that of typing_extensions is another one on older Pythons.
    return is_typeddict(kind) or type(kind).__name__ == "_TypedDictMeta"


def parts_of(kind: Any) -> "Iterator[attrs.Attribute[Any] | dataclasses.Field[Any]]":
    """Yield the fields that make the value of an attrs class or a dataclass.

    A field that is neither given to the constructor nor compared is none of its value.
    """
    for one in attrs.fields(kind) if attrs.has(kind) else dataclasses.fields(kind):
        compared = one.eq if isinstance(one, attrs.Attribute) else one.compare
        if one.init or compared is not False:
            yield one


def other_state(value: Any, known: "Collection[str] | None" = None) -> dict[str, Any]:
    """Return the attributes of an instance that are neither fields nor results kept of them."""
    kind = cast("Any", type(value))
    names = names_of_fields(kind) if known is None else known
    return {
        name: one
        for name, one in getattr(value, "__dict__", {}).items()
        if name not in names
        and name not in _KEPT
        and not isinstance(inspect.getattr_static(kind, name, None), cached_property)
    }


def names_of_fields(kind: Any) -> frozenset[str]:
    """Return the names of all fields, those included that no constructor takes."""
    if attrs.has(kind):
        return frozenset(one.name for one in attrs.fields(kind))
    if dataclasses.is_dataclass(kind):
        return frozenset(one.name for one in dataclasses.fields(kind))
    return frozenset[str]()


def is_slot(kind: type[Any], name: str) -> bool:
    """Whether instances keep the attribute in a slot, outside their `__dict__`."""
    return isinstance(inspect.getattr_static(kind, name, None), types.MemberDescriptorType)


def _is_plain_field(kind: type[Any], one: Any) -> bool:
    if getattr(one, "converter", None) or getattr(one, "validator", None):
        return False
    # A property or a descriptor of this name decides what is kept.
    kept: object = inspect.getattr_static(kind, one.name, None)
    return bool(one.init) and (is_slot(kind, one.name) or not hasattr(kept, "__get__"))


def _is_plain_namedtuple(kind: type[Any]) -> bool:
    return set(kind.__bases__) <= {tuple, Generic}


def _is_generated(method: Any) -> bool:
    """Whether attrs or dataclasses wrote it, and not the author of the class."""
    code: Any = getattr(method, "__code__", None)
    if code is None:
        return False
    by_attrs = code.co_filename.startswith("<attrs generated ")
    by_dataclass = code.co_qualname.startswith("__create_fn__.<locals>.")
    return bool(by_attrs or by_dataclass or method.__module__ == "attr._make")

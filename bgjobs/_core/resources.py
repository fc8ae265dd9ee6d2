"""The resources of handlers: what a lifespan must be, and which handlers its value fits."""

import inspect
from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from types import UnionType
from typing import Annotated, Any, NewType, Protocol, TypeVar, Union, get_args, get_origin

from bgjobs._core.lazy import close_coroutines, is_async_function
from bgjobs._core.payloads.annotations import annotation_text
from bgjobs._core.payloads.fields import is_typed_dict
from bgjobs._core.workers import Worker

_EXPECTED = "expected a function of the client that returns an async context manager"
_HINT = "decorate the function with @contextlib.asynccontextmanager"

T_co = TypeVar("T_co", covariant=True)


def problem_of_lifespan(lifespan: object) -> str | None:
    """Return what is wrong with `Config.lifespan`, as far as can be seen without a call."""
    found = None if lifespan is None else _other_kind_of(lifespan)
    return f"{_EXPECTED}, found {found}" if found else None


def _other_kind_of(lifespan: Any) -> str | None:  # Any: whatever a caller without types passes
    if isinstance(lifespan, AbstractAsyncContextManager | AbstractContextManager):
        return "the result of a call; pass the function itself"
    if isinstance(lifespan, type):
        return None if _has_methods(lifespan) else f"the class {lifespan.__name__}"
    if not callable(lifespan):
        close_coroutines(lifespan)
        return type(lifespan).__name__
    if is_async_function(lifespan):
        return f"an async function; yield the value, and {_HINT}"
    if inspect.isasyncgenfunction(lifespan) or inspect.isgeneratorfunction(lifespan):
        return f"a generator function; {_HINT}"
    return None


def _has_methods(kind: type[Any]) -> bool:
    return hasattr(kind, "__aenter__") and hasattr(kind, "__aexit__")


def problem_of_opened(opened: object) -> str | None:
    """Return what is wrong with what a lifespan has returned."""
    if _has_methods(type(opened)):
        return None
    close_coroutines(opened)
    found = f"one that returned an object of type {type(opened).__name__!r}"
    return f"{_EXPECTED}, found {found}; {_HINT}"


def mismatches(
    workers: Iterable[Worker[..., Any]], resources: object, *, has_lifespan: bool
) -> list[str]:
    """Return one problem for each worker whose annotation does not fit the resources."""
    found = annotation_text(type(resources)) if has_lifespan else "no lifespan"
    problems = (
        f"worker {worker.name!r}: context.resources: "
        f"expected {annotation_text(worker.resources)}, found {found}"
        for worker in workers
        if worker.resources is not None and not fits(resources, worker.resources)
    )
    return list(dict.fromkeys(problems))  # several queues may have the same worker


def fits(value: object, annotation: Any) -> bool:
    """Whether a value fits an annotation, as far as can be checked at run time.

    Generic classes are checked by their origin, so what is inside a list is not. Any: that is
    what annotations are.
    """
    plain = _plain(annotation)
    kind = get_origin(plain) or plain
    if kind in (Union, UnionType):
        return any(fits(value, member) for member in get_args(plain))
    if kind in (Any, object) or isinstance(kind, TypeVar):
        return True
    if is_typed_dict(kind):
        return isinstance(value, dict)
    if _is_protocol(kind) and not getattr(kind, "_is_runtime_protocol", False):
        return all(_has(value, member) for member in protocol_members(kind))
    try:
        return isinstance(value, kind)
    except TypeError:  # no class, so nothing can be checked
        return True


def _plain(annotation: Any) -> Any:
    """Return the annotation that a new type, an alias or `Annotated` is made from."""
    while True:
        if get_origin(annotation) is Annotated:
            annotation = get_args(annotation)[0]
        elif isinstance(annotation, NewType):
            annotation = annotation.__supertype__
        elif hasattr(annotation, "__value__"):  # an alias: `type Pool = ...`, of Python 3.12
            annotation = annotation.__value__
        else:
            return annotation


def _is_protocol(kind: Any) -> bool:
    return isinstance(kind, type) and getattr(kind, "_is_protocol", False) is True


class _Bare(Protocol[T_co]):
    """A protocol without members."""


_OF_EVERY_PROTOCOL = frozenset(
    {*vars(_Bare), "__annotations__", "__slots__", "__match_args__", "_is_runtime_protocol"}
)


def protocol_members(protocol: type) -> frozenset[str]:
    """Return the names that an object has to have to fit a protocol.

    `typing.get_protocol_members` exists from Python 3.13, and its attribute from 3.12.
    """
    known: Iterable[str] | None = getattr(protocol, "__protocol_attrs__", None)
    if known is not None:
        return frozenset(known)
    return frozenset(
        name
        for base in protocol.__mro__
        if _is_protocol(base) and base is not Protocol
        for name in (*vars(base), *vars(base).get("__annotations__", ()))
        if name not in _OF_EVERY_PROTOCOL and not name.startswith("_abc_")
    )


def _has(value: object, member: str) -> bool:
    # Statically first: reading a property runs its code.
    missing = object()
    return inspect.getattr_static(value, member, missing) is not missing or hasattr(
        value, member
    )

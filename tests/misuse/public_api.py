"""The public API: every function, constructor and method that callers can reach."""

import inspect
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import Any, get_origin, get_type_hints

from attrs import frozen

from tests.misuse.exceptions import MEANS, is_tested

MODULES = (
    "bgjobs",
    "bgjobs.backoff",
    "bgjobs.schedules",
    "bgjobs._core.timeline",
    "bgjobs.testing",
    "bgjobs.telemetry",
    "bgjobs.web",
)
"""The modules that documents import from."""
READ = ("bgjobs.errors", "bgjobs.events")
"""Modules that documents import from, whose classes callers do not construct."""


@frozen
class Callee:
    """A function, a class, or a method of an object of `owner`."""

    name: str
    function: Any
    owner: type | None
    parameters: Sequence[inspect.Parameter]
    """The parameters, with resolved annotations."""

    def __str__(self) -> str:
        return self.name

    @property
    def is_async(self) -> bool:
        """Whether it is an async function or an async generator."""
        inner = inspect.unwrap(self.function)
        return inspect.iscoroutinefunction(inner) or inspect.isasyncgenfunction(inner)


def callees() -> Iterator[Callee]:
    """Yield all callables with arguments, except those that `exceptions` names."""
    for name, called, function, owner in _found():
        if is_tested(name):
            callee = callee_of(name, called, function, owner)
            if callee.parameters:
                yield callee


def all_names() -> Iterator[str]:
    """Yield the names of all callables, including the exceptions."""
    for name, *_ in _found():
        yield name


def callee_of(name: str, called: Any, function: Any, owner: type | None = None) -> Callee:
    """Return the callable `called` with the annotations of `function`."""
    hints = _hints(function, sys.modules[called.__module__])
    parameters = list(inspect.signature(called).parameters.values())
    if owner is not None:
        del parameters[0]  # self
    resolved = [
        one.replace(annotation=MEANS.get(f"{name}({one.name})", hints[one.name]))
        for one in parameters
    ]
    return Callee(name, called, owner, resolved)


_Found = tuple[str, Any, Any, type | None]


def _found() -> Iterator[_Found]:
    for name, value in {id(value): (name, value) for name, value in _names()}.values():
        if inspect.isclass(value):
            if inspect.isfunction(value.__init__):
                yield name, value, value.__init__, None
            yield from _methods(name, value)
        elif inspect.isfunction(value):
            yield name, value, value, None
        elif callable(value) and get_origin(value) is None:
            raise LookupError(f"{name}: expected a class or a function, found {value!r}")


def _names() -> Iterator[tuple[str, Any]]:
    for path in MODULES:
        module = import_module(path)
        own = [name for name, value in vars(module).items() if _is_of(module, value)]
        for name in getattr(module, "__all__", own):
            yield name, getattr(module, name)


def _is_of(module: Any, value: Any) -> bool:
    name = getattr(value, "__name__", "_")
    return getattr(value, "__module__", None) == module.__name__ and not name.startswith("_")


def _methods(class_name: str, owner: type) -> Iterator[_Found]:
    for name in dir(owner):
        if name.startswith("_"):
            continue
        found, called = inspect.getattr_static(owner, name), getattr(owner, name)
        if isinstance(found, classmethod | staticmethod):
            yield f"{class_name}.{name}", called, found.__func__, None
        elif inspect.isfunction(found) and not getattr(found, "__isabstractmethod__", False):
            yield f"{class_name}.{name}", called, found, owner


def _hints(function: Any, module: Any) -> dict[str, Any]:
    later = dict(_names()) | vars(import_module("bgjobs.events"))  # imports for types alone
    return get_type_hints(function, vars(module), later)

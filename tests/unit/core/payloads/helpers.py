"""A worker with one parameter, and what becomes of a value that is stored for it."""

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from bgjobs._core.workers import Worker, worker
from bgjobs.errors import PayloadError, WorkerDefinitionError

CHANGED = "expected a value that is read back unchanged, found one that would change"


def worker_of(annotation: Any) -> Worker[[Any], object]:
    """Return a worker whose parameter ``it`` has the annotation."""

    def handler(it: Any) -> None: ...

    handler.__annotations__ = {"it": annotation}
    return worker(name="w")(handler)


def refusal_of(annotation: Any) -> str:
    """Return the text of the error for an annotation, without the name of the worker."""
    with pytest.raises(WorkerDefinitionError) as caught:
        worker_of(annotation)
    return str(caught.value).removeprefix("worker 'w': ")


def through(annotation: Any, value: Any) -> Any:
    """Return a value after it was stored and read back."""
    one = worker_of(annotation)
    args, kwargs = one.decode(one.request(value).payload)
    assert (args, list(kwargs)) == ((), ["it"])
    return kwargs["it"]


def problems_of(call: Callable[..., object], *args: Any, **kwargs: Any) -> list[str]:
    """Return the problems of the arguments or the payload that a call refuses."""
    with pytest.raises(PayloadError) as caught:
        call(*args, **kwargs)
    return list(caught.value.problems)


def problems_with(annotation: Any, value: Any) -> list[str]:
    """Return the problems of a value that does not fit its annotation."""
    return problems_of(worker_of(annotation).request, value)


def module_of(name: str, statements: str) -> ModuleType:
    """Return a module made of statements, in which annotations are resolved by name."""
    module = ModuleType(name)
    sys.modules[name] = module
    exec(statements, module.__dict__)
    return module

"""The probe: call a function with one wrong argument at a time, and check its errors."""

import re
from collections.abc import AsyncIterator, Awaitable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from functools import partial
from inspect import Parameter
from typing import Any

from anyio import fail_after

from bgjobs._core.workers import WorkerMaker
from bgjobs.errors import BgJobsError, StoreError
from bgjobs.schedules import ScheduleBuilder
from tests.misuse.exceptions import ALIASES, UNIQUE, is_tested
from tests.misuse.public_api import Callee
from tests.misuse.values import Wrong, arguments, deferred, discard, right, wrong_for

PATIENCE = 20.0
"""Seconds within which a call has to return."""


async def problems_of(callee: Callee, more: Mapping[Any, Any] = {}) -> list[str]:
    """Return the problems of a function with each wrong argument."""
    found = list[str]()
    for parameter, wrong in _wrong_for(callee):
        call = f"{callee.name}({parameter.name}={wrong.label})"
        problem = await _problem_of(callee, parameter, wrong, more) if is_tested(call) else None
        if problem is not None:
            found.append(f"{call}: {problem}")
        if problem == NO_ANSWER:  # the other calls would not return either
            break
    return found


def _wrong_for(callee: Callee) -> Iterator[tuple[Parameter, Wrong]]:
    for parameter in callee.parameters:
        for wrong in wrong_for(parameter.annotation):
            yield parameter, wrong
        if f"{callee.name}({parameter.name})" in UNIQUE:
            [one] = right(parameter)
            yield parameter, Wrong("the same twice", partial(list, (one, one)))


NO_ANSWER = f"no answer within {PATIENCE} s"


async def _problem_of(
    callee: Callee, parameter: Parameter, wrong: Wrong, more: Mapping[Any, Any]
) -> str | None:
    value = wrong.make()
    args, kwargs = arguments(callee, parameter.name, value, more)
    try:
        with fail_after(PATIENCE):
            await _finish(callee.function(*args, **kwargs))
    except TimeoutError:
        return NO_ANSWER
    except Exception as error:  # noqa: BLE001 - the error is what is checked
        return _problem_of_error(error, callee, parameter)
    finally:
        discard(value)
    return "accepted"


async def _finish(result: Any) -> None:
    """Use the result, since some arguments are checked only then."""
    if isinstance(result, Awaitable):
        result = await result
    if isinstance(result, AbstractAsyncContextManager):
        async with result:
            pass
    elif isinstance(result, AsyncIterator):
        await anext(result, None)
    elif isinstance(result, Iterator):
        next(result, None)
    elif isinstance(result, ScheduleBuilder):
        result.build()
    elif isinstance(result, WorkerMaker):
        result(deferred)


def _problem_of_error(error: Exception, callee: Callee, parameter: Parameter) -> str | None:
    kind = type(error).__name__
    try:
        text = str(error)
    except Exception as problem:  # noqa: BLE001 - a value may break the text, too
        return f"{kind} without a text: {problem!r}"
    if not isinstance(error, TypeError | ValueError | BgJobsError):
        return f"{kind}: {text}"
    if isinstance(error, StoreError):
        return f"the store was called: {kind}: {text}"
    names = [parameter.name, *ALIASES.get(parameter.name, ())]
    if parameter is callee.parameters[0]:  # the first parameter may be named by the function
        names.append(callee.name.rpartition(".")[2])
    if not any(re.search(rf"\b{name}s?\b", text, re.IGNORECASE) for name in names):
        return f"the argument is not named: {kind}: {text}"
    return None

"""One call after the other, each with one wrong argument; what is wrong with the answers."""

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
from tests.misuse.exceptions import ALIASES, UNIQUE, is_asked
from tests.misuse.public_api import Callee
from tests.misuse.values import Wrong, arguments, deferred, discard, right, wrong_for

PATIENCE = 20.0
"""Seconds in which a refusal comes, however busy the machine is."""


async def faults_of(callee: Callee, more: Mapping[Any, Any] = {}) -> list[str]:
    """Return what is wrong with how a function takes each wrong argument."""
    found = list[str]()
    for parameter, wrong in _wrong_for(callee):
        call = f"{callee.name}({parameter.name}={wrong.label})"
        fault = await _fault_of(callee, parameter, wrong, more) if is_asked(call) else None
        if fault is not None:
            found.append(f"{call}: {fault}")
        if fault == NO_ANSWER:  # nor will there be one to the others
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


async def _fault_of(
    callee: Callee, parameter: Parameter, wrong: Wrong, more: Mapping[Any, Any]
) -> str | None:
    value = wrong.make()
    args, kwargs = arguments(callee, parameter.name, value, more)
    try:
        with fail_after(PATIENCE):
            await _finish(callee.function(*args, **kwargs))
    except TimeoutError:
        return NO_ANSWER
    except Exception as error:  # noqa: BLE001 - which one it is is the question
        return _fault_of_error(error, callee, parameter)
    finally:
        discard(value)
    return "taken"


async def _finish(result: Any) -> None:
    """Do what makes the result matter."""
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


def _fault_of_error(error: Exception, callee: Callee, parameter: Parameter) -> str | None:
    kind = type(error).__name__
    try:
        text = str(error)
    except Exception as fault:  # noqa: BLE001 - a value may spoil the text, too
        return f"{kind} without a text: {fault!r}"
    if not isinstance(error, TypeError | ValueError | BgJobsError):
        return f"{kind}: {text}"
    if isinstance(error, StoreError):
        return f"the store was asked: {kind}: {text}"
    names = [parameter.name, *ALIASES.get(parameter.name, ())]
    if parameter is callee.parameters[0]:  # it is what the function is about
        names.append(callee.name.rpartition(".")[2])
    if not any(re.search(rf"\b{name}s?\b", text, re.IGNORECASE) for name in names):
        return f"it is not named: {kind}: {text}"
    return None

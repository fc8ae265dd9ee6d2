"""Checks of the settings of a worker; each raises `WorkerDefinitionError`."""

import unicodedata
from datetime import timedelta
from typing import Any

from bgjobs._core.jobs import LARGEST_WHOLE
from bgjobs._core.lazy import is_generator_function
from bgjobs._core.limits import Cap, RateLimit
from bgjobs._core.requests import LONGEST_NAME
from bgjobs._core.text import number_text, value_text
from bgjobs._core.timestamps import LONGEST_DELAY, as_duration
from bgjobs.errors import WorkerDefinitionError


def checked_cap(name: str, running: object, rate: object) -> Cap | None:
    """Return the limits over all nodes of a worker; None without any."""
    if running is not None and (type(running) is not int or not 1 <= running <= LARGEST_WHOLE):
        limits = f"a whole number from 1 to {LARGEST_WHOLE:,}"
        problem = f"global_limit: expected {limits}, found {number_text(running)}"
        raise WorkerDefinitionError(name, problem)
    if rate is not None and not isinstance(rate, RateLimit):
        problem = f"rate_limit: expected a RateLimit, found {type(rate).__name__}"
        raise WorkerDefinitionError(name, problem)
    return None if running is None and rate is None else Cap(name, running, rate)


def check_flag(name: str, what: str, flag: object) -> None:
    """Expect True or False."""
    if flag is not True and flag is not False:
        problem = f"{what}: expected True or False, found {type(flag).__name__}"
        raise WorkerDefinitionError(name, problem)


def checked_name(handler: object, name: str | None) -> str:
    """Return the name of a worker, by default that of its handler."""
    found: object = getattr(handler, "__name__", None) if name is None else name
    if name is None and (found is None or found == "<lambda>"):
        raise WorkerDefinitionError(
            type(handler).__name__ if found is None else str(found),
            "expected a name, found a handler without one; write @worker(name=...)",
        )
    if not isinstance(found, str):
        problem = f"expected a str as its name, found {type(found).__name__}"
        raise WorkerDefinitionError(value_text(found), problem)
    if not 1 <= len(found) <= LONGEST_NAME:
        problem = f"expected a name of 1 to {LONGEST_NAME} characters, found {len(found)}"
        raise WorkerDefinitionError(found[:LONGEST_NAME], problem)
    if any(unicodedata.category(one) in ("Cc", "Cs") for one in found):
        problem = "expected a name without control characters and surrogates"
        raise WorkerDefinitionError(found, problem)
    return found


def check_kind(name: str, handler: object) -> None:
    """Expect a function, or an object that is called like one."""
    if not callable(handler):
        found = type(handler).__name__
        raise WorkerDefinitionError(name, f"expected a function, found {found}")
    if isinstance(handler, type):
        found = f"the class {handler.__name__!r}, which a call would only instantiate"
        problem = f"expected a function, found {found}; pass an instance with a __call__ method"
        raise WorkerDefinitionError(name, problem)
    if is_generator_function(handler):
        problem = "expected a function that returns, found a generator function"
        raise WorkerDefinitionError(name, problem)


def checked_seconds(name: str, what: str, given: Any) -> float | None:
    """Return a duration in seconds; None for none."""
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, int | float | timedelta):
        problem = f"{what}: expected seconds or a timedelta, found {type(given).__name__}"
        raise WorkerDefinitionError(name, problem)
    seconds = given.total_seconds() if isinstance(given, timedelta) else given
    found = str(given) if isinstance(given, timedelta) else number_text(given)
    if seconds > LONGEST_DELAY.total_seconds():
        problem = f"{what}: expected at most {LONGEST_DELAY.days:,} days, found {found}"
        raise WorkerDefinitionError(name, problem)
    if not round(seconds, 6) > 0:  # in microseconds, as durations are
        problem = f"{what}: expected more than 0 seconds, found {found}"
        raise WorkerDefinitionError(name, problem)
    return as_duration(seconds).total_seconds()

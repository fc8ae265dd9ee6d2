"""Checks of the arguments of public functions, made in the caller before anything is written.

A `TypeError` says which type was expected and which was found. It never quotes the value, which
may be a payload.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from types import CoroutineType, FunctionType
from typing import Any, TypeVar, cast
from uuid import UUID

from bgjobs._core.jobs import LARGEST_WHOLE, StoredJob
from bgjobs._core.lazy import is_generator_function, kind_if_not_plain
from bgjobs._core.progress import LARGEST_AMOUNT
from bgjobs._core.requests import JobRequest
from bgjobs._core.text import check_storable, number_text
from bgjobs._core.timestamps import LONGEST_DELAY, as_instant

LONGEST_WAIT = 1e6
"""The longest time to wait for a call, in seconds: as milliseconds it fits into 32 bits."""
LONGEST_SECONDS = LONGEST_DELAY.total_seconds()

T = TypeVar("T")


def as_requests(what: str, found: object) -> list[JobRequest]:
    """Return requests as a list; raise `TypeError` for the first other entry."""
    if type(found) is not tuple and type(found) is not list:  # these need no further check
        _check_several(what, found)
    requests = list(cast("Iterable[object]", found))
    for position, request in enumerate(requests):
        if not _is_request(request):
            where = f"{what}: [{position}]: " if len(requests) > 1 else ""
            check_request(request, where)
    return cast("list[JobRequest]", requests)


def _check_several(what: str, found: object) -> None:
    if isinstance(found, JobRequest):
        raise TypeError(f"{what}: expected several JobRequests, found one; put it into a list")
    if isinstance(found, str | bytes) or not isinstance(found, Iterable):
        raise TypeError(f"{what}: expected several JobRequests, found {_shown(found)}")


def check_request(found: object, where: str = "") -> None:
    """Expect a request; the text of the error begins with `where`."""
    if not _is_request(found):
        shown = _shown(found)
        if issubclass(type(found), JobRequest):
            shown = "one that lacks some of its attributes: make it by a worker's request(...)"
        raise TypeError(f"{where}expected a JobRequest, found {shown}{_hint(found)}")


def id_of(what: str, found: object) -> UUID:
    """Return the id of a job; `found` is the job or its id."""
    if isinstance(found, UUID):
        return found
    if isinstance(found, StoredJob):
        return found.id
    raise TypeError(f"{what}: expected a Job or the UUID of one, found {_shown(found)}")


def check_id(what: str, found: object) -> None:
    """Expect the id of a job."""
    if not isinstance(found, UUID):
        hint = "; did you mean its .id?" if isinstance(found, StoredJob) else ""
        raise TypeError(f"{what}: expected a UUID, found {_shown(found)}{hint}")


def check_ids(what: str, found: Iterable[object]) -> None:
    """Expect ids of jobs."""
    for one in found:
        check_id(what, one)


def check_type(what: str, found: object, kind: type, wanted: str | None = None) -> None:
    """Expect an instance of a class; the error describes it as `wanted`, or by its name."""
    if not isinstance(found, kind):
        raise TypeError(f"{what}: expected {wanted or kind.__name__}, found {_shown(found)}")


def check_flag(what: str, found: object, *, optional: bool = False) -> None:
    """Expect True or False, or None where it is optional."""
    if not isinstance(found, bool) and not (optional and found is None):
        wanted = "True, False or None" if optional else "True or False"
        raise TypeError(f"{what}: expected {wanted}, found {_shown(found)}")


def check_callable(what: str, found: object, wanted: str) -> None:
    """Expect a callable that is not a class; the error describes it as `wanted`."""
    if not callable(found) or isinstance(found, type):
        raise TypeError(f"{what}: expected {wanted}, found {_shown(found)}")


def check_plain(what: str, found: object, wanted: str) -> None:
    """Expect a plain function; the error describes it as `wanted`."""
    if kind := kind_if_not_plain(found):
        shown = kind if callable(found) else _shown(found)
        raise TypeError(f"{what}: expected {wanted}, found {shown}")


def as_listeners(what: str, found: Iterable[T]) -> Sequence[T]:
    """Return listeners as a tuple; raise `TypeError` for the first entry that cannot be one."""
    if isinstance(found, str) or not isinstance(found, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance] - untyped callers
        raise TypeError(f"{what}: expected a list of functions, found {_shown(found)}")
    listeners = tuple(found)
    for position, one in enumerate(listeners):
        check_callable(f"{what}[{position}]", one, "a function of one event")
        if is_generator_function(one):
            expected = "expected a function of one event, found a generator function"
            raise TypeError(f"{what}[{position}]: {expected}")
    return listeners


def check_text(what: str, found: object, *, optional: bool = False) -> None:
    """Expect a text, or None where it is optional."""
    if not isinstance(found, str) and not (optional and found is None):
        wanted = "str or None" if optional else "str"
        raise TypeError(f"{what}: expected {wanted}, found {_shown(found)}")


def check_texts(what: str, found: object) -> None:
    """Expect a mapping of texts to texts."""
    if not isinstance(found, Mapping):
        raise TypeError(f"{what}: expected a mapping of texts, found {_shown(found)}")
    for key, value in cast("Mapping[object, object]", found).items():
        check_text(f"{what}: key", key)
        check_text(f"{what}: value", value)


def check_name(what: str, found: object, *, optional: bool = False) -> None:
    """Expect a text that a database can look up, or None where it is optional."""
    check_text(what, found, optional=optional)
    if found is not None:
        check_storable(what, found)


def check_names(what: str, found: object) -> None:
    """Expect a collection of names, or None."""
    if found is None:
        return
    if isinstance(found, str) or not isinstance(found, Collection):
        raise TypeError(f"{what}: expected a collection of names, found {_shown(found)}")
    for one in cast("Collection[object]", found):
        check_name(what, one)


def check_seconds(
    what: str, found: object, *, above_0: bool = False, most: float = LONGEST_SECONDS
) -> None:
    """Expect a number of seconds from 0, or above 0, up to `most`."""
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise TypeError(f"{what}: expected seconds, found {_shown(found)}")
    if not found >= 0 or (above_0 and found == 0):  # NaN is neither
        least = "above" if above_0 else "from"
        raise ValueError(f"{what}: expected seconds {least} 0, found {number_text(found)}")
    if found > most:
        raise ValueError(
            f"{what}: expected at most {most:,.0f} seconds, found {number_text(found)}"
        )


def as_span(what: str, found: object) -> timedelta:
    """Return a duration given as seconds or as a `timedelta`."""
    if not isinstance(found, timedelta):
        check_seconds(what, found)
        return timedelta(seconds=cast("float", found))
    check_span(what, found)
    return found


def check_whole(what: str, found: object, *, least: int, most: int = LARGEST_WHOLE) -> None:
    """Expect a whole number between two bounds."""
    if isinstance(found, bool) or not isinstance(found, int):
        raise TypeError(f"{what}: expected int, found {_shown(found)}")
    if found < least:
        raise ValueError(f"{what}: expected {least} or more, found {number_text(found)}")
    if found > most:
        raise ValueError(f"{what}: expected at most {most:,}, found {number_text(found)}")


def check_amount(what: str, found: object, *, optional: bool = False) -> None:
    """Expect a number from 0 to `LARGEST_AMOUNT`, or None where it is optional."""
    if optional and found is None:
        return
    if isinstance(found, bool) or not isinstance(found, int | float):
        wanted = "a number or None" if optional else "a number"
        raise TypeError(f"{what}: expected {wanted}, found {_shown(found)}")
    if not 0 <= found <= LARGEST_AMOUNT:  # NaN is not
        most = f"a number from 0 to {LARGEST_AMOUNT:,}"
        raise ValueError(f"{what}: expected {most}, found {number_text(found)}")


def check_instant(what: str, found: object) -> None:
    """Expect an aware datetime, or None."""
    if found is None:
        return
    if not isinstance(found, datetime):
        raise TypeError(f"{what}: expected a datetime with a time zone, found {_shown(found)}")
    as_instant(what, found)


def check_span(what: str, found: object) -> None:
    """Expect a timedelta from 0 to a hundred years, or None."""
    if found is None:
        return
    if not isinstance(found, timedelta):
        raise TypeError(f"{what}: expected a timedelta, found {_shown(found)}")
    if found < timedelta(0):
        raise ValueError(f"{what}: expected 0 seconds or more, found {found}")
    if found > LONGEST_DELAY:
        raise ValueError(
            f"{what}: expected at most {LONGEST_DELAY.days:,} days, found {found.days:,} days"
        )


def check_schedule(what: str, found: object) -> None:
    """Expect a built schedule."""
    if isinstance(found, type) or not callable(getattr(found, "next_after", None)):
        raise TypeError(f"{what}: expected a built schedule, found {_shown(found)}")


def _is_request(found: object) -> bool:
    # Not `isinstance`, which believes the `__class__` of an object, such as that of a mock.
    if not issubclass(type(found), JobRequest):
        return False
    request = cast("JobRequest", found)
    try:
        _ = request.name, request.payload, request.options
    except AttributeError:  # made without its `__init__`
        return False
    return True


def _shown(found: Any) -> str:
    """Describe what was found, without its value."""
    if found is None:
        return "None"
    if isinstance(found, type):
        return f"the class {found.__name__}"
    if isinstance(found, FunctionType):
        return f"function {found.__name__!r}"
    if isinstance(found, CoroutineType):
        found.close()  # nothing will await it, and Python would warn
        return f"a coroutine of {found.__name__!r}"
    kind = type(found).__name__
    return f"{kind} {found.name!r}" if _is_worker(found) else kind


def _hint(found: Any) -> str:
    if isinstance(found, FunctionType):
        return "; is @bgjobs.worker missing on it?"
    if isinstance(found, CoroutineType) or _is_worker(found):
        return f"; did you mean {found.__name__}.request(...)?"
    return ""


def _is_worker(found: object) -> bool:
    # By its attributes, because the module of workers imports this one.
    return hasattr(type(found), "request") and all(
        isinstance(getattr(found, name, None), str) for name in ("name", "__name__")
    )

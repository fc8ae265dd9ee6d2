"""Checks of what callers pass, made in the caller before anything is written.

A wrong type gets a `TypeError` that names what was expected and what was found, never a value:
that may be a payload.
"""

import math
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from types import CoroutineType, FunctionType
from typing import Any, cast
from uuid import UUID

from bgjobs.instants import as_instant
from bgjobs.jobs import JobRequest, StoredJob


def as_requests(what: str, found: object) -> list[JobRequest]:
    """Return the requests as a list; `TypeError` names the first entry that is none."""
    if isinstance(found, JobRequest):
        raise TypeError(f"{what}: expected several JobRequests, found one; put it into a list")
    if not isinstance(found, Iterable):
        raise TypeError(f"{what}: expected several JobRequests, found {_shown(found)}")
    requests = list(cast("Iterable[object]", found))
    for position, request in enumerate(requests):
        if not isinstance(request, JobRequest):
            where = f"{what}: [{position}]: " if len(requests) > 1 else ""
            check_request(request, where)
    return cast("list[JobRequest]", requests)


def check_request(found: object, where: str = "") -> None:
    """Expect a request; `where` begins the text of the error."""
    if not isinstance(found, JobRequest):
        raise TypeError(f"{where}expected a JobRequest, found {_shown(found)}{_hint(found)}")


def id_of(what: str, found: object) -> UUID:
    """Return the id of a job that was given as such, or as its id."""
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


def check_type(what: str, found: object, kind: type) -> None:
    """Expect a value of one class."""
    if not isinstance(found, kind):
        raise TypeError(f"{what}: expected {kind.__name__}, found {_shown(found)}")


def check_text(what: str, found: object, *, optional: bool = False) -> None:
    """Expect a text, or None where it is optional."""
    if not isinstance(found, str) and not (optional and found is None):
        wanted = "str or None" if optional else "str"
        raise TypeError(f"{what}: expected {wanted}, found {_shown(found)}")


def check_names(what: str, found: object) -> None:
    """Expect a collection of names, or None."""
    if found is None:
        return
    if isinstance(found, str) or not isinstance(found, Collection):
        raise TypeError(f"{what}: expected a collection of names, found {_shown(found)}")
    for one in cast("Collection[object]", found):
        check_text(what, one)


def check_seconds(what: str, found: object) -> None:
    """Expect a number of seconds from 0."""
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise TypeError(f"{what}: expected seconds, found {_shown(found)}")
    if math.isnan(found) or found < 0:
        raise ValueError(f"{what}: expected seconds from 0, found {found}")


def check_whole(what: str, found: object, *, least: int) -> None:
    """Expect a whole number."""
    if isinstance(found, bool) or not isinstance(found, int):
        raise TypeError(f"{what}: expected int, found {_shown(found)}")
    if found < least:
        raise ValueError(f"{what}: expected {least} or more, found {found}")


def check_instant(what: str, found: object) -> None:
    """Expect an aware datetime, or None."""
    if found is None:
        return
    if not isinstance(found, datetime):
        raise TypeError(f"{what}: expected a datetime with a time zone, found {_shown(found)}")
    as_instant(what, found)


def check_span(what: str, found: object) -> None:
    """Expect a timedelta that is not negative, or None."""
    if found is None:
        return
    if not isinstance(found, timedelta):
        raise TypeError(f"{what}: expected a timedelta, found {_shown(found)}")
    if found < timedelta(0):
        raise ValueError(f"{what}: expected 0 seconds or more, found {found}")


def check_schedule(what: str, found: object) -> None:
    """Expect a built schedule."""
    if not callable(getattr(found, "next_after", None)):
        raise TypeError(f"{what}: expected a built schedule, found {_shown(found)}")


def _shown(found: Any) -> str:
    """Name what was found, without its value."""
    if found is None:
        return "None"
    if isinstance(found, type):
        return f"the class {found.__name__}"
    if isinstance(found, FunctionType):
        return f"function {found.__name__!r}"
    if isinstance(found, CoroutineType):
        found.close()  # it is never awaited now
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
    # By its looks: workers stand on a floor above this one.
    return isinstance(getattr(found, "name", None), str) and hasattr(type(found), "request")

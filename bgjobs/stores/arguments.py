"""Checks of what operators pass: a wrong type is refused in the caller, on every store."""

from datetime import datetime, timedelta
from uuid import UUID

from bgjobs.instants import as_instant


def check_id(what: str, value: object) -> None:
    """Expect the id of a job."""
    if not isinstance(value, UUID):
        raise TypeError(f"{what}: expected a UUID, found {_named(value)}")


def check_instant(what: str, value: object) -> None:
    """Expect an aware datetime, or None."""
    if value is None:
        return
    if not isinstance(value, datetime):
        raise TypeError(f"{what}: expected a datetime with a time zone, found {_named(value)}")
    as_instant(what, value)


def check_span(what: str, value: object) -> None:
    """Expect a timedelta that is not negative, or None."""
    if value is None:
        return
    if not isinstance(value, timedelta):
        raise TypeError(f"{what}: expected a timedelta, found {_named(value)}")
    if value < timedelta(0):
        raise ValueError(f"{what}: expected 0 seconds or more, found {value}")


def check_number(what: str, value: object) -> None:
    """Expect a whole number from 0."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{what}: expected int, found {_named(value)}")
    if value < 0:
        raise ValueError(f"{what}: expected 0 or more, found {value}")


def check_text(what: str, value: object) -> None:
    """Expect a text, or None."""
    if value is not None and not isinstance(value, str):
        raise TypeError(f"{what}: expected str or None, found {_named(value)}")


def check_function(what: str, value: object) -> None:
    """Expect a function, or None."""
    if value is not None and not callable(value):
        raise TypeError(f"{what}: expected a function, found {_named(value)}")


def _named(value: object) -> str:
    return "None" if value is None else type(value).__name__

"""Texts that go into the database whatever they came from: the failure path cannot fail."""

import re

from bgjobs.tracebacks import traceback_text

LONGEST_ERROR = 8_192
"""Characters that are kept of one error."""

_LONGEST_NUMBER = 40
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


def error_text(error: BaseException, limit: int = LONGEST_ERROR, *, hint: str = "") -> str:
    """Write type, message and traceback of `error`, with its causes and its group.

    The first line says what happened, a hint follows, and tracebacks begin in the user's code.
    It never raises, whatever the error's own methods do.
    """
    try:
        summary = _summary(error)
    except BaseException:  # noqa: BLE001 - a user's class may even spoil its text and its name
        summary = "an error without a text"
    try:
        trace = traceback_text(error)
    except BaseException as fault:  # noqa: BLE001 - a user's method may raise anything
        trace = f"<no traceback: formatting it raised {_type_name(fault)}>"
    head = f"{summary}\n{hint}" if hint else summary
    return clean_text(f"{head}\n\n{trace}".rstrip(), limit)


def clean_text(text: str, limit: int) -> str:
    """Give at most `limit` characters of `text` that both databases can store."""
    return _UNSTORABLE.sub("\ufffd", _cut(text, limit))


def number_text(number: object) -> str:
    """Return a number as text, to be shown in an error; a huge one is cut."""
    return value_text(number, _LONGEST_NUMBER)


def value_text(value: object, longest: int = 100) -> str:
    """Return what was found as text, to be shown in an error, and cut to a line."""
    try:
        text = repr(value)
    except ValueError:  # Python writes no whole number of more than 4,300 digits
        return f"a huge {type(value).__name__}"
    return text if len(text) <= longest else f"{text[:longest]}..."


def _summary(error: BaseException) -> str:
    try:
        message = str(error)
    except BaseException as fault:  # noqa: BLE001 - a user's method may raise anything
        message = f"<no message: __str__ raised {_type_name(fault)}>"
    return f"{_type_name(error)}: {message}" if message else _type_name(error)


def _type_name(error: BaseException) -> str:
    try:
        return f"{type(error).__qualname__}"
    except BaseException:  # noqa: BLE001 - a metaclass may raise anything
        return "an error without a name"


def _cut(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    # The count in the mark is as long as the text's own length at most.
    room = limit - len(_mark(len(text)))
    if room < 0:
        return text[:limit]
    head = room - room // 2
    tail = room // 2
    return text[:head] + _mark(len(text) - room) + text[len(text) - tail :]


def _mark(count: int) -> str:
    return f"\n... {count:,} characters cut ...\n"

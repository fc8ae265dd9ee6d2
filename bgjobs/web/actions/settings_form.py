"""What a form asks for besides the jobs: a reason, a time or a priority."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, final

from attrs import frozen
from starlette.datastructures import QueryParams

from bgjobs._core.requests import LOWEST_PRIORITY
from bgjobs._core.text import value_text
from bgjobs.web.actions.filter_form import instant_of
from bgjobs.web.actions.verbs import JobVerb, Settings

_FIELDS = ("reason", "minutes", "at", "priority")
_MOST_MINUTES = 60 * 24 * 36_500


@final
@frozen(eq=False)
class SettingsForm:
    """The fields with what was typed, also if that is wrong."""

    typed: Mapping[str, str]
    problems: Mapping[str, str]
    """What is wrong, by the name of the field."""
    settings: Settings
    """What was asked for, without what is wrong."""


def settings_form(verb: JobVerb, fields: QueryParams) -> SettingsForm:
    """Return what a form asks for; fields that the verb does not have are not read."""
    typed = {name: fields.get(name, "").strip() for name in _FIELDS}
    problems = dict[str, str]()
    values: Mapping[str, Any] = {}
    readers = {"cancel": _reason, "reschedule": due_of, "priority": priority_of}
    try:
        values = readers[verb.name](typed) if verb.name in readers else {}
    except FieldError as error:
        problems[error.field] = str(error)
    return SettingsForm(typed, problems, Settings(**values))


class FieldError(ValueError):
    """Raised for a field that is wrong."""

    def __init__(self, field: str, problem: str) -> None:
        self.field = field
        super().__init__(problem)


def _reason(typed: Mapping[str, str]) -> Mapping[str, Any]:
    if not typed["reason"]:
        raise FieldError("reason", "expected a text, found an empty one")
    return {"reason": typed["reason"]}


def due_of(typed: Mapping[str, str]) -> Mapping[str, timedelta | datetime]:
    """Return the delay or the time of the fields minutes and at, of which one is filled in."""
    if bool(typed["minutes"]) == bool(typed["at"]):
        found = "both" if typed["at"] else "neither"
        raise FieldError("minutes", f"expected minutes or a time, found {found}")
    if typed["minutes"]:
        minutes = _whole("minutes", typed["minutes"], 0, _MOST_MINUTES)
        return {"delay": timedelta(minutes=minutes)}
    try:
        return {"at": instant_of(typed["at"])}
    except ValueError as error:
        raise FieldError("at", str(error)) from None


def priority_of(typed: Mapping[str, str]) -> Mapping[str, int]:
    """Return the priority."""
    return {
        "priority": _whole("priority", typed["priority"], -LOWEST_PRIORITY, LOWEST_PRIORITY)
    }


def _whole(field: str, text: str, least: int, most: int) -> int:
    digits = text.removeprefix("-")
    is_whole = digits.isascii() and digits.isdecimal() and len(digits) <= len(str(most))
    if not is_whole or not least <= int(text) <= most:
        wanted = f"expected a whole number of {least:,} to {most:,}"
        raise FieldError(field, f"{wanted}, found {value_text(text)}")
    return int(text)

"""The form of a new job: what was typed, and the request that it means."""

from collections.abc import Mapping, Sequence
from typing import Any, final

from attrs import frozen
from starlette.datastructures import QueryParams

from bgjobs import JobRequest, Worker
from bgjobs.web.actions.argument_fields import ArgumentField, argument_fields
from bgjobs.web.actions.argument_texts import json_arguments, request_of
from bgjobs.web.actions.filter_form import metadata_of
from bgjobs.web.actions.settings_form import FieldError, due_of, priority_of

PREFIX = "argument."
"""What the names of the fields of arguments begin with."""
_SETTINGS = {"minutes": "", "at": "", "priority": "0", "unique": "", "metadata": ""}
"""The other fields, and what they contain at first."""


@final
@frozen(eq=False)
class NewJobForm:
    """The fields with what was typed, also if that is wrong."""

    worker: Worker[..., Any]
    fields: Sequence[ArgumentField]
    typed: Mapping[str, str]
    """The texts by the names of the fields, those of arguments with `PREFIX`."""
    problems: Mapping[str, str]
    """What is wrong, by the same names; under an empty name what no field has alone."""
    request: JobRequest[Any] | None
    """What was asked for; None if something is wrong."""


def empty_form(worker: Worker[..., Any]) -> NewJobForm:
    """Return the form before anything is typed."""
    fields = argument_fields(worker)
    return NewJobForm(worker, fields, _typed(fields, QueryParams()), {}, None)


def new_job_form(worker: Worker[..., Any], sent: QueryParams) -> NewJobForm:
    """Return what a form that was sent asks for."""
    fields = argument_fields(worker)
    typed = _typed(fields, sent)
    texts = {one.name: typed[PREFIX + one.name] for one in fields}
    arguments, wrong = json_arguments(fields, texts)
    request = None
    if not wrong:
        request, wrong = request_of(worker, arguments)
    problems = {PREFIX + name if name else name: text for name, text in wrong.items()}
    # The settings are checked also if the arguments are wrong, so that all problems are shown.
    made = _with_settings(request or JobRequest(worker.name, "{}"), typed, problems)
    return NewJobForm(worker, fields, typed, problems, None if problems else made)


def _typed(fields: Sequence[ArgumentField], sent: QueryParams) -> Mapping[str, str]:
    arguments = {PREFIX + one.name: one.filled for one in fields}
    settings = {name: sent.get(name, text).strip() for name, text in _SETTINGS.items()}
    texts = {name: sent.get(name, text) for name, text in arguments.items()}
    # Browsers send the ends of lines as CR LF.
    return {name: text.replace("\r\n", "\n") for name, text in {**texts, **settings}.items()}


def _with_settings(
    request: JobRequest[Any], typed: Mapping[str, str], problems: dict[str, str]
) -> JobRequest[Any]:
    """Return the request with its settings; what is wrong with them is added to `problems`."""
    for name, add in (
        ("minutes", _timed),
        ("priority", _prioritized),
        ("unique", _unique),
        ("metadata", _described),
    ):
        try:
            request = add(request, typed)
        except FieldError as error:
            problems[error.field] = str(error)
        except ValueError as error:
            problems[name] = str(error)
    return request


def _timed(request: JobRequest[Any], typed: Mapping[str, str]) -> JobRequest[Any]:
    if not typed["minutes"] and not typed["at"]:
        return request
    due: Mapping[str, Any] = due_of(typed)
    if "at" in due:
        return request.available_at(due["at"])
    return request.available_in(seconds=due["delay"].total_seconds())


def _prioritized(request: JobRequest[Any], typed: Mapping[str, str]) -> JobRequest[Any]:
    return request.priority(priority_of(typed)["priority"]) if typed["priority"] else request


def _unique(request: JobRequest[Any], typed: Mapping[str, str]) -> JobRequest[Any]:
    key = typed["unique"]
    return request.unique(key, on_conflict="raise") if key else request


def _described(request: JobRequest[Any], typed: Mapping[str, str]) -> JobRequest[Any]:
    wrong = dict[str, str]()
    found = metadata_of([one for one in typed["metadata"].splitlines() if one.strip()], wrong)
    if wrong:
        raise FieldError("metadata", wrong["metadata"])
    return request.with_metadata(**found) if found else request

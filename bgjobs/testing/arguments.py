"""The arguments of stored jobs, to compare and to show: in a test that is right."""

import inspect
import json
from collections.abc import Iterator, Mapping
from typing import Any

from bgjobs._core.config import AnyWorker
from bgjobs._core.jobs import StoredJob
from bgjobs._core.requests import JobRequest
from bgjobs.errors import PayloadError
from bgjobs.payloads.equality import difference

LONGEST = 300
"""Characters that are shown of one call, and of one argument."""

AnyJob = JobRequest | StoredJob


def call_text(job: AnyJob, workers: Mapping[str, AnyWorker]) -> str:
    """Write a job as the call that it is, or with its JSON where its worker is not known."""
    bound = bound_arguments(job, workers.get(job.name))
    if bound is None:
        return _cut(f"{job.name} {job.payload}")
    shown = ", ".join(f"{name}={value!r}" for name, value in bound.arguments.items())
    return _cut(f"{job.name}({shown})")


def bound_arguments(job: AnyJob, worker: AnyWorker | None) -> inspect.BoundArguments | None:
    """Give the arguments by their names, with defaults, or None if they cannot be read."""
    if worker is None:
        return None
    try:
        args, kwargs = worker.decode(job.payload)
    except PayloadError:
        return None
    python = inspect.signature(worker.handler)
    if worker.takes_context:
        python = python.replace(parameters=list(python.parameters.values())[1:])
    bound = python.bind(*args, **kwargs)
    bound.apply_defaults()
    return bound


def differences(wanted: JobRequest, job: StoredJob, worker: AnyWorker | None) -> Iterator[str]:
    """Say in which arguments a job differs from what is wanted."""
    if _canonical(wanted.payload) == _canonical(job.payload):
        return
    expected, found = bound_arguments(wanted, worker), bound_arguments(job, worker)
    if worker is None or expected is None or found is None:
        yield f"arguments: expected {_cut(wanted.payload)}, found {_cut(job.payload)}"
        return
    written, stored = _as_json(worker, expected), _as_json(worker, found)
    for name, value in expected.arguments.items():
        is_same = difference(value, found.arguments[name]) is None
        if not is_same and written.get(name) != stored.get(name):
            yield _difference(name, value, found.arguments[name])


def _canonical(payload: str) -> str:
    try:
        # As text: to Python, True equals 1 and 1 equals 1.0.
        return json.dumps(json.loads(payload), sort_keys=True)
    except (ValueError, RecursionError):  # a row that another program wrote
        return payload


def _as_json(worker: AnyWorker, bound: inspect.BoundArguments) -> dict[str, str]:
    """Write arguments as they are stored: objects need not know when they are equal."""
    try:
        payload = worker.request(*bound.args, **bound.kwargs).payload
    except PayloadError:  # a default that no job can carry
        return {name: repr(value) for name, value in bound.arguments.items()}
    written: dict[str, Any] = json.loads(payload)
    return {name: json.dumps(value, sort_keys=True) for name, value in written.items()}


def _difference(name: str, expected: object, found: object) -> str:
    if repr(expected) == repr(found):
        return f"{name}: differs where its repr does not show it"
    return f"{name}: expected {_cut(repr(expected))}, found {_cut(repr(found))}"


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."

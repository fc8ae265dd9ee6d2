"""A failed job, its exported line with other values, and the refusal of a line."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from bgjobs._core.jobs import AttemptError, FailedJob
from bgjobs.errors import ExportedLineError
from bgjobs.stores.imports import from_line, to_line
from tests.unit.stores.histories import END, RESERVATION

NOW = datetime(2030, 1, 2, 3, 4, 5, 678_901, UTC)
SECRET = "hunter2"
JOB = FailedJob(
    id=UUID(int=7),
    name="mail",
    payload='{"to":"a@example.org"}',
    priority=-3,
    attempts=2,
    reservations=3,
    created_at=NOW,
    available_at=NOW,
    reserved_at=NOW,
    reserved_by=UUID(int=8),
    unique_key="customer-7",
    errors=(AttemptError(0, NOW, "ValueError: no", NOW), AttemptError(1, NOW, "again")),
    metadata={"trace": "1"},
    history=(RESERVATION, END),
    error="ValueError: no",
    failed_at=NOW,
)
VALUES: dict[str, Any] = json.loads(to_line(JOB))


WHOLE = "expected a whole number from 0 to 1,073,741,823, found"


def line(**changes: object) -> str:
    """Return the line of a job with other values; `...` leaves a field out."""
    values = {**VALUES, **changes}
    return json.dumps({name: value for name, value in values.items() if value is not ...})


def refused(text: str) -> str:
    with pytest.raises(ExportedLineError) as caught:
        from_line(text, 12)
    assert caught.value.number == 12
    assert caught.value.__context__ is None
    return caught.value.problem

"""`JobContext` as the unit tests of users make it."""

from datetime import UTC, datetime
from typing import Any

import pytest

from bgjobs import Job, JobContext
from bgjobs._core.ids import new_id

NOW = datetime(2030, 1, 1, tzinfo=UTC)
JOB = Job(id=new_id(), name="tell", payload="{}", created_at=NOW, available_at=NOW)


def test_a_context_has_the_resources_and_the_client_that_it_is_given() -> None:
    client: Any = object()
    context = JobContext(JOB, resources=5, client=client)
    assert (context.job, context.attempt, context.deadline) == (JOB, 1, None)
    assert context.resources == 5
    assert context.client is client
    assert JobContext[str](JOB, NOW).deadline == NOW


def test_the_resources_are_not_shown() -> None:
    assert repr(JobContext(JOB, resources="secret")) == repr(JobContext(JOB))


def test_without_resources_they_are_none_and_without_a_client_it_raises() -> None:
    context = JobContext[None](JOB)
    assert context.resources is None
    with pytest.raises(RuntimeError) as caught:
        _ = context.client
    assert str(caught.value) == (
        "this JobContext has no client, as no queue made it: pass JobContext(job, client=...)"
    )

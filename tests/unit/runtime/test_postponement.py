"""For how long a job is put back that found too many handlers waiting for children."""

from datetime import UTC, datetime

import pytest

from bgjobs._core.history import EndOfReservation, PastReservation
from bgjobs._core.ids import new_id
from bgjobs._core.jobs import Job
from bgjobs._runtime.nurseries.handler import postponement

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def job(*ends: EndOfReservation) -> Job:
    """Return a job whose reservations have ended like this."""
    owner = new_id()
    return Job(
        id=new_id(),
        name="mail",
        payload="[]",
        created_at=NOW,
        available_at=NOW,
        reserved_by=owner,
        reserved_at=NOW,
        reservations=len(ends) + 1,
        history=tuple(
            PastReservation(
                number=number,
                owner=owner,
                queue="default",
                node="node",
                attempt=1,
                reserved_at=NOW,
                ended_at=NOW,
                ended=ended,
            )
            for number, ended in enumerate(ends, start=1)
        ),
    )


@pytest.mark.parametrize(("times", "seconds"), [(0, 1), (1, 2), (2, 4), (6, 64), (99, 64)])
def test_it_doubles_with_each_time_in_a_row(times: int, seconds: int) -> None:
    """Otherwise jobs of a higher priority would take all slots for ever.

    The handlers that wait may wait for jobs of a lower priority.
    """
    ends: list[EndOfReservation] = ["snoozed"] * times
    assert postponement(job("failed", *ends)).total_seconds() == seconds


def test_it_begins_anew_after_another_end() -> None:
    assert postponement(job("snoozed", "snoozed", "crashed")).total_seconds() == 1

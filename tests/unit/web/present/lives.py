"""Jobs with a history, for the tests of their life."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import bgjobs
from bgjobs._core.history import EndOfReservation

T0 = datetime(2030, 1, 1, tzinfo=UTC)
SHARED: dict[str, Any] = {
    "id": UUID(int=1),
    "name": "mail",
    "payload": "{}",
    "created_at": T0,
    "available_at": T0,
}


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def reservation(
    number: int,
    start: float,
    end: float,
    *,
    ended: EndOfReservation = "failed",
    queue: str = "main",
    node: str = "host:1",
) -> bgjobs.PastReservation:
    return bgjobs.PastReservation(
        number=number,
        owner=UUID(int=2),
        queue=queue,
        node=node,
        attempt=number,
        reserved_at=at(start),
        ended_at=at(end),
        ended=ended,
    )


def error_of(one: bgjobs.PastReservation, text: str = "ValueError: x") -> bgjobs.AttemptError:
    return bgjobs.AttemptError(one.attempt, one.ended_at, text, one.reserved_at)


def failed(*past: bgjobs.HistoryEntry, end: float, **more: Any) -> bgjobs.FailedJob[Any]:
    """Return a failed job with this history."""
    runs = [one for one in past if isinstance(one, bgjobs.PastReservation)]
    values = {"error": "ValueError: x", "errors": tuple(map(error_of, runs[-20:])), **more}
    return bgjobs.FailedJob(**{**SHARED, "history": past, "failed_at": at(end), **values})

"""Workers whose runs end in each way, and checks of the history that they leave."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import anyio

import bgjobs
from bgjobs.stores.types import Owner
from tests.runtime.conftest import Harness, Wrapped

PAUSE = timedelta(milliseconds=20)


@bgjobs.worker
async def fine() -> None:
    """Succeed."""


@bgjobs.worker
async def endless() -> None:
    """Run until cancelled."""
    await anyio.sleep_forever()


@bgjobs.worker
async def broken() -> None:
    raise ConnectionError("no route to host")


@bgjobs.worker
async def discarded() -> None:
    raise bgjobs.Discard("not needed")


@bgjobs.worker
async def twice(context: bgjobs.JobContext) -> None:
    """Fail at first, and then succeed."""
    if context.job.reservations == 1:
        raise ConnectionError("no route to host")


@bgjobs.worker
async def later(context: bgjobs.JobContext) -> None:
    """Snooze at first, and then succeed."""
    if context.job.reservations == 1:
        raise bgjobs.Snooze(for_=PAUSE)


@bgjobs.worker
async def interrupted(context: bgjobs.JobContext) -> None:
    """Run until cancelled at first, and then succeed."""
    if context.job.reservations == 1:
        await anyio.sleep_forever()


class OwnersOf:
    """A store that keeps the owners that its process opens."""

    def __init__(self, app: Harness) -> None:
        self.opened: list[Owner] = []
        real = app.database.store()

        def open_owner(owner: Owner, *args: Any, **options: Any) -> None:
            self.opened.append(owner)
            real.open_owner(owner, *args, **options)

        self.store: Any = Wrapped(real, open_owner=open_owner)


Ended = tuple[int, int, str]
"""The number of a reservation, that of its attempt, and how it ended."""


def reservations(
    job: bgjobs.AnyJob | None, owners: Sequence[Owner], *others: Owner
) -> list[Ended]:
    """Return how the reservations of a job ended, whose owners must be these ones.

    Their times must be in order.
    """
    assert job is not None
    past = [one for one in job.history if isinstance(one, bgjobs.PastReservation)]
    known = {owner.id: owner for owner in (*owners, *others)}
    for one in past:
        owner = known[one.owner]
        assert (one.queue, one.node) == (owner.name, owner.node)
        assert one.node
        assert job.created_at <= one.reserved_at <= one.ended_at
    # PostgreSQL reserves at the time at which the transaction began: maybe before an end.
    assert [one.reserved_at for one in past] == sorted(one.reserved_at for one in past)
    return [(one.number, one.attempt, one.ended) for one in past]


def ends(job: bgjobs.AnyJob | None) -> list[bgjobs.PastEnd]:
    """Return the ends of a job before it was retried."""
    assert job is not None
    return [one for one in job.history if isinstance(one, bgjobs.PastEnd)]


def shown(entries: Sequence[bgjobs.TimelineEntry]) -> list[str]:
    """Return what a timeline says."""
    return [one.what for one in entries]

"""Reads what the queues of all processes have done."""

from collections.abc import Collection, Sequence
from datetime import timedelta

from bgjobs._core.activity import MINUTE, Activity
from bgjobs._core.arguments import check_names, check_span, check_type
from bgjobs._runtime.services import ClientServices

LONGEST_STEP = timedelta(days=1)
MOST_PARTS = 10_000
"""How many parts a time may have."""


async def read_activity(
    services: ClientServices,
    last: timedelta,
    step: timedelta,
    names: Collection[str] | None,
) -> Sequence[Activity]:
    """Return the activity of these workers in the time `last`; see `Client.activity`."""
    services.lifecycle.check()
    _check(last, step)
    check_names("activity: names", names)
    now = services.clock.store_now()
    return await services.dispatch.call(
        services.operations.activity, last, step, names=names, now=now
    )


def _check(last: timedelta, step: timedelta) -> None:
    for what, found in (("last", last), ("step", step)):
        check_type(f"activity: {what}", found, timedelta, "a timedelta")
        check_span(f"activity: {what}", found)
    if not MINUTE <= step <= LONGEST_STEP or step % MINUTE:
        raise ValueError(f"activity: step: expected whole minutes up to a day, found {step}")
    if last < MINUTE:
        raise ValueError(f"activity: last: expected a minute or more, found {last}")
    if last / step > MOST_PARTS:
        raise ValueError(
            f"activity: expected at most {MOST_PARTS:,} steps, found {last / step:,.0f}"
        )

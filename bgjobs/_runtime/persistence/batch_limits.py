"""Which writes are committed together: the limits of a batch."""

from collections.abc import Sequence

from bgjobs._core.settlements import Report, Settlement
from bgjobs._runtime.persistence.ticket import Ticket
from bgjobs.stores.types import NewJob

LARGEST_BATCH = 1000
"""Rows in one transaction. Beyond a few hundred, a larger batch only ends later."""
HEAVIEST_BATCH = 8_000_000
"""Characters of payload in one transaction, so that large jobs do not delay the others."""
_ONE_END = (1, 0, False)
"""What `Ticket.measure` returns for an end without a result that no job follows."""


def take_batch(waiting: Sequence[Ticket]) -> tuple[list[Ticket], list[Ticket]]:
    """Return the next batch, and the tickets that go on waiting, both in order.

    The batch has at least one ticket, unless none waits, and is within the limits otherwise.
    Tickets that were withdrawn, or that cannot be measured, are left out of both.
    """
    batch: list[Ticket] = []
    size = weight = taken = 0
    is_alone = False
    for ticket in waiting:
        is_plain = not (ticket.enqueue or ticket.result_size)
        measures = _ONE_END if is_plain else ticket.measure()
        if measures is not None and not ticket.withdrawn:
            rows, characters, goes_alone = measures
            size += rows
            weight += characters
            is_full = size > LARGEST_BATCH or weight > HEAVIEST_BATCH
            if batch and (is_full or goes_alone or is_alone):
                break
            batch.append(ticket)
            is_alone = goes_alone
        taken += 1
    return batch, [*waiting[taken:]]


def rows_of(batch: Sequence[Ticket]) -> tuple[list[NewJob], list[Settlement], list[Report]]:
    """Return what the tickets of a batch write: new jobs, ends of runs, and progress."""
    jobs = [job for ticket in batch for job in ticket.enqueue]
    settlements = [one.settlement for one in batch if one.settlement is not None]
    reports = [one.progress.newest() for one in batch if one.progress is not None]
    return jobs, settlements, reports

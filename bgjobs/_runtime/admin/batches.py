"""Changes of many jobs: some hundreds per transaction, without jobs that are refused.

These functions run in the task of the caller. If it is cancelled, the batches before are stored
and the jobs of the others are unchanged, so the change can be made again.
"""

from collections.abc import Callable, Collection, Sequence
from functools import partial
from itertools import islice
from typing import Concatenate, ParamSpec, TypeVar
from uuid import UUID

from bgjobs._core.arguments import check_text
from bgjobs._core.text import clean_text
from bgjobs._runtime.persistence.refusals import answered, answering, isolate
from bgjobs._runtime.services import ClientServices
from bgjobs.errors import RowRefusedError
from bgjobs.events import ChangeRefused

P = ParamSpec("P")
T = TypeVar("T")

BATCH = 500
"""Jobs in one transaction: a moment, as other writes may have to wait for it."""
LONGEST_REASON = 1_000
"""Characters after which the reason of a cancellation is cut."""


async def in_batches(
    services: ClientServices,
    action: str,
    job_ids: Collection[UUID],
    done: Callable[[T], object],
    verb: Callable[Concatenate[Sequence[UUID], P], T],
    *args: P.args,
    **kwargs: P.kwargs,
) -> None:
    """Call a verb of the store for all jobs, in batches; `done` gets each of its answers.

    A job whose change the database refuses is left out; `ChangeRefused` reports it.
    """

    async def change(part: Sequence[UUID]) -> None:
        call = services.dispatch.call(answering(verb), part, *args, **kwargs)
        done(answered(await call))

    ids = iter(job_ids)
    while batch := list(islice(ids, BATCH)):
        await isolate(batch, change, partial(_report_refusal, services, action))


def clean_reason(reason: str) -> str:
    """Check the reason of a cancellation, and return it without control characters."""
    check_text("reason", reason)
    if not reason.strip():
        raise ValueError("reason: expected a text, found an empty one")
    return clean_text(reason, LONGEST_REASON)


def _report_refusal(
    services: ClientServices, action: str, job_id: UUID, error: RowRefusedError
) -> None:
    services.bus.emit(ChangeRefused, action, job_id, error)

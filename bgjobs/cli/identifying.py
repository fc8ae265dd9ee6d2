"""Which job is meant by the beginning of an id: the one place that finds out."""

from collections.abc import Sequence
from uuid import UUID

import bgjobs
from bgjobs.cli.exits import ExitCode
from bgjobs.cli.faults import Fault
from bgjobs.cli.session import Session

_SHOWN = 3
_DIGITS = 32


def identified(session: Session, wanted: Sequence[str]) -> tuple[UUID, ...]:
    """Return the ids that are meant; the store is asked only where one is not whole."""
    if all(_is_whole(one) for one in wanted):
        return tuple(map(UUID, wanted))

    async def find(admin: bgjobs.Admin) -> tuple[UUID, ...]:
        return tuple([await _one(admin, text) for text in wanted])

    return session.administered(find)


def _is_whole(text: str) -> bool:
    return len(text.replace("-", "")) == _DIGITS


async def _one(admin: bgjobs.Admin, text: str) -> UUID:
    if _is_whole(text):
        return UUID(text)
    found = await admin.find_ids(text, limit=_SHOWN + 1)
    if not found:
        raise Fault(f"no job has an id that begins with {text!r}", ExitCode.UNKNOWN_JOB)
    if len(found) > 1:
        more = ", ..." if len(found) > _SHOWN else ""
        shown = ", ".join(map(str, found[:_SHOWN]))
        raise Fault(f"several jobs have an id that begins with {text!r}: {shown}{more}")
    return found[0]

"""Which job is meant by the beginning of an id: the one place that finds out."""

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

import bgjobs
from bgjobs.cli import prefixes
from bgjobs.cli.errors import Fault
from bgjobs.cli.exits import ExitCode
from bgjobs.cli.session import Session
from bgjobs.errors import StoreError

_SHOWN = 3
_DIGITS = prefixes.MOST
_MOST_SHORTENED = 200
"""Each id that is shown costs a question to the store; longer lists have whole ids."""
_LOOKED_AT = 50


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


async def shortened(admin: bgjobs.Admin, ids: Collection[UUID]) -> Mapping[UUID, str]:
    """Return as much of each id as means one job of the store, all to the same length.

    Nothing where there are many: those are shown whole.
    """
    if len(ids) > _MOST_SHORTENED:
        return {}
    digits = prefixes.enough(ids)
    try:
        for one in ids:
            digits = await _enough(admin, one, digits)
    except StoreError:  # a store that cannot tell; whole ids will do
        return {}
    return {one: prefixes.beginning(one, digits) for one in ids}


async def _enough(admin: bgjobs.Admin, one: UUID, digits: int) -> int:
    while digits < _DIGITS:
        begun = prefixes.beginning(one, digits)
        others = {*await admin.find_ids(begun, limit=_LOOKED_AT)} - {one}
        if not others:
            break
        digits = max(prefixes.shared(one, other) for other in others) + 1
    return digits

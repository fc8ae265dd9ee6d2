"""What the rows of commands, of limits and of refused jobs mean."""

from collections.abc import Collection, Sequence
from datetime import timedelta

from bgjobs._core.jobs import LARGEST_COUNT, UnreadableJob
from bgjobs._core.limits import Cap
from bgjobs.stores.limits import Openings, Use, openings
from bgjobs.stores.sqlite import codec
from bgjobs.stores.sqlite.connection import Parameters, Row
from bgjobs.stores.sqlite.executor import Executor
from bgjobs.stores.types import Commands
from bgjobs.stores.values import commands_of


def as_commands(found: Sequence[Row]) -> Commands:
    """Return the commands in rows of the statement `commands`."""
    parsed = (
        (one, None if one is None else codec.id_or_none(one), text, by)
        for one, text, by in found
    )
    return commands_of(
        (job, text, by) for one, job, text, by in parsed if (one is None) is (job is None)
    )


def as_openings(found: Sequence[Row], caps: Sequence[Cap]) -> Openings:
    """Return what the caps leave room for, from rows of the statement `use`."""
    uses = {
        name: Use(running, started, None if oldest is None else timedelta(microseconds=oldest))
        for name, running, started, oldest in found
    }
    return openings(caps, uses)


def refused(executor: Executor, names: Collection[str]) -> list[UnreadableJob]:
    """Return waiting rows that the database does not allow to be reserved."""
    values: Parameters = {"names": codec.names_json(names), "most": LARGEST_COUNT}
    found = executor.read("find_refused", values)
    return [codec.DECODER.unreadable("jobs", row) for row in found]

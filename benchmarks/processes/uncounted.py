"""bgjobs without activity."""

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from bgjobs._runtime.activity.counts import OwnerCounts
from bgjobs._runtime.activity.writer import ActivityWriter


@contextmanager
def uncounted() -> Iterator[None]:
    """Replace what counts runs, and what writes the counts, by methods that do nothing."""

    def add(*_: object) -> None: ...

    async def write(_: ActivityWriter) -> None: ...

    with (
        patch.object(OwnerCounts, "add", add),
        patch.multiple(ActivityWriter, run=write, finish=write),
    ):
        yield

"""Every fault that can be injected, by the part of the system that it affects."""

from collections.abc import Sequence

from tests.reliability.chaos.cluster import Fault
from tests.reliability.chaos.faults import clocks, database, disk, processes, versions

FAULTS: Sequence[Fault] = (
    *processes.FAULTS,
    *database.FAULTS,
    *disk.FAULTS,
    *clocks.FAULTS,
    *versions.FAULTS,
)


def faults_on(store: str, names: Sequence[str] = ()) -> list[Fault]:
    """Return the faults that apply to a store, restricted to these names if any are given."""
    return [
        fault
        for fault in FAULTS
        if store in fault.stores and (not names or fault.name in names)
    ]

"""All faults that there are."""

from collections.abc import Sequence

from tests.reliability.chaos.faults import Fault, clocks, database, disk, processes, versions

FAULTS: Sequence[Fault] = (
    *processes.FAULTS,
    *database.FAULTS,
    *disk.FAULTS,
    *clocks.FAULTS,
    *versions.FAULTS,
)


def faults_on(store: str, names: Sequence[str] = ()) -> list[Fault]:
    """Give those that make sense on a store, of these names if any are given."""
    return [
        fault
        for fault in FAULTS
        if store in fault.stores and (not names or fault.name in names)
    ]

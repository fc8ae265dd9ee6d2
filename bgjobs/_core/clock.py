"""The source of the time for the runtime, which tests replace by a virtual one."""

import time
from datetime import UTC, datetime
from typing import Protocol, final

from attrs import frozen


class Clock(Protocol):
    """The clocks of one running application; an object with these methods."""

    @property
    def inline(self) -> bool:
        """Whether the store is called on the event loop instead of in a thread.

        Virtual time needs that: while a thread works, a virtual clock sees an idle event loop
        and advances.
        """
        ...

    def now(self) -> datetime:
        """Return the present instant, in UTC."""
        ...

    def store_now(self) -> datetime | None:
        """Return what the store uses as the present; None for its own clock."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never decrease. This is also called from threads."""
        ...


@final
@frozen
class SystemClock:
    """The clocks of this machine, and the own clock of the store."""

    inline: bool = False

    def now(self) -> datetime:
        """Return the time of this machine."""
        return datetime.now(UTC)

    def store_now(self) -> datetime | None:
        """Return None: the store uses its own clock."""
        return None

    def monotonic(self) -> float:
        """Return `time.monotonic()`."""
        return time.monotonic()

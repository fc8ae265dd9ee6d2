"""Where the runtime takes the time from, so that tests can give it another."""

import time
from datetime import UTC, datetime
from typing import Protocol, final

from attrs import frozen


class Clock(Protocol):
    """The time of one running application."""

    @property
    def inline(self) -> bool:
        """True when the store is called on the event loop, which virtual time needs.

        A virtual clock takes a thread at work for idleness and runs ahead of it.
        """
        ...

    def now(self) -> datetime:
        """Give the present instant, in UTC."""
        ...

    def store_now(self) -> datetime | None:
        """Give what the store shall take for now; None leaves it to the store's own clock."""
        ...

    def monotonic(self) -> float:
        """Give seconds that never go back. Called from threads too."""
        ...


@final
@frozen
class SystemClock:
    """The clocks of this machine, and the store's own."""

    inline: bool = False

    def now(self) -> datetime:
        """See `Clock.now`."""
        return datetime.now(UTC)

    def store_now(self) -> datetime | None:
        """See `Clock.store_now`."""
        return None

    def monotonic(self) -> float:
        """See `Clock.monotonic`."""
        return time.monotonic()

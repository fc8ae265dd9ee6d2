"""A clock that a test moves forward."""

import time
from datetime import UTC, datetime

from attrs import define


@define
class JumpingClock:
    """The time of this machine, and the seconds that a test has added."""

    added: float = 0.0
    inline: bool = False

    def now(self) -> datetime:
        return datetime.now(UTC)

    def store_now(self) -> datetime | None:
        return None

    def monotonic(self) -> float:
        return time.monotonic() + self.added

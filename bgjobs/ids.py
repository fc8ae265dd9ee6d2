"""Job ids are UUIDs of version 7 (RFC 9562, section 5.7): ordered by the time they were made.

They are made by the client, so that writing a job twice, because the first answer was lost,
cannot make two jobs.
"""

import os
import time
from uuid import UUID

_VERSION_7 = 0x7 << 76
_VARIANT = 0b10 << 62


def new_ids(count: int) -> list[UUID]:
    """Make `count` ids in ascending order, all of this moment.

    The twelve bits behind the milliseconds hold their fraction (RFC 9562, section 6.2,
    method 3), the rest is random; within one call the random parts are sorted.
    """
    milliseconds, nanoseconds = divmod(time.time_ns(), 1_000_000)
    fraction = nanoseconds * 4096 // 1_000_000
    head = (milliseconds << 80) | _VERSION_7 | (fraction << 64) | _VARIANT
    random = os.urandom(8 * count)
    tails = sorted(
        int.from_bytes(random[start : start + 8]) >> 2 for start in range(0, 8 * count, 8)
    )
    return [UUID(int=head | tail) for tail in tails]


def new_id() -> UUID:
    """Make one id."""
    return new_ids(1)[0]

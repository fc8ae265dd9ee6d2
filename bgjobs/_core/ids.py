"""Job ids are UUIDs of version 7 (RFC 9562, section 5.7): ordered by the time they were made.

They are made by the client, so that writing a job twice, because the first answer was lost,
cannot make two jobs.
"""

import os
import re
import time
from string import hexdigits
from uuid import UUID, SafeUUID

_DIGITS = 32
_FORM = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").fullmatch
"""How `str` writes a UUID."""
_SHOWN = 50
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
    return [id_of(head | tail) for tail in tails]


def id_of(number: int) -> UUID:
    """Make an id of its number, of 128 bits at most.

    `UUID(int=...)` does the same, with checks that take four times as long.
    """
    made = object.__new__(UUID)
    object.__setattr__(made, "int", number)
    object.__setattr__(made, "is_safe", SafeUUID.unknown)
    return made


def parsed_id(text: str) -> UUID:
    """Read an id as a database without a type for it keeps it.

    Raises:
        ValueError: It is not written as `str` writes a UUID.
    """
    # Python also reads capitals, underscores, blanks and a prefix: of such a text the row would
    # not be found again, as it is looked for by the one form.
    if _FORM(text) is None:
        raise ValueError(f"expected an id of {_DIGITS} hexadecimal digits, found {text!a}")
    return id_of(int(text.replace("-", ""), 16))


def ids_between(beginning: str) -> tuple[UUID, UUID]:
    """Return the lowest and the highest id that begins so; `ValueError` for other text."""
    digits = beginning.replace("-", "").lower()
    if not 0 < len(digits) <= _DIGITS or not set(digits) <= set(hexdigits):
        raise ValueError(
            f"beginning: expected the first of {_DIGITS} hexadecimal digits of an id, "
            f"found {beginning[:_SHOWN]!a}"
        )
    return UUID(digits.ljust(_DIGITS, "0")), UUID(digits.ljust(_DIGITS, "f"))


def new_id() -> UUID:
    """Make one id."""
    return new_ids(1)[0]

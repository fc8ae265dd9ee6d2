"""Ids of jobs: UUIDs of version 7 (RFC 9562, section 5.7), ordered by the time of creation.

The client creates them, so that repeating a write whose answer was lost cannot store two jobs.
See https://www.rfc-editor.org/rfc/rfc9562.
"""

import os
import re
import time
from string import hexdigits
from struct import unpack
from uuid import UUID, SafeUUID

_DIGITS = 32
_FORM = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").fullmatch
"""The format in which `str` writes a UUID."""
_SHOWN = 50
_new, _set, _UNKNOWN = object.__new__, object.__setattr__, SafeUUID.unknown
"""Looked up once: a job that is enqueued and run has several ids."""
_VERSION_7 = 0x7 << 76
_VARIANT = 0b10 << 62


def new_ids(count: int) -> list[UUID]:
    """Return `count` new ids in ascending order, all with the present time.

    The twelve bits after the milliseconds are their fraction (RFC 9562, section 6.2, method 3).
    The other bits are random, and sorted within one call.
    """
    milliseconds, nanoseconds = divmod(time.time_ns(), 1_000_000)
    fraction = nanoseconds * 4096 // 1_000_000
    head = (milliseconds << 80) | _VERSION_7 | (fraction << 64) | _VARIANT
    random = unpack(f">{count}Q", os.urandom(8 * count))
    return [uuid_of(head | (tail >> 2)) for tail in sorted(random)]


def uuid_of(number: int) -> UUID:
    """Return the UUID of a number of up to 128 bits.

    `UUID(int=...)` does the same, but its checks take four times as long.
    """
    made = _new(UUID)
    _set(made, "int", number)
    _set(made, "is_safe", _UNKNOWN)
    return made


def parsed_id(text: str) -> UUID:
    """Return the id in a text column of a database without a type for UUIDs.

    Raises:
        ValueError: The text has another format than that of `str`.
    """
    # `UUID` accepts other formats, too, with capitals or a prefix. A row with such an id would
    # not be found again, because rows are looked up by the format of `str`.
    if _FORM(text) is None:
        raise ValueError(f"expected an id of {_DIGITS} hexadecimal digits, found {text!a}")
    return uuid_of(int(text.replace("-", ""), 16))


def ids_between(beginning: str) -> tuple[UUID, UUID]:
    """Return the lowest and the highest id that begins so, or raise `ValueError`."""
    digits = beginning.replace("-", "").lower()
    if not 0 < len(digits) <= _DIGITS or not set(digits) <= set(hexdigits):
        raise ValueError(
            f"beginning: expected the first of {_DIGITS} hexadecimal digits of an id, "
            f"found {beginning[:_SHOWN]!a}"
        )
    return UUID(digits.ljust(_DIGITS, "0")), UUID(digits.ljust(_DIGITS, "f"))


def new_id() -> UUID:
    """Return one new id."""
    return new_ids(1)[0]

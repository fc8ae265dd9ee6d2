"""Arrays in PostgreSQL's binary format, each made in one go.

The driver asks every element for its type and quotes every text: of a batch of a thousand
jobs that was two thirds of the whole time that storing it took here.

Format: array_send of PostgreSQL (src/backend/utils/adt/arrayfuncs.c); all numbers big-endian.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from struct import Struct
from typing import final
from uuid import UUID

from attrs import field, frozen
from psycopg.adapt import Buffer, Dumper
from psycopg.pq import Format

from bgjobs.instants import MICROSECOND

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
"""From which the server counts microseconds."""

_UUID, _TEXT, _INTEGER, _BIGINT, _INSTANT = 2950, 25, 23, 20, 1184
_ARRAYS = {_UUID: 2951, _TEXT: 1009, _INTEGER: 1007, _BIGINT: 1016, _INSTANT: 1185}
"""The object ids of types and of their arrays, which are the same on every server."""
_HEADER = Struct(">iiIii")
_LENGTH = Struct(">i").pack
_PLAIN = {4: Struct(">ii").pack, 8: Struct(">iq").pack}
_NULL = _LENGTH(-1)
_UUID_LENGTH = _LENGTH(16)


@final
@frozen
class Array:
    """A parameter that is written down already."""

    oid: int
    data: bytes = field(repr=False)


@final
class ArrayDumper(Dumper):
    """Hands the driver what an `Array` holds."""

    format = Format.BINARY

    def __init__(self, cls: type, context: object = None) -> None:
        super().__init__(cls, None)

    def get_key(self, obj: Array, format: object) -> tuple[type, int]:  # noqa: A002, ARG002 - the driver's name for it
        """Tell arrays of different types apart."""
        return (Array, obj.oid)

    def upgrade(self, obj: Array, format: object) -> "ArrayDumper":  # noqa: A002, ARG002 - as above
        """Give one that says this type."""
        dumper = ArrayDumper(Array)
        dumper.oid = obj.oid
        return dumper

    def dump(self, obj: Array) -> Buffer:
        """Give the bytes."""
        return obj.data


def uuids(values: Sequence[UUID]) -> Array:
    """Write a uuid[]."""
    return _array(_UUID, len(values), [_UUID_LENGTH + one.bytes for one in values])


def texts(values: Sequence[str | None]) -> Array:
    """Write a text[]."""
    parts: list[bytes] = []
    for one in values:
        if one is None:
            parts.append(_NULL)
        else:
            encoded = one.encode()
            parts += (_LENGTH(len(encoded)), encoded)
    return _array(_TEXT, len(values), parts)


def integers(values: Sequence[int]) -> Array:
    """Write an integer[]."""
    return _numbers(_INTEGER, 4, values)


def bigints(values: Sequence[int | None]) -> Array:
    """Write a bigint[]."""
    return _numbers(_BIGINT, 8, values)


def instants(values: Sequence[datetime | None]) -> Array:
    """Write a timestamptz[] of aware datetimes."""
    counts = [None if one is None else (one - EPOCH) // MICROSECOND for one in values]
    return _numbers(_INSTANT, 8, counts)


def _numbers(oid: int, size: int, values: Sequence[int | None]) -> Array:
    pack = _PLAIN[size]
    return _array(
        oid, len(values), [_NULL if one is None else pack(size, one) for one in values]
    )


def _array(oid: int, length: int, parts: Iterable[bytes]) -> Array:
    header = _HEADER.pack(1, 1, oid, length, 1)
    return Array(_ARRAYS[oid], header + b"".join(parts))

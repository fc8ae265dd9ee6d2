"""Arrays as parameters, and the types of the columns.

Arrays are written in PostgreSQL's binary format here, each in one go. The driver would ask
every element for its type and quote every text, which was two thirds of the client's time for
storing a thousand jobs. The format is that of `array_recv` in
`src/backend/utils/adt/arrayfuncs.c`; all numbers are big-endian.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from struct import Struct
from typing import Any, final
from uuid import UUID

from attrs import field, frozen
from psycopg.adapt import Buffer, Dumper
from psycopg.pq import Format

from bgjobs._core.timestamps import MICROSECOND
from bgjobs.stores.columns import COUNTS, MEASURED, TIMES

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
"""From which the server counts microseconds."""

_UUID, _TEXT, _SMALLINT, _INTEGER, _BIGINT, _TIMESTAMPTZ = 2950, 25, 21, 23, 20, 1184
"""The object ids of the elements' types, the same on every server."""
_HEADER = Struct(">iiIii").pack
_LENGTH = Struct(">i").pack
_NULL, _UUID_LENGTH = _LENGTH(-1), _LENGTH(16)
_INT2, _INT4, _INT8 = Struct(">ih").pack, Struct(">ii").pack, Struct(">iq").pack
"""A number of 2, 4 or 8 bytes after its length."""


@final
@frozen
class Array:
    """A parameter in binary format; the statement names its type."""

    data: bytes = field(repr=False)


@final
class ArrayDumper(Dumper):
    """Passes the bytes of an `Array` to the driver."""

    format = Format.BINARY

    def dump(self, obj: Array) -> Buffer:
        """Return the bytes."""
        return obj.data


def uuids(values: Sequence[UUID | None]) -> Array:
    """Return a uuid[]."""
    parts = [_NULL if one is None else _UUID_LENGTH + one.bytes for one in values]
    return _array(_UUID, len(values), parts)


def texts(values: Sequence[str | None]) -> Array:
    """Return a text[]."""
    parts: list[bytes] = []
    for one in values:
        if one is None:
            parts.append(_NULL)
        else:
            encoded = one.encode()
            parts += (_LENGTH(len(encoded)), encoded)
    return _array(_TEXT, len(values), parts)


def smallints(values: Sequence[int]) -> Array:
    """Return a smallint[]."""
    return _array(_SMALLINT, len(values), [_INT2(2, one) for one in values])


def integers(values: Sequence[int]) -> Array:
    """Return an integer[]."""
    return _array(_INTEGER, len(values), [_INT4(4, one) for one in values])


def bigints(values: Sequence[int | None]) -> Array:
    """Return a bigint[]."""
    return _int8s(_BIGINT, values)


def timestamps(values: Sequence[datetime | None]) -> Array:
    """Return a timestamptz[] of aware datetimes."""
    counts = [None if one is None else (one - EPOCH) // MICROSECOND for one in values]
    return _int8s(_TIMESTAMPTZ, counts)


def timestamp_bytes(value: datetime) -> bytes:
    """Return a timestamptz that is not in an array."""
    return ((value - EPOCH) // MICROSECOND).to_bytes(8, signed=True)


def unique_names(names: Iterable[str]) -> Array:
    """Return a text[] of worker names, each once."""
    return texts(sorted(set(names)))


def unique_ids(ids: Iterable[UUID]) -> Array:
    """Return a uuid[] of ids, each once."""
    return uuids(sorted(set(ids)))


def _int8s(oid: int, values: Sequence[int | None]) -> Array:
    return _array(oid, len(values), [_NULL if one is None else _INT8(8, one) for one in values])


def _array(oid: int, length: int, parts: Iterable[bytes]) -> Array:
    dimensions, may_contain_null, lower_bound = 1, 1, 1
    header = _HEADER(dimensions, may_contain_null, oid, length, lower_bound)
    return Array(header + b"".join(parts))


_WRITERS: Mapping[str, Callable[[Sequence[Any]], Array]] = {
    "uuid": uuids,
    "text": texts,
    "smallint": smallints,
    "integer": integers,
    "bigint": bigints,
    "timestamptz": timestamps,
}
_TYPES: Mapping[str, str] = {
    **dict.fromkeys(("id", "reserved_by", "parent_id"), "uuid"),
    "priority": "smallint",
    **dict.fromkeys(COUNTS, "integer"),
    **dict.fromkeys(MEASURED, "bigint"),
    **dict.fromkeys(TIMES, "timestamptz"),
}
"""The types of the columns; the columns that are not listed have texts."""


def parameter(column: str, place: int) -> str:
    """Return the parameter with the values of a column, which has its name."""
    del place  # parameters have names here
    return f"%({column})s::{_type_of(column)}[]"


def column_array(column: str, values: Sequence[Any]) -> Array:
    """Return the values of a column as an array of its type."""
    return _WRITERS[_type_of(column)](values)


def _type_of(column: str) -> str:
    return _TYPES.get(column, "text")

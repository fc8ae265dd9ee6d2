"""Arrays that are written here mean to the server what the driver's own would mean."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import psycopg
import pytest

from bgjobs.stores.postgres import arrays
from bgjobs.stores.postgres.statements import Dialect
from bgjobs.stores.postgres.timestamps import exact_instant

CASES: list[tuple[str, Callable[[Any], arrays.Array], Sequence[Any]]] = [
    ("uuid", arrays.uuids, [UUID(int=0), UUID(int=2**128 - 1), UUID(int=7)]),
    ("text", arrays.texts, ["", "plain", None, "\"{}\\'", "ä€𝄞", "\n\t", "null", "NULL"]),
    ("smallint", arrays.smallints, [0, -32767, 32767]),
    ("integer", arrays.integers, [0, 1, 2**31 - 1, -(2**31)]),
    ("bigint", arrays.bigints, [0, None, 2**63 - 1, -(2**63)]),
    (
        "timestamptz",
        arrays.instants,
        [
            datetime(2030, 1, 2, 3, 4, 5, 678901, UTC),
            None,
            datetime(1900, 1, 1, tzinfo=UTC),
            datetime(2030, 6, 1, tzinfo=timezone(timedelta(hours=-7))),
        ],
    ),
]


def _as_it_is(value: Any) -> Any:
    return value


@pytest.mark.parametrize(("kind", "write", "values"), CASES, ids=[case[0] for case in CASES])
def test_what_is_written_comes_back(
    postgres_dsn: str,
    kind: str,
    write: Callable[[Any], arrays.Array],
    values: Sequence[Any],
) -> None:
    dialect = Dialect("public", "test")
    with psycopg.connect(postgres_dsn, autocommit=True) as connection:
        for some in (values, values[:1], []):
            statement = f"select unnest(%(them)s::{kind}[])".encode()
            found = dialect.run(connection, statement, {"them": write(some)})
            read = exact_instant if kind == "timestamptz" else _as_it_is
            read_all = [None if one is None else read(one) for [one] in found]
            assert read_all == list(some)


def test_what_an_array_holds_is_not_shown() -> None:
    assert "secret" not in repr(arrays.texts(["secret"]))

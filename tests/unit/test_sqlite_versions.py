"""Which versions of the SQLite library have the WAL-reset bug."""

import pytest

from bgjobs.stores.sqlite.versions import has_wal_reset_bug


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ((3, 6, 23), False),
        ((3, 7, 0), True),
        ((3, 37, 2), True),
        ((3, 40, 1), True),
        ((3, 43, 2), True),
        ((3, 44, 5), True),
        ((3, 44, 6), False),
        ((3, 44, 9), False),
        ((3, 45, 0), True),
        ((3, 49, 2), True),
        ((3, 50, 0), True),
        ((3, 50, 6), True),
        ((3, 50, 7), False),
        ((3, 51, 0), True),
        ((3, 51, 2), True),
        ((3, 51, 3), False),
        ((3, 52, 0), False),
        ((4, 0, 0), False),
    ],
)
def test_versions_with_the_bug(version: tuple[int, int, int], expected: bool) -> None:
    assert has_wal_reset_bug(version) is expected

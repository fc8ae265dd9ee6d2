"""Which versions of the SQLite library are good enough."""

OLDEST = (3, 37, 0)
"""The first with STRICT tables; RETURNING is older."""
SAFE_VERSIONS = "3.44.6 and later 3.44, 3.50.7 and later 3.50, or 3.51.3 and newer"
"""The versions without the WAL-reset bug, for messages."""


def has_wal_reset_bug(version_info: tuple[int, int, int]) -> bool:
    """Whether this version may lose pages when one connection commits beside a checkpoint.

    See https://sqlite.org/wal.html#walresetbug: it is there from 3.7.0 to 3.51.2, except
    in two backports. How the store avoids it is told in `checkpoints`.
    """
    minor = version_info[:2]
    if minor == (3, 44):
        return version_info < (3, 44, 6)
    if minor == (3, 50):
        return version_info < (3, 50, 7)
    return (3, 7, 0) <= version_info < (3, 51, 3)

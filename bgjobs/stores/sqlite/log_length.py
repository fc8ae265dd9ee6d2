"""How long the write-ahead log has become, read from the log itself."""

import os
from typing import final

LONG = 1000
"""Frames, one for each page that was written: as many as SQLite waits for by itself."""
AGAIN = 250
"""Frames more, after a checkpoint that a reader held up."""

_HEADER = 32  # https://sqlite.org/fileformat2.html#walformat
_FRAME_HEADER = 24
_PAGE_SIZE = slice(8, 12)
_SALTS = slice(16, 24)
_SALTS_OF_FRAME = 8
_NOTHING = b"", 0


@final
class LogLength:
    """Whether the log is long enough for a checkpoint.

    The file never shrinks: when all of it is in the database, SQLite overwrites it from the
    start, with other salts. So the frame at a place counts only if it has the salts of the
    header.

    SQLite holds no locks on the log, so a descriptor of our own can be closed at any time.
    """

    def __init__(self, path: str) -> None:
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._due = _NOTHING  # the salts, and where they stand in the frame that is waited for

    def is_long(self) -> bool:
        """Whether the log has as many frames as are waited for."""
        header = os.pread(self._descriptor, _HEADER, 0)
        salts, place = self._due
        if header[_SALTS] != salts:
            salts, place = self._wait_for(header, LONG)
        return place > 0 and os.pread(self._descriptor, len(salts), place) == salts

    def checkpointed(self, frames: int) -> None:
        """Wait for more than these frames, until the log begins anew."""
        self._wait_for(os.pread(self._descriptor, _HEADER, 0), max(LONG, frames + AGAIN))

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self._descriptor)

    def _wait_for(self, header: bytes, frames: int) -> tuple[bytes, int]:
        if len(header) == _HEADER:
            frame_size = _FRAME_HEADER + int.from_bytes(header[_PAGE_SIZE])
            place = _HEADER + (frames - 1) * frame_size + _SALTS_OF_FRAME
            self._due = header[_SALTS], place
        else:
            self._due = _NOTHING  # nothing was ever written to it
        return self._due

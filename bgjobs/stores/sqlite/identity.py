"""Whether the files at their paths are still those that were opened there."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import final

from attrs import frozen

from bgjobs.errors import StoreError, StoreUnavailableError

_SECOND = 1_000_000_000
_SETTLED, _SETTLED_IN_SECONDS = _SECOND // 10, 3 * _SECOND
"""Nanoseconds after which no further change can leave a folder the time of its last one.

File systems count in ticks of at most some 10 ms, or in seconds, of which FAT takes two.
"""


@frozen
class _Opened:
    path: str
    look: Callable[[str], os.stat_result]
    device: int
    inode: int


@final
class OpenedFiles:
    """The files that a store has open: the database, its log, and the index of the log.

    SQLite goes on with a file that was moved, deleted or replaced. Processes that have other
    files open do not see each other's locks, so that what is written would be acknowledged
    and lost.
    """

    def __init__(self, path: str, label: str) -> None:
        """Remember the database at `path`, where there is one already."""
        self.database: str = os.path.realpath(path)
        """Beside it, SQLite puts the other two."""
        self._label = label
        self._link = None if path == self.database else self._opened(path, os.stat)
        self._beside = [self._opened(self.database, os.lstat)]
        self._folder = str(Path(self.database).parent)
        self._unchanged: tuple[int, int] | None = None  # the folder when all was right in it

    @property
    def log(self) -> str:
        """Where the write-ahead log is."""
        return f"{self.database}-wal"

    def add_log(self) -> None:
        """Remember the log and its index as well; a connection has to be open."""
        more = (self.log, f"{self.database}-shm")
        self._beside += [self._opened(one, os.lstat) for one in more]

    def inodes(self) -> list[int]:
        """Return the inodes of the database, the log and the index."""
        return [one.inode for one in self._beside]

    def check(self) -> None:
        """Raise `StoreError` when another file is at one of the paths, or none."""
        if self._link is not None:
            self._check(self._link)
        # One look at the folder instead of one at each file: this is done twice a commit.
        found = self._look(self._folder, os.stat)
        changed = found.st_ino, found.st_ctime_ns
        if changed != self._unchanged:
            for opened in self._beside:
                self._check(opened)
            if _is_settled(found.st_ctime_ns, time.time_ns()):
                self._unchanged = changed

    def are_taken(self) -> bool:
        """Whether others have another log or index by now, at the same path."""
        return any(_is_another(one) for one in self._beside[1:])

    def _check(self, opened: _Opened) -> None:
        # Never by opening: closing again would drop the locks that SQLite holds for us.
        found = self._look(opened.path, opened.look)
        if found.st_ino != opened.inode or found.st_dev != opened.device:
            raise StoreError(self._changed(opened.path, "replaced"))

    def _look(self, path: str, look: Callable[[str], os.stat_result]) -> os.stat_result:
        try:
            return look(path)
        except OSError as error:
            raise self._absent(path, error) from error

    def _opened(self, path: str, look: Callable[[str], os.stat_result]) -> _Opened:
        found = self._look(path, look)
        return _Opened(path, look, found.st_dev, found.st_ino)

    def _absent(self, path: str, error: OSError) -> StoreError:
        if isinstance(error, FileNotFoundError):
            return StoreError(self._changed(path, "removed"))
        return StoreUnavailableError(f"{self._label}: {path}: {error.strerror}")

    def _changed(self, path: str, how: str) -> str:
        return (
            f"{self._label}: {path} was {how} while it was open, so other processes would not "
            "see what is written; stop all processes that use the database, then start them"
        )


def _is_settled(changed_at: int, now: int) -> bool:
    in_seconds = changed_at % _SECOND == 0
    return changed_at + (_SETTLED_IN_SECONDS if in_seconds else _SETTLED) < now


def _is_another(opened: _Opened) -> bool:
    try:
        found = opened.look(opened.path)
    except OSError:
        return False
    return (found.st_dev, found.st_ino) != (opened.device, opened.inode)


def leads_to(path: str, file: str) -> bool:
    """Say whether both are names of one file that is there."""
    try:
        return Path(path).samefile(file)
    except OSError:
        return False

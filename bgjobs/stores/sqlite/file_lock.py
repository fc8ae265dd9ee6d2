"""A lock beside the database, by which processes agree on the files that they have open."""

import fcntl
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import final

from bgjobs.errors import StoreError, StoreUnavailableError
from bgjobs.stores.sqlite.files import PRIVATE

_RETRY = 0.01  # seconds between two tries; a process holds it alone only while it opens
_ENOUGH = 4096  # bytes


@final
class FileLock:
    """The lock of one open store; it ends with the process, however that ends.

    The lock file contains, as text, the inodes of the database, the log and the index that the
    holders of the lock have open. When one of these files was removed or replaced, SQLite would
    create another one for a new process, and that process and the others would not see each
    other's locks and commits.

    The name of the lock file begins with a dot, so that `rm app.db*` does not remove it.
    """

    def __init__(self, database: str, label: str, patience: float) -> None:
        """Take the lock, alone or with others, and wait while a process is opening the store.

        Raise `StoreError` if other processes have other files open than those at the paths.
        """
        self._database = database
        self._path = _lock_of(database)
        self._label = label
        try:
            self._descriptor = _open(self._path, database)
        except OSError as error:
            raise self._unavailable(error.strerror) from error
        try:
            self._is_alone = self._enter(time.monotonic() + patience)
            self.check()
        except BaseException:
            self.close()
            raise

    def check(self) -> None:
        """Raise `StoreError` if others have other files open than those at the paths."""
        recorded = b"" if self._is_alone else os.pread(self._descriptor, _ENOUGH, 0)
        for place in _changed(self._database, recorded):
            raise StoreError(
                f"{self._label}: {place} was removed or replaced while other processes had it "
                "open, so they and this one would not see what the other writes; stop all "
                "processes that use the database, then start them"
            )

    def record(self, inodes: Sequence[int]) -> None:
        """Write what is open into the lock file, if no other process holds the lock."""
        if self._is_alone:
            try:
                os.ftruncate(self._descriptor, 0)
                os.pwrite(self._descriptor, " ".join(map(str, inodes)).encode(), 0)
                fcntl.flock(self._descriptor, fcntl.LOCK_SH)
            except OSError as error:
                raise self._unavailable(error.strerror) from error
            self._is_alone = False
        self.check()

    def close(self) -> None:
        """Release the lock."""
        os.close(self._descriptor)

    def _enter(self, deadline: float) -> bool:
        """Take the lock, and return whether no other process has it."""
        while True:
            for kind in (fcntl.LOCK_EX, fcntl.LOCK_SH):
                try:
                    fcntl.flock(self._descriptor, kind | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue
                except OSError as error:
                    raise self._unavailable(error.strerror) from error
                return kind == fcntl.LOCK_EX
            if time.monotonic() >= deadline:
                raise self._unavailable("another process does not finish opening it")
            time.sleep(_RETRY)  # in a store thread; a blocking flock has no time limit

    def _unavailable(self, problem: str | None) -> StoreUnavailableError:
        return StoreUnavailableError(f"{self._label}: {self._path}: {problem}")


def check_file_lock(database: str, label: str, patience: float) -> None:
    """Raise `StoreError` if open stores have other files open than those at the paths."""
    try:
        with _lock_of(database).open("rb") as lock:
            recorded = lock.read(_ENOUGH)
    except OSError:  # no store was ever open, or this user may not read its lock
        return
    if any(_changed(database, recorded)):
        # Stores that are closed by now may have recorded it: only the lock knows.
        FileLock(database, label, patience).close()


def _lock_of(database: str) -> Path:
    path = Path(database)
    return path.with_name(f".{path.name}.lock")


def _open(path: Path, database: str) -> int:
    """Open the lock file; a new one gets the permissions of the database."""
    flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        descriptor = os.open(path, flags | os.O_CREAT | os.O_EXCL, PRIVATE)
    except FileExistsError:
        return os.open(path, flags)
    with suppress(FileNotFoundError):  # there is no database yet
        found = Path(database).stat()
        if os.geteuid() == 0:
            os.fchown(descriptor, found.st_uid, found.st_gid)
        os.fchmod(descriptor, found.st_mode & 0o666)
    return descriptor


def _changed(database: str, recorded: bytes) -> Iterator[Path]:
    """Return the files that are not those whose inodes were recorded."""
    places = (Path(f"{database}{end}") for end in ("", "-wal", "-shm"))
    for place, inode in zip(places, _parsed(recorded), strict=False):
        if _inode(place) != inode:
            yield place


def _parsed(text: bytes) -> Sequence[int]:
    try:
        return [int(one) for one in text.split()]
    except ValueError:  # it was not written by bgjobs
        return ()


def _inode(path: Path) -> int:
    try:
        return path.lstat().st_ino
    except OSError:
        return 0

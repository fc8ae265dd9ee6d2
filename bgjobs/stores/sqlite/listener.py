"""Notice commits of other processes: inotify on the log, then SQLite's change counter.

A commit is written to the log first. SQLite then syncs the log to the disk, and only after that
the commit becomes visible. Linux reports the write, but nothing reports the end of the sync. So
the change counter is read at the write, and again until the commit must have ended.
"""

import errno
import os
import select
import sqlite3
import struct
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, final

from bgjobs.errors import StoreUnavailableError
from bgjobs.stores.sqlite.connection import Connection
from bgjobs.stores.sqlite.errors import as_store_error
from bgjobs.stores.types import ANY_CHANGE, Notice

try:
    from ctypes import PyDLL, get_errno

    # PyDLL keeps the GIL: releasing it would take longer than these calls.
    _libc: Any = PyDLL(None, use_errno=True) if sys.platform == "linux" else None
except (ImportError, OSError):  # a Python that was built without libffi, or statically
    _libc = None

    def get_errno() -> int:
        """Raise `NotImplementedError`; without ctypes there is no call that could fail."""
        raise NotImplementedError


SHORTEST = 0.0004
"""Seconds between two looks for a commit whose writes were reported."""
AFTER_COMMIT = 0.002
"""Seconds to the look after one that found a commit, so that a load of commits costs little."""
HORIZON = 10.0
"""Seconds that a commit may take from its last write to its end."""

# The constants of <sys/inotify.h>, and its struct; see inotify(7) and timerfd_create(2).
_MODIFY, _ATTRIB, _DELETE_SELF, _MOVE_SELF = 0x2, 0x4, 0x400, 0x800
_UNMOUNT, _IGNORED = 0x2000, 0x8000  # reported without being asked for
_LOSS = _ATTRIB | _DELETE_SELF | _MOVE_SELF | _UNMOUNT | _IGNORED
_EVENT = struct.Struct("iIII")  # only events in a folder are followed by a name
_ROOM = 64 * _EVENT.size
_TIMES = struct.Struct("@4l")  # the interval and the first time, in seconds and nanoseconds

_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_NO_CHANGE = Notice()
_FILE = "select cast(file as blob) from pragma_database_list where name = 'main'"


@final
class FileNotifier:
    """A descriptor that becomes readable when a file is written, or when a pause is over.

    The file itself is never opened. `OSError` when the system cannot do this: it is not Linux,
    the file does not exist, or there are too many watches.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with ExitStack() as undo:
            flags = os.O_NONBLOCK | os.O_CLOEXEC
            self._inotify = _call("inotify_init1", flags)
            undo.callback(os.close, self._inotify)
            wanted = _MODIFY | _ATTRIB | _DELETE_SELF | _MOVE_SELF
            _call("inotify_add_watch", self._inotify, os.fsencode(path), wanted)
            self._file = self._at_path()
            self._timer = _call("timerfd_create", time.CLOCK_MONOTONIC, flags)
            undo.callback(os.close, self._timer)
            self._either = select.epoll()
            undo.callback(self._either.close)
            self._either.register(self._inotify, 0)
            self._either.register(self._timer, select.EPOLLIN)
            self.wait(SHORTEST, for_writes=False)
            self._descriptors = undo.pop_all()

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._either.fileno()

    def was_written(self) -> bool:
        """Whether the file was written since the last call.

        Raise `OSError` when the path has another file by now, or none.
        """
        try:
            events = os.read(self._inotify, _ROOM)
        except BlockingIOError:
            return False
        kinds = 0
        for _, kind, _, _ in _EVENT.iter_unpack(events):
            kinds |= kind
        if kinds & _LOSS and (kinds & _IGNORED or self._at_path() != self._file):
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), str(self._path))
        return bool(kinds & ~_LOSS)

    def wait(self, seconds: float | None, *, for_writes: bool) -> None:
        """Be readable after `seconds`, or never with None, and after a write if asked to."""
        nanoseconds = 0 if seconds is None else max(1, round(seconds * 1e9))
        once = _TIMES.pack(0, 0, *divmod(nanoseconds, 1_000_000_000))
        _call("timerfd_settime", self._timer, 0, once, None)
        self._either.modify(self._inotify, select.EPOLLIN if for_writes else 0)

    def close(self) -> None:
        """Close all descriptors."""
        self._descriptors.close()

    def _at_path(self) -> tuple[int, int]:
        found = self._path.stat()
        return found.st_dev, found.st_ino


@final
class SQLiteChangeSource:
    """A `ChangeSource` that reads `pragma data_version`, which each commit of others changes.

    See https://sqlite.org/pragma.html#pragma_data_version. Commits of this process count too,
    as they are made by other connections. Without a notifier it is read every `interval`
    seconds.
    """

    def __init__(self, connection: Connection, interval: float) -> None:
        self._connection = connection
        self._interval = interval
        self._version: int | None = None
        self._notifier: FileNotifier | None = None
        self._written = True  # what was written just before may be committed soon
        self._written_at = time.monotonic()
        self.resting: bool = False
        """Whether all that was written has been committed, as far as that is known."""
        try:
            self._ask("pragma busy_timeout = 0")  # `poll` never blocks
            self._has_changed()  # creates the log, if there was none
            self._notifier = self._new_notifier()
            self._has_changed()  # what was committed before is no change
        except BaseException:
            self.close()
            raise

    @property
    def interval(self) -> float | None:
        """Seconds between two looks; None when a descriptor becomes readable instead."""
        return self._interval if self._notifier is None else None

    def fileno(self) -> int:
        """Return the descriptor that becomes readable when it is time for `poll`."""
        if self._notifier is None:
            raise NotImplementedError("this file is looked at every interval")
        return self._notifier.fileno()

    def poll(self) -> Notice:
        """Return `ANY_CHANGE` when anything was committed since the last call."""
        changed = (
            self._has_changed() if self._notifier is None else self._look_by(self._notifier)
        )
        return ANY_CHANGE if changed else _NO_CHANGE

    def close(self) -> None:
        """Close the connection and the descriptors."""
        if self._notifier is not None:
            self._notifier.close()
        self._connection.close()

    def _new_notifier(self) -> FileNotifier | None:
        file: bytes = self._ask(_FILE)
        try:
            return FileNotifier(Path(os.fsdecode(file) + "-wal"))
        except OSError:
            return None

    def _look_by(self, notifier: FileNotifier) -> bool | None:
        label = self._connection.label
        try:
            self._written = notifier.was_written() or self._written
            changed = self._has_changed()
            if changed and self.resting and not self._written:
                self._written = notifier.was_written()  # it may have come in between
                if not self._written:
                    raise StoreUnavailableError(
                        f"{label}: inotify did not report a commit; reconnecting"
                    )
            self._wait(notifier, changed=changed)
        except OSError as error:
            message = f"{label}: its log was lost: {error.strerror}"
            raise StoreUnavailableError(message) from error
        return changed

    def _wait(self, notifier: FileNotifier, *, changed: bool | None) -> None:
        """Set when to look again; `changed` is None after a look that SQLite refused."""
        now = time.monotonic()
        if self._written:
            self._written_at, self.resting = now, False
        elif changed or now - self._written_at > HORIZON:
            # One connection writes at a time. So a write that was reported before this look
            # belongs to the commit that was found, or to one that had ended before it.
            self.resting = True
        self._written = self._written and changed is None
        if changed:  # mostly by this process, or followed by an answer of this process
            notifier.wait(AFTER_COMMIT, for_writes=False)
        elif self.resting:
            notifier.wait(None, for_writes=True)
        else:
            pause = (now - self._written_at) / 2  # the longer it takes, the less it matters
            notifier.wait(max(pause, SHORTEST), for_writes=pause > SHORTEST)

    def _has_changed(self) -> bool | None:
        """Whether the version has changed; None when SQLite refuses to read it now."""
        version: int | None = self._ask("pragma data_version")
        if version is None:
            return None
        before, self._version = self._version, version
        return version != before

    def _ask(self, sql: str) -> Any:
        """Return the only value, or None when SQLite is busy."""
        try:
            return self._connection.raw.execute(sql).fetchone()[0]
        except sqlite3.Error as error:
            code: int = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
            if code & 0xFF in _BUSY:
                return None
            message = str(as_store_error(self._connection.label, error))
            raise StoreUnavailableError(message) from error


def _call(name: str, *arguments: Any) -> int:
    function = getattr(_libc, name, None)  # None on other systems, or with another C library
    answer: int = -1 if function is None else function(*arguments)
    if answer < 0:
        number = errno.ENOSYS if function is None else get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
    return answer

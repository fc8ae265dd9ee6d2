"""What Linux has and Python lacks: to be told that a file is written, and a timer.

Both are descriptors that become readable, so that one can wait for either.
"""

import errno
import os
import struct
import sys
import time
from pathlib import Path
from typing import Any, final

try:
    from ctypes import PyDLL, get_errno

    # It keeps the GIL: to give it away would take longer than these calls.
    _libc: Any = PyDLL(None, use_errno=True) if sys.platform == "linux" else None
except (ImportError, OSError):  # a Python that was built without libffi, or as one piece
    _libc = None

    def get_errno() -> int:
        """Never be called."""
        raise NotImplementedError


_MODIFY, _ATTRIB, _DELETE_SELF, _MOVE_SELF = 0x2, 0x4, 0x400, 0x800
_UNMOUNT, _IGNORED = 0x2000, 0x8000  # told without being asked for
_FATE = _ATTRIB | _DELETE_SELF | _MOVE_SELF | _UNMOUNT | _IGNORED
_EVENT = struct.Struct("iIII")  # only for what is in a folder, a name would follow
_ROOM = 64 * _EVENT.size
_TIMES = struct.Struct("@4l")  # the interval and the first time, in seconds and nanoseconds


@final
class Inotify:
    """Becomes readable when a file is written; the file itself is never opened.

    `OSError` when it cannot be had: another system, no such file, too many watches.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = _call("inotify_init1", os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            wanted = _MODIFY | _ATTRIB | _DELETE_SELF | _MOVE_SELF
            _call("inotify_add_watch", self._descriptor, os.fsencode(path), wanted)
            self._file = self._at_path()
        except BaseException:
            self.close()
            raise

    def fileno(self) -> int:
        """Give the descriptor."""
        return self._descriptor

    def heard(self) -> bool:
        """Say whether the file was written since the last time.

        `OSError` when its path leads elsewhere by now.
        """
        try:
            events = os.read(self._descriptor, _ROOM)
        except BlockingIOError:
            return False
        kinds = 0
        for _, kind, _, _ in _EVENT.iter_unpack(events):
            kinds |= kind
        if kinds & _FATE and (kinds & _IGNORED or self._at_path() != self._file):
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), str(self._path))
        return bool(kinds & ~_FATE)

    def close(self) -> None:
        """Give back the descriptor."""
        # Its number may soon be somebody else's.
        closing, self._descriptor = self._descriptor, -1
        os.close(closing)

    def _at_path(self) -> tuple[int, int]:
        found = self._path.stat()
        return found.st_dev, found.st_ino


@final
class Timer:
    """Becomes readable when its time is over; `OSError` when it cannot be had."""

    def __init__(self) -> None:
        flags = os.O_NONBLOCK | os.O_CLOEXEC
        self._descriptor = _call("timerfd_create", time.CLOCK_MONOTONIC, flags)

    def fileno(self) -> int:
        """Give the descriptor."""
        return self._descriptor

    def set(self, seconds: float | None) -> None:
        """Be readable after so many seconds and not before; None is never."""
        nanoseconds = 0 if seconds is None else max(1, round(seconds * 1e9))
        once = _TIMES.pack(0, 0, *divmod(nanoseconds, 1_000_000_000))
        _call("timerfd_settime", self._descriptor, 0, once, None)

    def close(self) -> None:
        """Give back the descriptor."""
        # Its number may soon be somebody else's.
        closing, self._descriptor = self._descriptor, -1
        os.close(closing)


def _call(name: str, *arguments: Any) -> int:
    function = getattr(_libc, name, None)  # None on other systems, or with another C library
    answer: int = -1 if function is None else function(*arguments)
    if answer < 0:
        number = errno.ENOSYS if function is None else get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
    return answer

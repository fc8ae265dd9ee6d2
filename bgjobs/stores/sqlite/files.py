"""The file of a store: its path, who may write to it, and whether it was replaced."""

import os
import re
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import final

from attrs import frozen

from bgjobs._core.arguments import check_text
from bgjobs.errors import StoreError, StoreUnavailableError

MEMORY = ":memory:"
PRIVATE = 0o600
_SEPARATORS = tuple(filter(None, (os.sep, os.altsep)))
_LONGEST_PATH = 500
"""Bytes. SQLite opens no path of 512 or more, with the endings of its own files."""
_LONGEST_FILE_NAME = 247
"""Bytes. File systems allow 255, and SQLite appends up to 8."""
_MOUNTS = Path("/proc/self/mounts")
_MOST_LINKS = 40
"""How many symbolic links Linux follows in one path (path_resolution(7))."""
_ESCAPED = re.compile(rb"\\([0-7]{3})")
_SECOND = 1_000_000_000
_SETTLED, _SETTLED_IN_SECONDS = _SECOND // 10, 3 * _SECOND
"""Nanoseconds after which another change of a folder is sure to change its time.

File systems count time in ticks of at most some 10 ms, or in seconds; FAT in two seconds.
"""


def absolute(path: str | os.PathLike[str]) -> str:
    """Return the absolute path, which stays right when the working directory changes.

    Raise `ValueError` for text that SQLite takes for something else than the name of a file.
    """
    text = os.fspath(path) if isinstance(path, os.PathLike) else path
    check_text("path", text)
    if text == MEMORY:
        return text
    problem = _path_problem(text)
    if problem:
        raise ValueError(f"path: expected the name of a file or {MEMORY!r}, found {problem}")
    return str(Path(text).absolute())


def _path_problem(text: str) -> str:
    if not text.strip():
        return "an empty one"
    if text.lower().startswith("file:"):
        return f"the URI {text!r}; name the file, as in 'jobs.db'"
    if text.strip().startswith(":"):
        return f"{text!r}"
    if "\0" in text:
        return "one with a null character"
    if problem := _length_problem(str(Path(text).absolute())):
        return problem
    return f"the folder {text!r}" if text[-1] in _SEPARATORS or Path(text).is_dir() else ""


def _length_problem(path: str) -> str:
    try:
        encoded = os.fsencode(path)
    except UnicodeEncodeError:
        return "one with a lone surrogate"
    if len(encoded) > _LONGEST_PATH:
        return f"a path of {len(encoded):,} bytes; SQLite opens {_LONGEST_PATH}"
    longest = max(len(os.fsencode(part)) for part in Path(path).parts)
    if longest > _LONGEST_FILE_NAME:
        return f"a name of {longest:,} bytes; SQLite opens {_LONGEST_FILE_NAME}"
    return ""


def create_private(path: str) -> None:
    """Create an absent file that only its owner may read; -wal and -shm get the same mode.

    A file that exists is not opened: closing it would release the locks that this process
    holds on it through SQLite (https://sqlite.org/howtocorrupt.html, section 2.2).
    """
    # SQLite follows links, and would create the file at their end with the umask's mode.
    target = os.path.realpath(path)
    with suppress(FileExistsError):
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_RDWR, PRIVATE))


def location_problem(path: str) -> str | None:
    """Return why processes could have different logs for this file, and what to do about it.

    SQLite puts the log beside the path by which a file is opened.
    """
    file = os.path.realpath(path)
    names = Path(file).stat().st_nlink
    if names > 1:
        return (
            f"{file} has {names} names, and processes that use different ones would not see "
            "each other's jobs; remove the other hard links"
        )
    if any(place == file for place, _ in mounts()):
        return (
            f"{file} is mounted without its folder, so its log is not beside the file itself, "
            "where other processes look for it; mount the folder"
        )
    return None


def mounts() -> Sequence[tuple[str, str]]:
    """Return the mount points and kinds of file systems; empty where the system has no list."""
    if not _MOUNTS.exists():
        return ()
    fields = [line.split() for line in _MOUNTS.read_bytes().splitlines()]
    return [(_unescaped(one[1]), os.fsdecode(one[2])) for one in fields]


def _unescaped(place: bytes) -> str:
    return os.fsdecode(_ESCAPED.sub(lambda found: bytes([int(found[1], 8)]), place))


def remarks(path: str) -> Iterator[str]:
    """Yield which other users could change or replace the file, each as half a sentence."""
    if os.name != "posix":
        return  # modes and owners have another meaning there
    file = Path(path).resolve()
    owner = file.stat().st_uid
    if owner not in (0, os.geteuid()):
        yield f"it belongs to user {owner}, not to this one"
    steps = list(_steps(path))
    places = [file, *(folder for folder, _ in reversed(steps))]
    yield from (
        f"any user of this machine may write to {place}"
        for place in dict.fromkeys(places)
        if _is_open_to_all(place)
    )
    yield from (
        f"user {link.lstat().st_uid} may lead the link {link} to another file"
        for folder, link in steps
        if link.is_symlink() and _may_be_led_elsewhere(folder, link)
    )


def _steps(path: str) -> Iterator[tuple[Path, Path]]:
    """Return each folder in which a name is looked up on the way to a file, and what it names.

    Links are followed, because a user who may write to the folder of a link may replace it.
    """
    at, *names = (Path.cwd() / path).parts
    folder, followed = Path(at), 0
    while names:
        found = folder / names.pop(0)
        yield folder, found
        if followed < _MOST_LINKS and found.is_symlink():
            followed += 1
            target = found.readlink()
            names = [*target.parts[target.is_absolute() :], *names]
            folder = Path(target.anchor) if target.is_absolute() else folder
        else:
            folder = found.resolve() if found.name == ".." else found


def _may_be_led_elsewhere(folder: Path, link: Path) -> bool:
    """Whether a link in a sticky folder, such as /tmp, is of a user that may replace it."""
    mode = folder.stat().st_mode
    is_shared = mode & stat.S_IWOTH and mode & stat.S_ISVTX
    return bool(is_shared) and link.lstat().st_uid not in (0, os.geteuid())


def _is_open_to_all(place: Path) -> bool:
    # In a sticky folder, such as /tmp, only its owner can replace a file.
    mode = place.stat().st_mode
    return bool(mode & stat.S_IWOTH) and not mode & stat.S_ISVTX


def leads_to(path: str, file: str) -> bool:
    """Whether both are names of one file that exists."""
    try:
        return Path(path).samefile(file)
    except OSError:
        return False


@frozen
class _Opened:
    path: str
    look: Callable[[str], os.stat_result]
    device: int
    inode: int

    def is_at(self, found: os.stat_result) -> bool:
        return (found.st_dev, found.st_ino) == (self.device, self.inode)


@final
class OpenedFiles:
    """The files that a store has open: the database, its log, and the index of the log.

    SQLite goes on using a file that was moved, deleted or replaced. Processes that have other
    files open do not see each other's locks, so writes would be acknowledged and then lost.
    """

    def __init__(self, path: str, label: str) -> None:
        """Remember the database at `path`, which has to exist."""
        self.database: str = os.path.realpath(path)
        """SQLite puts the other two files beside it."""
        self._label = label
        self._link = None if path == self.database else self._opened(path, os.stat)
        self._beside = [self._opened(self.database, os.lstat)]
        self._folder = str(Path(self.database).parent)
        self._unchanged: tuple[int, int] | None = None
        """The inode and time of the folder when all files in it were the right ones."""

    @property
    def log(self) -> str:
        """The path of the write-ahead log."""
        return f"{self.database}-wal"

    def add_log(self) -> None:
        """Remember the log and its index as well; a connection has to be open."""
        more = (self.log, f"{self.database}-shm")
        self._beside += [self._opened(one, os.lstat) for one in more]

    def inodes(self) -> list[int]:
        """Return the inodes of the database, the log and the index."""
        return [one.inode for one in self._beside]

    def check(self) -> None:
        """Raise `StoreError` when one of the paths has another file, or none."""
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
        """Whether another log or index is at the path of one of these by now."""
        return any(_is_another(one) for one in self._beside[1:])

    def _check(self, opened: _Opened) -> None:
        # Without opening the file: closing it would release the locks of SQLite.
        if not opened.is_at(self._look(opened.path, opened.look)):
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
    return not opened.is_at(found)

"""The file itself: made private, and looked at before it is used."""

import os
import re
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

_PRIVATE = 0o600
_MOUNTS = Path("/proc/self/mounts")
_MOST_LINKS = 40
"""How many symbolic links Linux follows in one path (path_resolution(7))."""
_ESCAPED = re.compile(rb"\\([0-7]{3})")


def create_private(path: str) -> None:
    """Make an absent file, readable by its owner only; -wal and -shm get the same mode.

    A file that exists is never opened here: closing it would drop the locks that this
    process holds on it through SQLite.
    """
    # SQLite follows links, and would make the file at their end as the umask has it.
    target = os.path.realpath(path)
    with suppress(FileExistsError):
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_RDWR, _PRIVATE))


def fault_of_place(path: str) -> str | None:
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
    """Return where file systems begin, and their kinds, as far as the system tells."""
    if not _MOUNTS.exists():
        return ()
    fields = [line.split() for line in _MOUNTS.read_bytes().splitlines()]
    return [(_unescaped(one[1]), os.fsdecode(one[2])) for one in fields]


def _unescaped(place: bytes) -> str:
    return os.fsdecode(_ESCAPED.sub(lambda found: bytes([int(found[1], 8)]), place))


def remarks(path: str) -> Iterator[str]:
    """Yield who else decides what is in the file; one half of a sentence each."""
    if os.name != "posix":
        return  # modes and owners mean something else there
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
    """Return each folder that a name is looked up in on the way to a file, and what it names.

    Links are followed: who may write to the folder of one decides where it leads.
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
    # In a sticky folder, such as /tmp, a file can be replaced by its owner only.
    mode = place.stat().st_mode
    return bool(mode & stat.S_IWOTH) and not mode & stat.S_ISVTX

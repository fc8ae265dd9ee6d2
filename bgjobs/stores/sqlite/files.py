"""The file itself: made private, and looked at before it is used."""

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_PRIVATE = 0o600


def create_private(path: str) -> None:
    """Make an absent file, readable by its owner only; -wal and -shm get the same mode.

    A file that exists is never opened here: closing it would drop the locks that this
    process holds on it through SQLite.
    """
    # SQLite follows links, and would make the file at their end as the umask has it.
    target = os.path.realpath(path)
    with suppress(FileExistsError):
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_RDWR, _PRIVATE))


def remarks(path: str) -> Iterator[str]:
    """Say who else decides what is in the file; one half of a sentence each."""
    if os.name != "posix":
        return  # modes and owners mean something else there
    file = Path(path).resolve()
    owner = file.stat().st_uid
    if owner not in (0, os.geteuid()):
        yield f"it belongs to user {owner}, not to this one"
    yield from (
        f"any user of this machine may write to {place}"
        for place in (file, file.parent)
        if _is_open_to_all(place)
    )


def _is_open_to_all(place: Path) -> bool:
    # In a sticky folder, such as /tmp, a file can be replaced by its owner only.
    mode = place.stat().st_mode
    return bool(mode & stat.S_IWOTH) and not mode & stat.S_ISVTX

"""A small disk of its own for a SQLite file, that can be made full.

It is a tmpfs, where one may mount. The file is moved to it and found under its old name by a
symbolic link, which SQLite follows.
"""

import atexit
import os
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import final

_MEGABYTES = 64
_CHUNK = 1 << 16
_FILES = ("", "-wal", "-shm")


def may_mount() -> bool:
    """Say whether this process may mount a disk; even root may not in most containers."""
    with tempfile.TemporaryDirectory(prefix="bgjobs-disk-") as folder:
        return os.geteuid() == 0 and _mount(Path(folder)) and _unmount(Path(folder))


@final
class SmallDisk:
    """A disk that lasts until `close`, at the latest until this process ends."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="bgjobs-disk-"))
        if not _mount(self.folder):
            self.folder.rmdir()
            raise PermissionError("cannot mount a tmpfs here")
        self._ballast = self.folder / "ballast"
        atexit.register(self.close)

    def take(self, path: Path) -> None:
        """Move the files of a database here; nobody may have it open."""
        for end in _FILES:
            file = path.with_name(path.name + end)
            if file.exists():
                self._move(file)
        path.symlink_to(self.folder / path.name)

    def fill(self) -> None:
        """Leave no room."""
        # Without a buffer a last write is cut short, and the next one finds no room at all.
        with suppress(OSError), self._ballast.open("ab", buffering=0) as ballast:
            while True:
                ballast.write(bytes(_CHUNK))

    def empty(self) -> None:
        """Give the room back."""
        self._ballast.unlink(missing_ok=True)

    @property
    def is_full(self) -> bool:
        """Whether it was filled."""
        return self._ballast.exists()

    def close(self) -> None:
        """Unmount it, with all that is on it."""
        atexit.unregister(self.close)
        if _unmount(self.folder):
            self.folder.rmdir()

    def _move(self, file: Path) -> None:
        there = self.folder / file.name
        there.write_bytes(file.read_bytes())
        there.chmod(file.stat().st_mode)
        file.unlink()


def _mount(folder: Path) -> bool:
    options = f"size={_MEGABYTES}m,mode=700"
    return _runs("mount", "-t", "tmpfs", "-o", options, "bgjobs", str(folder))


def _unmount(folder: Path) -> bool:
    return _runs("umount", "--lazy", str(folder))


def _runs(*command: str) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False

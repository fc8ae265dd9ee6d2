"""Faults of the disk of a SQLite file: the file cannot grow, or its disk is full."""

import atexit
import os
import subprocess
import tempfile
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path
from typing import Any, final

from attrs import evolve, frozen

import bgjobs
from tests.reliability.chaos.cluster import Cluster, Fault
from tests.reliability.chaos.settings import ProcessSettings, inner_store, with_config_hook

_MEGABYTES = 64
_CHUNK = 1 << 16
_FILES = ("", "-wal", "-shm")


def can_mount() -> bool:
    """Whether this process may mount a tmpfs; in most containers even root may not."""
    with tempfile.TemporaryDirectory(prefix="bgjobs-disk-") as folder:
        return os.geteuid() == 0 and _mount(Path(folder)) and _unmount(Path(folder))


@final
class SmallDisk:
    """A small tmpfs that can be filled, until `close` or the end of this process.

    A file is moved to it and replaced by a symbolic link, which SQLite follows.
    """

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="bgjobs-disk-"))
        if not _mount(self.folder):
            self.folder.rmdir()
            raise PermissionError("cannot mount a tmpfs here")
        self._ballast = self.folder / "ballast"
        atexit.register(self.close)

    def adopt(self, path: Path) -> None:
        """Move the files of a database here, which must not be open."""
        for end in _FILES:
            file = path.with_name(path.name + end)
            if file.exists():
                self._move(file)
        path.symlink_to(self.folder / path.name)

    def fill(self) -> None:
        """Use up all space."""
        # An unbuffered write is cut short at the end of the space, and the next one fails.
        with suppress(OSError), self._ballast.open("ab", buffering=0) as ballast:
            while True:
                ballast.write(bytes(_CHUNK))

    def empty(self) -> None:
        """Free the space."""
        self._ballast.unlink(missing_ok=True)

    @property
    def is_full(self) -> bool:
        """Whether all space is used up."""
        return self._ballast.exists()

    def close(self) -> None:
        """Unmount the disk, and discard its files."""
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


SQLITE = ("sqlite",)
_LEAST, _MOST = 1, 4_294_967_294
"""Values of `max_page_count`; SQLite raises the first one to the present number of pages."""
_CHANCE = 0.3
_LASTS = (0.1, 2.0)
"""The range of seconds without space."""


@final
class LimitedConnections:
    """The connections of a store, whose files cannot grow as long as the flag file exists."""

    def __init__(self, connections: Any, flag_file: Path) -> None:
        self._connections = connections
        self._flag_file = flag_file
        self._limits: dict[int, int] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connections, name)

    @property
    def writer(self) -> Any:
        return self._limited(self._connections.writer)

    @property
    def heartbeat(self) -> Any:
        return self._limited(self._connections.heartbeat)

    def _limited(self, connection: Any) -> Any:
        limit = _LEAST if self._flag_file.exists() else _MOST
        if self._limits.get(id(connection)) != limit:
            connection.read(_setter(limit))
            self._limits[id(connection)] = limit
        return connection


def _setter(limit: int) -> Callable[[Any], Any]:
    return lambda raw: raw.execute(f"pragma max_page_count = {limit}").fetchall()


def limited(config: bgjobs.Config, settings: ProcessSettings) -> bgjobs.Config:
    """Limit the connections of a worker while the flag file exists."""
    store = inner_store(config)
    connections = LimitedConnections(store._executor.connections, flag_file_of(settings))
    store._executor = evolve(store._executor, connections=connections)
    return config


def flag_file_of(settings: ProcessSettings) -> Path:
    """Return the path of the file that exists while the database cannot grow."""
    return Path(settings.journal).with_name("page-limit")


@final
@frozen
class PageLimit:
    """Prevent the workers from letting the file grow, for a while."""

    name: str
    stores: Collection[str] = SQLITE

    def configure(self, settings: ProcessSettings) -> ProcessSettings:
        return with_config_hook(settings, limited)

    def inject(self, cluster: Cluster) -> None:
        flag_file = flag_file_of(cluster.settings)
        if not flag_file.exists() and cluster.random.random() < _CHANCE:
            flag_file.touch()
            cluster.call_later(
                cluster.random.uniform(*_LASTS), lambda: flag_file.unlink(missing_ok=True)
            )
            cluster.count("page limits")

    def undo(self, cluster: Cluster) -> None:
        flag_file_of(cluster.settings).unlink(missing_ok=True)


@final
class FullDisk:
    """Fill the disk of the file, for a while."""

    name = "disk-full"
    stores: Collection[str] = SQLITE

    def __init__(self) -> None:
        self._disk: SmallDisk | None = None

    def configure(self, settings: ProcessSettings) -> ProcessSettings:
        """Put the file on a disk of its own, and close the disk of the last phase."""
        self.close()
        self._disk = SmallDisk() if can_mount() else None
        if self._disk is not None:
            self._disk.adopt(Path(settings.location))
        return settings

    def inject(self, cluster: Cluster) -> None:
        disk = self._disk
        if disk is not None and not disk.is_full and cluster.random.random() < _CHANCE:
            disk.fill()
            cluster.call_later(cluster.random.uniform(*_LASTS), disk.empty)
            cluster.count("full disks")

    def undo(self, cluster: Cluster) -> None:
        if self._disk is not None:
            self._disk.empty()

    def close(self) -> None:
        """Unmount the disk, with the file."""
        if self._disk is not None:
            self._disk.close()


FAULTS: tuple[Fault, ...] = (PageLimit("page-limit"), FullDisk())

"""Checks of a SQLite file, its library and its settings."""

import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bgjobs.stores.operations import Finding, Level
from bgjobs.stores.sqlite.checkpoints import SAFE_VERSIONS, has_wal_reset_bug
from bgjobs.stores.sqlite.connection import run
from bgjobs.stores.sqlite.executor import Executor
from bgjobs.stores.sqlite.files import MEMORY, mounts, remarks

NETWORKED = frozenset(
    ("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "afs", "ceph")
)
"""File systems whose locks are not reliable, or that share no memory between machines.

See https://sqlite.org/howtocorrupt.html and https://sqlite.org/wal.html.
"""
LARGE_WAL = 256 * 1024 * 1024
"""Bytes. A log so long has a reader that never ends, or no checkpoints."""
SMALL_SPACE = 512 * 1024 * 1024
"""Bytes."""


def diagnose(executor: Executor) -> Sequence[Finding]:
    """Check the library, the file and the plan of the statement that matters most."""
    path, reader = executor.connections.path, executor.connections.reader
    findings = [
        _library(sqlite3.sqlite_version_info),
        reader.read(_journal),
        reader.read(lambda raw: _plan(executor, raw)),
    ]
    if path == MEMORY:
        return findings
    return [
        *findings,
        *_file(Path(path)),
        file_system(Path(path), mounts()),
        _space(Path(path)),
    ]


def _library(version: tuple[int, int, int]) -> Finding:
    found = ".".join(map(str, version))
    if has_wal_reset_bug(version):
        return Finding(
            "SQLite library",
            "ok",
            f"{found} may damage a file when one connection checkpoints while another commits; "
            "bgjobs does not let that happen; connections of your own to this file need "
            f"'pragma wal_autocheckpoint = 0', or SQLite {SAFE_VERSIONS}",
        )
    return Finding("SQLite library", "ok", found)


def _journal(raw: sqlite3.Connection) -> Finding:
    [[mode]] = run(raw, "pragma journal_mode", {})
    [[synchronous]] = run(raw, "pragma synchronous", {})
    text = f"journal mode {mode}, synchronous {synchronous}"
    if mode in ("wal", "memory"):
        return Finding("journal", "ok", text)
    return Finding("journal", "problem", f"{text}; expected wal, which bgjobs sets itself")


def _plan(executor: Executor, raw: sqlite3.Connection) -> Finding:
    values: dict[str, Any] = {"names": "[]", "owner": "", "limit": 1, "now": 0}
    plan = run(raw, f"explain query plan {executor.sql['find_due'][0]}", values)
    scanned = [row[3] for row in plan if row[3].startswith("SCAN job")]
    if scanned:
        return Finding("index use", "problem", f"reserving reads whole tables: {scanned[0]}")
    return Finding("index use", "ok", "reserving searches by the index of the waiting jobs")


def _file(path: Path) -> Iterator[Finding]:
    for remark in remarks(str(path)):
        yield Finding("file", "warning", remark)
    wal = path.with_name(path.name + "-wal")
    size = wal.stat().st_size if wal.exists() else 0
    level: Level = "warning" if size > LARGE_WAL else "ok"
    yield Finding("write-ahead log", level, f"{size:,} bytes")


def file_system(path: Path, mounts: Sequence[tuple[str, str]]) -> Finding:
    """Return whether the file is on a file system whose locks are reliable."""
    folder = str(path.resolve().parent)
    around = [
        (place, kind)
        for place, kind in mounts
        if folder == place or folder.startswith(place.rstrip("/") + "/")
    ]
    if not around:
        return Finding("file system", "warning", "this system does not say of what kind it is")
    _, kind = max(around, key=lambda one: len(one[0]))
    if kind in NETWORKED:
        text = f"{kind} is shared over a network, where the locks of SQLite do not hold"
        return Finding("file system", "problem", text)
    return Finding("file system", "ok", kind)


def _space(path: Path) -> Finding:
    free = shutil.disk_usage(path.resolve().parent).free
    level: Level = "warning" if free < SMALL_SPACE else "ok"
    return Finding("disk space", level, f"{free // 1024**2:,} MiB free")

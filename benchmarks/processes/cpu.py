"""The processor time of processes of this machine, as Linux counts it."""

import os
from collections.abc import Iterable
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_UTIME = 11
"""The place of the time in user mode behind the name of the command; see proc_pid_stat(5)."""


def cpu_seconds_of(pid: int) -> float:
    """Return the processor time of a process and all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return sum(map(int, fields[_UTIME : _UTIME + 2])) / _TICKS


def is_postgres(pid: int) -> bool:
    """Whether a process of PostgreSQL has this id here; a server elsewhere has other ids."""
    file = Path(f"/proc/{pid}/comm")
    return file.exists() and file.read_text("utf-8").startswith("postgres")


def cpu_seconds_of_all(pids: Iterable[int]) -> float:
    """Return the processor time of several processes together."""
    return sum(map(cpu_seconds_of, pids))

"""Looking at another process from outside, as Linux shows it."""

import os
from pathlib import Path

MIB = 1024 * 1024
_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICKS = os.sysconf("SC_CLK_TCK")
_AFTER_NAME = 11
"""Where the two kinds of processor time stand, counted from the process's state."""


def rss_mib(pid: int) -> float:
    """Give the memory that a process has in use now."""
    resident = Path(f"/proc/{pid}/statm").read_text("ascii").split()[1]
    return int(resident) * _PAGE / MIB


def peak_rss_mib(pid: int) -> float:
    """Give the most memory that a process has had in use since it began."""
    lines = Path(f"/proc/{pid}/status").read_text("utf-8").splitlines()
    [peak] = (line.split()[1] for line in lines if line.startswith("VmHWM:"))
    return int(peak) * 1024 / MIB


def cpu_seconds_of(pid: int) -> float:
    """Give what a process and all its threads have taken of the cores."""
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return sum(map(int, fields[_AFTER_NAME : _AFTER_NAME + 2])) / _TICKS

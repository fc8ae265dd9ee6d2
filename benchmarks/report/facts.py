"""What must be known of the machine to read the figures."""

import os
import platform
from importlib.metadata import version
from pathlib import Path
from statistics import median
from tempfile import NamedTemporaryFile
from time import perf_counter

SYNCS = 100


def machine_facts() -> dict[str, str]:
    """Name the machine, the interpreter and the libraries."""
    packages = ("anyio", "trio", "psycopg")
    return {
        "machine": f"{_cpu()}, {len(os.sched_getaffinity(0))} cores, {platform.system()}",
        "disk": f"{_sync_micros():.0f} us for 8 KiB and fdatasync where the SQLite files are",
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "packages": ", ".join(f"{name} {version(name)}" for name in packages),
    }


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()


def _sync_micros() -> float:
    """Measure what a commit costs at least; everything that commits per job follows it."""
    taken = []
    with NamedTemporaryFile() as file:
        for _ in range(SYNCS):
            started = perf_counter()
            os.write(file.fileno(), bytes(8192))
            os.fdatasync(file.fileno())
            taken.append(perf_counter() - started)
    return median(taken) * 1e6

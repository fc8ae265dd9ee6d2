"""Figures as tables and as JSON, and the machine they were measured on."""

import json
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import median
from tempfile import NamedTemporaryFile
from time import perf_counter
from typing import Any, final

from attrs import asdict, field, frozen

DECIMALS_BELOW = 20.0
"""Smaller medians are printed with two decimals."""
SYNCS = 100


@final
@frozen(kw_only=True)
class Figure:
    """One measure of one system, with a value for each round."""

    system: str
    """Store and event loop."""
    measure: str
    unit: str
    values: list[float] = field(factory=list)

    @property
    def median(self) -> float:
        return median(self.values)

    @property
    def text(self) -> str:
        """The median, and in brackets the minimum and maximum of the rounds."""
        numbers = (self.median, min(self.values), max(self.values))
        digits = 0 if self.median >= DECIMALS_BELOW else 2
        middle, low, high = (f"{number:,.{digits}f}" for number in numbers)
        return f"{middle} ({low}-{high})"


def quantile(values: Iterable[float], part: float) -> float:
    """Return the value that this part of all values is below, which is one of them."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table; the first column is left-aligned, the others right-aligned."""
    lines = [list(header), *(list(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join(
        "| " + " | ".join(_padded(line, widths)) + " |" for line in [lines[0], rule, *lines[1:]]
    )


def _padded(line: Sequence[str], widths: Sequence[int]) -> list[str]:
    first, *others = zip(line, widths, strict=True)
    return [first[0].ljust(first[1]), *(text.rjust(width) for text, width in others)]


def scale_note(scale: float) -> str:
    """Return a warning for figures of a short run, or ""."""
    text = f"\nScale {scale:g}: the run was too short for meaningful figures."
    return text if scale < 1 else ""


def as_rows(figures: Iterable[Figure]) -> list[dict[str, Any]]:
    """Return figures as JSON objects."""
    return [
        {
            **asdict(figure),
            "median": figure.median,
            "min": min(figure.values),
            "max": max(figure.values),
        }
        for figure in figures
    ]


def write_json(
    file: Path | None, environment: Mapping[str, str], figures: Iterable[Figure], **more: Any
) -> None:
    """Write the figures to a file, unless it is None."""
    if file is not None:
        found = {"environment": environment, **more, "rows": as_rows(figures)}
        file.write_text(json.dumps(found, indent=1) + "\n", "utf-8")


def read_json(file: Path) -> tuple[dict[str, Any], list[Figure]]:
    """Return the whole content that `write_json` wrote, and the figures in it."""
    found: dict[str, Any] = json.loads(file.read_text("utf-8"))
    names = ("system", "measure", "unit", "values")
    return found, [Figure(**{name: row[name] for name in names}) for row in found["rows"]]


def show_environment(environment: Mapping[str, str]) -> None:
    """Print it, a line for each entry."""
    print("\n".join(f"{name}: {text}" for name, text in environment.items()), end="\n\n")


def machine() -> dict[str, str]:
    """Return the names of the machine, the interpreter and the libraries."""
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
    """Return the minimal cost of a durable commit: the median of `SYNCS` synced writes."""
    taken = []
    with NamedTemporaryFile() as file:
        for _ in range(SYNCS):
            started = perf_counter()
            os.write(file.fileno(), bytes(8192))
            os.fdatasync(file.fileno())
            taken.append(perf_counter() - started)
    return median(taken) * 1e6

"""The benchmarks run and check themselves, here with next to nothing to do."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run_benchmark(folder: Path, *arguments: str) -> list[dict[str, object]]:
    file = folder / "figures.json"
    command = [sys.executable, "-m", "benchmarks", *arguments, "--json", str(file)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=100)
    rows: list[dict[str, object]] = json.loads(file.read_text())["rows"]
    return rows


@pytest.mark.parametrize("store", ["sqlite", "postgres"])
def test_throughput_is_measured_on_both_event_loops(tmp_path: Path, store: str) -> None:
    rows = run_benchmark(tmp_path, "--stores", store, "--jobs", "60", "--rounds", "1")
    drains = {row["system"] for row in rows if row["measure"] == "drain, 10 slots"}
    assert drains == {f"{store} trio", f"{store} asyncio"}
    assert all(isinstance(row["median"], float) and row["median"] > 0 for row in rows)


@pytest.mark.parametrize("store", ["sqlite", "postgres"])
def test_claims_are_measured_on_all_populations(tmp_path: Path, store: str) -> None:
    tiny = ("--rows", "1500", "--rounds", "1", "--calls", "1")
    rows = run_benchmark(tmp_path, "claim", "--stores", store, *tiny)
    assert len(rows) == 10 * 3 * 2

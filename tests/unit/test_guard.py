"""The speed guard: what it concludes from pairs, and that it measures two commits."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from math import inf
from pathlib import Path

import pytest

import bgjobs
from benchmarks.measures import guard
from benchmarks.measures.guard import Comparison, UnknownCommitError, paired_ratio
from benchmarks.processes import parameters as names
from benchmarks.report.figures import Figure

ROOT = Path(__file__).parents[2]
NOISE = (1.0, 1.02, 0.97, 1.01, 0.99, 1.04, 0.96, 1.0, 1.03, 0.98)


def compared(unit: str, base: list[float], head: list[float]) -> Comparison:
    def figure(values: list[float]) -> Figure:
        return Figure(system="", measure=names.DRAIN, unit=unit, values=values)

    return Comparison("sqlite", figure(base), figure(head))


def scaled(factor: float, noise: tuple[float, ...] = NOISE) -> list[float]:
    return [100.0 * factor * one for one in noise]


def test_the_interval_is_that_of_the_signed_rank_test() -> None:
    # Of 8 pairs, P(T <= 3) = 5/256 and P(T <= 4) = 7/256: the fourth average from each end.
    values = [2.0**power for power in range(8)]
    found = paired_ratio(values, [1.0] * 8)
    assert found.middle == pytest.approx(2**3.5)
    assert found.low == pytest.approx(2**1.0)
    assert found.high == pytest.approx(2**6.0)


@pytest.mark.parametrize("pairs", [1, 2, 5])
def test_fewer_than_six_pairs_bound_nothing(pairs: int) -> None:
    found = paired_ratio([3.0] * pairs, [2.0] * pairs)
    assert (found.low, found.high) == (0.0, inf)
    assert found.middle == pytest.approx(1.5)


def test_six_pairs_are_bounded_by_their_extremes() -> None:
    found = paired_ratio([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [1.0] * 6)
    assert found.low == pytest.approx(1.0)
    assert found.high == pytest.approx(6.0)


@pytest.mark.parametrize(
    ("factor", "verdict"),
    [(0.97, "not slower"), (0.8, "not slower"), (1.2, "SLOWER"), (1.03, "undecided")],
)
def test_a_verdict_needs_the_whole_interval(factor: float, verdict: str) -> None:
    backwards = NOISE[::-1]
    times = compared("us/job", scaled(1, backwards), scaled(factor))
    rates = compared("jobs/s", scaled(factor), scaled(1, backwards))
    assert times.verdict(0.03) == verdict
    assert rates.verdict(0.03) == verdict


def test_a_tolerance_moves_the_bound() -> None:
    times = compared("us/job", scaled(1), scaled(1.04))
    assert times.verdict(0.03) == "SLOWER"
    assert times.verdict(0.05) == "not slower"


def test_the_report_names_ratio_interval_and_verdict() -> None:
    text = guard.report([compared("us/job", scaled(1), scaled(1.2))], 0.03)
    assert "sqlite drain" in text
    assert "1.200 (1.200-1.200)" in text
    assert text.rstrip().endswith("SLOWER |")


def test_an_unknown_commit_is_named() -> None:
    with pytest.raises(UnknownCommitError, match="no-such-commit"):
        guard.resolve("no-such-commit")


def imported_names(path: Path) -> Iterator[str]:
    """Yield what a module imports from bgjobs, as dotted names."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("bgjobs"):
            yield from (f"{node.module}.{one.name}" for one in node.names)
        elif isinstance(node, ast.Import):
            yield from (one.name for one in node.names if one.name.startswith("bgjobs"))


def test_the_workload_imports_only_public_names_of_bgjobs() -> None:
    # It runs over both commits, and other modules may have moved between these.
    program = """
import sys
import benchmarks.processes.child, benchmarks.systems.bgjobs
print(*(module.__file__ for name, module in sys.modules.items()
        if name.startswith("benchmarks.") and module.__file__))
"""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    modules = [Path(path) for path in done.stdout.split()]
    assert ROOT / "benchmarks" / "systems" / "bgjobs.py" in modules
    used = {name for path in modules for name in imported_names(path)}
    assert "bgjobs.run" in used
    assert used <= {f"bgjobs.{name}" for name in bgjobs.__all__}


def run_guard(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", "guard", *arguments],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=100,
    )


@pytest.mark.slow
def test_two_commits_are_measured_in_pairs() -> None:
    tiny = ("--stores", "sqlite", "--scale", "0.01", "--rounds", "1")
    done = run_guard("HEAD", *tiny, "--metrics", "enqueue_one,drain")
    assert done.returncode == 0, done.stderr
    rows = [line for line in done.stdout.splitlines() if line.startswith("| sqlite")]
    assert [row.split("|")[1].strip() for row in rows] == [
        "sqlite enqueue_one",
        "sqlite drain",
        "sqlite drain_cpu",
    ]
    assert all("undecided" in row for row in rows)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((), "guard: expected the commit to compare with, such as HEAD~1"),
        (("no-such-commit",), "guard: git rev-parse --verify --quiet no-such-commit"),
    ],
)
def test_a_wrong_commit_is_refused(arguments: tuple[str, ...], text: str) -> None:
    done = run_guard(*arguments, "--stores", "sqlite")
    assert done.returncode == 1
    assert text in done.stderr

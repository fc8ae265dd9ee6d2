"""``guard``: two commits of bgjobs side by side, and whether the newer one is slower.

Both run under the benchmarks of this working tree, so what runs there imports only public names
of bgjobs: see `benchmarks.systems.bgjobs`. Each metric is measured in a process of its own, of
one commit and immediately afterwards of the other. So neither the drift of the machine nor the
layout of one process in memory decides.
"""

import argparse
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Mapping, Sequence
from io import BytesIO
from math import exp, inf, log
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final, final

from attrs import field, frozen

from benchmarks.databases.ports import Database
from benchmarks.databases.postgres import server_dsn
from benchmarks.measures import compare
from benchmarks.processes import parameters as names
from benchmarks.processes.parameters import METRICS, Parameters, Sizes
from benchmarks.processes.parent import ROOT, ProcessEndedError, child, measure_command
from benchmarks.report.figures import Figure, scale_note, table, write_json
from benchmarks.systems.registry import BGJOBS

SIZES = Sizes(one=1_000, many=20_000, drain=20_000, pickups=80, time_limit=1.5)
JUDGED = (
    names.ENQUEUE_ONE,
    names.ENQUEUE_TASKS,
    names.ENQUEUE_MANY,
    names.DRAIN,
    names.DRAIN_CPU,
    names.PICKUP_P50,
)
RATE = "jobs/s"
"""The unit of figures of which more is better."""
BASE: Final = "base"
HEAD: Final = "head"
CONFIDENCE = 0.95


class UnknownCommitError(Exception):
    """A commit cannot be checked out."""


@final
@frozen(kw_only=True)
class Options:
    """What is measured, and how often."""

    base: str
    """The commit that the head of this working tree is compared with."""
    rounds: int
    stores: Sequence[str]
    backend: str
    metrics: Sequence[str] = METRICS
    scale: float = 1.0


@final
@frozen
class Ratio:
    """An estimated ratio and its interval with a confidence of `CONFIDENCE`."""

    middle: float
    low: float
    high: float


@final
@frozen
class Comparison:
    """One figure of both commits, pair by pair."""

    store: str
    base: Figure
    head: Figure

    @property
    def ratio(self) -> Ratio:
        """The time that the head takes, relative to the base."""
        if self.head.unit == RATE:
            return paired_ratio(self.base.values, self.head.values)
        return paired_ratio(self.head.values, self.base.values)

    def verdict(self, tolerance: float) -> str:
        """Return whether the head is slower by more than `tolerance`, a fraction."""
        ratio = self.ratio
        if ratio.low > 1 + tolerance:
            return "SLOWER"
        return "not slower" if ratio.high <= 1 + tolerance else "undecided"


def run(
    options: argparse.Namespace, databases: Sequence[Database], environment: Mapping[str, str]
) -> int:
    """Run the subcommand and return its exit code."""
    if options.target is None:
        raise SystemExit("guard: expected the commit to compare with, such as HEAD~1")
    wanted = Options(
        base=options.target,
        rounds=options.rounds or 15,
        stores=options.stores,
        backend=options.backends[0],
        metrics=options.metrics,
        scale=options.scale,
    )
    try:
        commits = {BASE: resolve(wanted.base), HEAD: resolve("HEAD")}
        print("\n".join(f"{side}: {commit}" for side, commit in commits.items()))
        if has_uncommitted_changes():
            print("note: uncommitted changes of bgjobs/ are not measured")
        comparisons = measure(wanted, server_dsn(databases))
    except (UnknownCommitError, compare.InvalidResultError, ProcessEndedError) as error:
        raise SystemExit(f"guard: {error}") from None
    figures = [figure for one in comparisons for figure in (one.base, one.head)]
    write_json(
        options.json, {**environment, **commits}, figures, kind="guard", scale=options.scale
    )
    tolerance = options.tolerance / 100
    print(f"\nMedian (min-max) of {wanted.rounds} pairs, in alternation", end="\n\n")
    print(report(comparisons, tolerance))
    print(scale_note(options.scale))
    verdicts = {one.verdict(tolerance) for one in comparisons}
    return int("SLOWER" in verdicts or (options.strict and "undecided" in verdicts))


@final
@frozen
class _Checkouts:
    """The package of each commit beside a copy of these benchmarks."""

    folder: Path
    result: compare.Result = field(factory=compare.Result)

    def create(self, side: str, commit: str) -> None:
        """Write the package of a commit."""
        with tarfile.open(fileobj=BytesIO(_git("archive", commit, "bgjobs"))) as opened:
            opened.extractall(self.folder / side, filter="data")
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "benchmarks", self.folder / side / "benchmarks", ignore=ignored)

    def measure(self, side: str, parameters: Parameters) -> None:
        """Measure one metric of one side."""
        system = f"{parameters.options['store']}-{side}"
        command = measure_command(parameters)
        with child(command, parameters.errors, self.folder / side) as process:
            compare.collect(self.result, system, process)

    def comparisons(self, store: str) -> list[Comparison]:
        """Return what was measured of both sides."""
        figures = self.result.figures
        keys = [((f"{store}-{BASE}", one), (f"{store}-{HEAD}", one)) for one in JUDGED]
        return [
            Comparison(store, figures[base], figures[head])
            for base, head in keys
            if head in figures
        ]


def measure(options: Options, dsn: str) -> list[Comparison]:
    """Measure both commits in each round, in the opposite order in the next one.

    Raises:
        UnknownCommitError: Git does not know the commit, or there is no git or no repository.
        ProcessEndedError: A measuring process ended.
        InvalidResultError: Jobs were lost, ran twice or stayed unfinished.
    """
    with TemporaryDirectory(prefix="bgjobs-guard-") as folder:
        checkouts = _Checkouts(Path(folder))
        checkouts.create(BASE, options.base)
        checkouts.create(HEAD, "HEAD")
        for number in range(options.rounds):
            print(f"round {number + 1} of {options.rounds}", file=sys.stderr, flush=True)
            for store in options.stores:
                for metric in options.metrics:
                    parameters = _parameters(options, dsn, folder, store, metric, number)
                    for side in (HEAD, BASE) if number % 2 else (BASE, HEAD):
                        checkouts.measure(side, parameters)
        return [one for store in options.stores for one in checkouts.comparisons(store)]


def _parameters(
    options: Options, dsn: str, folder: str, store: str, metric: str, number: int
) -> Parameters:
    return Parameters(
        module=BGJOBS,
        options={"store": store, "backend": options.backend},
        dsn=dsn,
        folder=folder,
        database="bgjobs_bench_guard",
        metrics=[metric],
        sizes=SIZES.scaled(options.scale),
        round=number + 1,
    )


def report(comparisons: Sequence[Comparison], tolerance: float) -> str:
    """Return a table with a row for each figure."""
    header = ("measure", "unit", BASE, HEAD, "time, head / base (95 %)", "verdict")
    rows = [
        (
            f"{one.store} {one.head.measure}",
            one.head.unit,
            one.base.text,
            one.head.text,
            f"{one.ratio.middle:.3f} ({one.ratio.low:.3f}-{one.ratio.high:.3f})",
            one.verdict(tolerance),
        )
        for one in comparisons
    ]
    return table(header, rows)


def resolve(commit: str) -> str:
    """Return the full name of a commit.

    Raises:
        UnknownCommitError: Git does not know the commit, or there is no git or no repository.
    """
    return _git("rev-parse", "--verify", "--quiet", f"{commit}^{{commit}}").decode().strip()


def has_uncommitted_changes() -> bool:
    """Whether the package differs here from the head, which is what is measured."""
    return bool(_git("status", "--porcelain", "--", "bgjobs").strip())


def _git(*arguments: str) -> bytes:
    try:
        done = subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True)
    except FileNotFoundError:
        raise UnknownCommitError("git is not installed") from None
    except subprocess.CalledProcessError as error:
        text = error.stderr.decode(errors="replace").strip() or "git does not know it"
        raise UnknownCommitError(f"git {' '.join(arguments)}: {text}") from None
    return done.stdout


def paired_ratio(ours: Sequence[float], others: Sequence[float]) -> Ratio:
    """Return the median ratio of `ours` to `others`, which are positive and paired in order.

    It is the Hodges-Lehmann estimate on the logarithms: the median of the averages of all
    pairs, with the interval of the signed-rank test (Hollander, Wolfe and Chicken,
    Nonparametric Statistical Methods, 3.2 and 3.3). For the same pairs, it is about a fifth
    narrower than the interval of the plain median. Fewer than six pairs bound nothing.
    """
    logs = [log(one / other) for one, other in zip(ours, others, strict=True)]
    averages = sorted(
        (first + second) / 2 for at, first in enumerate(logs) for second in logs[at:]
    )
    cut = _averages_outside(len(logs))
    low, high = (averages[cut - 1], averages[-cut]) if cut else (-inf, inf)
    return Ratio(exp(median(averages)), exp(low), exp(high) if high < inf else inf)


def _averages_outside(pairs: int) -> int:
    """Return the position, from either end of the sorted averages, of the interval's ends.

    It is the largest number whose predecessor the signed-rank statistic reaches with at most
    half of the remaining confidence; 0 when even the outermost averages are too close.
    """
    largest = pairs * (pairs + 1) // 2
    ways = [1] + [0] * largest  # the number of subsets of the ranks 1 to `pairs` with each sum
    for rank in range(1, pairs + 1):
        for total in range(largest, rank - 1, -1):
            ways[total] += ways[total - rank]
    room, cut = (1 - CONFIDENCE) / 2 * 2**pairs, 0
    while (room := room - ways[cut]) >= 0:
        cut += 1
    return cut

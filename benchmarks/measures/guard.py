"""Two commits of bgjobs side by side: whether the newer one is slower.

Both run under the harness of this tree, which therefore has to fit both: it uses what is
public. Each metric is measured in a process of its own, of one commit and at once of the
other, so that neither the machine's drift nor a process's layout in memory decides.
"""

import shutil
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, final

from attrs import field, frozen

from benchmarks.measures import compare
from benchmarks.processes import parameters as names
from benchmarks.processes.parameters import METRICS, Plan, Sizes
from benchmarks.processes.parent import ROOT, child, client_command
from benchmarks.report.figures import Figure, table
from benchmarks.report.ratios import Ratio, paired_ratio
from benchmarks.systems.registry import OURS

SIZES = Sizes(one=1_000, many=20_000, drain=20_000, pickups=80, cap=1.5)
JUDGED = (
    names.ENQUEUE_ONE,
    names.ENQUEUE_TASKS,
    names.ENQUEUE_MANY,
    names.DRAIN,
    names.DRAIN_CPU,
    names.PICKUP_P50,
)
RATE = "jobs/s"
"""The unit of what is better when it is more."""
BASE: Final = "base"
HEAD: Final = "head"


class UnknownCommitError(Exception):
    """A commit cannot be checked out."""


@final
@frozen(kw_only=True)
class Wanted:
    """What is asked for."""

    base: str
    """The commit that the head of this tree is compared with."""
    rounds: int
    stores: Sequence[str]
    backend: str
    metrics: Sequence[str] = METRICS
    scale: float = 1.0


@final
@frozen
class Judged:
    """One figure of both commits, pair by pair."""

    store: str
    base: Figure
    head: Figure

    @property
    def ratio(self) -> Ratio:
        """How many times as long the head takes."""
        if self.head.unit == RATE:
            return paired_ratio(self.base.values, self.head.values)
        return paired_ratio(self.head.values, self.base.values)

    def verdict(self, tolerance: float) -> str:
        """Return whether the head is slower by more than `tolerance`, a share."""
        ratio = self.ratio
        if ratio.low > 1 + tolerance:
            return "SLOWER"
        return "not slower" if ratio.high <= 1 + tolerance else "undecided"


@final
@frozen
class _Sides:
    """The two commits, each checked out with the harness of this tree."""

    folder: Path
    found: compare.Compared = field(factory=compare.Compared)

    def check_out(self, side: str, commit: str) -> None:
        """Write out the package of a commit."""
        with tarfile.open(fileobj=BytesIO(_git("archive", commit, "bgjobs"))) as opened:
            opened.extractall(self.folder / side, filter="data")
        copied = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "benchmarks", self.folder / side / "benchmarks", ignore=copied)

    def take(self, side: str, plan: Plan) -> None:
        """Measure one metric of one side."""
        with child(client_command(plan), plan.errors, self.folder / side) as process:
            compare.listen(self.found, f"{plan.options['store']}-{side}", process)

    def judged(self, store: str) -> list[Judged]:
        """Return what was measured of both."""
        figures = self.found.figures
        keys = [((f"{store}-{BASE}", one), (f"{store}-{HEAD}", one)) for one in JUDGED]
        return [
            Judged(store, figures[base], figures[head])
            for base, head in keys
            if head in figures
        ]


def measure(wanted: Wanted, dsn: str) -> list[Judged]:
    """Measure both commits in each round, and begin with the other one in the next.

    Raises:
        UnknownCommitError: Git does not know the commit, or there is no git or no repository.
        GoneError: A measuring process ended.
        RefusedError: Jobs were lost, ran twice or stayed unfinished.
    """
    with TemporaryDirectory(prefix="bgjobs-guard-") as folder:
        sides = _Sides(Path(folder))
        sides.check_out(BASE, wanted.base)
        sides.check_out(HEAD, "HEAD")
        for number in range(wanted.rounds):
            print(f"round {number + 1} of {wanted.rounds}", file=sys.stderr, flush=True)
            for store in wanted.stores:
                for metric in wanted.metrics:
                    for side in (HEAD, BASE) if number % 2 else (BASE, HEAD):
                        sides.take(side, _plan(wanted, dsn, folder, store, metric, number))
        return [one for store in wanted.stores for one in sides.judged(store)]


def named(commit: str) -> str:
    """Return the full name of a commit; `UnknownCommitError` when git does not know it."""
    return _git("rev-parse", "--verify", "--quiet", f"{commit}^{{commit}}").decode().strip()


def is_changed() -> bool:
    """Whether the package differs here from the head, which is what is measured."""
    return bool(_git("status", "--porcelain", "--", "bgjobs").strip())


def report(judged: Sequence[Judged], tolerance: float) -> str:
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
        for one in judged
    ]
    return table(header, rows)


def _plan(wanted: Wanted, dsn: str, folder: str, store: str, metric: str, number: int) -> Plan:
    return Plan(
        maker=OURS,
        options={"store": store, "backend": wanted.backend},
        dsn=dsn,
        folder=folder,
        database="bgjobs_bench_guard",
        metrics=[metric],
        sizes=SIZES.scaled(wanted.scale),
        round=number + 1,
    )


def _git(*arguments: str) -> bytes:
    try:
        done = subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True)
    except FileNotFoundError:
        raise UnknownCommitError("git is not installed") from None
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace").strip() or "git does not know it"
        raise UnknownCommitError(f"git {' '.join(arguments)}: {said}") from None
    return done.stdout

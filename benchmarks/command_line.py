"""What may be asked of ``python -m benchmarks``."""

import argparse
import shlex
import sys
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import benchmarks
from benchmarks.measures import extras
from benchmarks.processes.parameters import METRICS
from benchmarks.systems.registry import POSTGRES, SQLITE, SYSTEMS, chosen

BENCHMARKS = ("compare", "extras", "growth", "claim", "operators", "schedules", "guard")
REPORT = "report"
STORES = (SQLITE, POSTGRES)
BACKENDS = ("trio", "asyncio")


def parser() -> argparse.ArgumentParser:
    """Return the parser of the options."""
    made = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=benchmarks.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = made.add_argument
    add("what", nargs="?", choices=[*BENCHMARKS, REPORT], default="compare")
    add(
        "of",
        nargs="?",
        metavar="FILE|BASE",
        help="of report: the JSON of an earlier comparison; of guard: the commit before",
    )
    add(
        "--rounds",
        type=_count,
        help="3 of compare, 1 of extras and growth, 15 of guard, 5 of the others",
    )
    names = [one.name for one in SYSTEMS]
    add(
        "--only",
        type=_some_of(names, _begins),
        default=names,
        metavar="SYSTEM,...",
        help=f"of compare: these, or all that begin so: {', '.join(names)}",
    )
    add(
        "--metrics",
        type=_some_of(METRICS),
        default=METRICS,
        metavar="METRIC,...",
        help=f"of compare and guard: some of {', '.join(METRICS)}",
    )
    add("--scale", type=float, default=1.0, help="0.1 does a tenth")
    add(
        "--stores",
        type=_some_of(STORES),
        default=STORES,
        help="not of compare: sqlite,postgres",
    )
    add(
        "--backends",
        type=_some_of(BACKENDS),
        default=BACKENDS,
        help="of extras: trio,asyncio; of growth and guard, the first of them",
    )
    titles = [one.title for one in extras.steps(extras.Wanted(backends=BACKENDS, rounds=1))]
    add(
        "--steps",
        type=_some_of(titles, _begins),
        default=titles,
        metavar="STEP,...",
        help=f"of extras: these, or all that begin so: {', '.join(titles)}",
    )
    add("--large", action="store_true", help="of extras: drain 1,000,000 jobs for the memory")
    add(
        "--rows",
        type=_count,
        default=1_000_000,
        help="of claim, growth and operators: many rows",
    )
    add(
        "--calls",
        type=_count,
        default=20,
        help="of claim, growth, operators, schedules: in a round",
    )
    add(
        "--tolerance",
        type=float,
        default=3.0,
        metavar="PERCENT",
        help="of guard: how much slower is not a failure",
    )
    add(
        "--strict",
        action="store_true",
        help="exit 1 when a goal is missed; of guard, also where it is undecided",
    )
    add("--json", type=_new_file, metavar="FILE", help="write the figures there too")
    add("--chart", type=_new_file, metavar="FILE.svg", help="of compare and report: draw them")
    return made


def stores(options: argparse.Namespace) -> list[str]:
    """Say which databases must be there."""
    if options.what == "schedules":
        return []
    if options.what == "compare":
        needed = {one.store for one in chosen(options.only)}
        return [store for store in STORES if store in needed]
    return list(options.stores)


def command(what: str, arguments: Sequence[str] | None) -> str:
    """Say what was typed, so that it can be typed again."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    return shlex.join(
        ["python", "-m", "benchmarks", *([] if what in given else [what]), *given]
    )


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("expected 1 or more")
    return number


def _new_file(text: str) -> Path:
    file = Path(text)
    if not file.resolve().parent.is_dir():
        raise argparse.ArgumentTypeError(f"{file.resolve().parent} is not a folder")
    return file


def _begins(text: str, known: str) -> bool:
    return known.startswith(text)


def _some_of(
    known: Collection[str], fits: Callable[[str, str], bool] = str.__eq__
) -> Callable[[str], list[str]]:
    def parse(text: str) -> list[str]:
        names = text.split(",")
        for name in names:
            if not name or not any(fits(name, one) for one in known):
                raise argparse.ArgumentTypeError(f"expected some of {', '.join(known)}")
        return names

    return parse

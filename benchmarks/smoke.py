"""``smoke``: each measure once, with small numbers, which shows that it still works.

Its figures are not meaningful. Libraries that are not installed are named at the end.
`report` is left out, because it measures nothing.
"""

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

_ONCE = ("--rounds", "1")
_SHORT = (*_ONCE, "--scale", "0.01")
_FEW = (*_ONCE, "--rows", "500", "--calls", "1")
STEPS: Mapping[str, Sequence[str]] = {
    "compare": _SHORT,
    "extras": (*_SHORT, "--backends", "trio"),
    "growth": _FEW,
    "claim": _FEW,
    "operators": _FEW,
    "web": (*_FEW, "--scale", "0.01"),
    "activity": _SHORT,
    "lone": _SHORT,
    "held": _SHORT,
    "nurseries": _SHORT,
    "schedules": (*_ONCE, "--calls", "1"),
    "guard": ("HEAD", *_SHORT, "--metrics", "drain"),
}
"""The arguments of each measure."""


def run(options: argparse.Namespace, measure: Callable[[Sequence[str]], int]) -> int:
    """Run all measures, or the one that is named, and return the exit code."""
    if options.target not in (None, *STEPS):
        raise SystemExit(f"smoke: expected one of {', '.join(STEPS)}, found {options.target}")
    names = STEPS if options.target is None else [options.target]
    more = {"compare": ("--only", ",".join(options.only))}
    found = {
        name: _measured(name, [*STEPS[name], *more.get(name, ())], measure) for name in names
    }
    if options.json is not None:
        options.json.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    print("\n" + "\n".join(chain.from_iterable(_notes(*one) for one in found.items())))
    return int(not all(one["rows"] for one in found.values()))


def _measured(
    name: str, arguments: Sequence[str], measure: Callable[[Sequence[str]], int]
) -> dict[str, Any]:
    """Run one measure and return the JSON that it wrote."""
    with TemporaryDirectory(prefix="bgjobs-smoke-") as folder:
        file = Path(folder, "figures.json")
        code = measure([name, *arguments, "--json", str(file)])
        if code:
            raise SystemExit(f"smoke: {name} ended with {code}")
        written: dict[str, Any] = json.loads(file.read_text("utf-8"))
        return written


def _notes(name: str, found: Mapping[str, Any]) -> Sequence[str]:
    """Return how many figures were measured, and what was not."""
    missing = found.get("missing", {})
    figures = f"{name}: {len(found['rows'])} figures"
    return [figures, *(f"{name}: {system} {why}" for system, why in missing.items())]

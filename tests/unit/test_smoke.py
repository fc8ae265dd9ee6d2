"""Each measure of the benchmarks still runs and finds figures."""

from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from benchmarks import smoke
from benchmarks.__main__ import SUBCOMMANDS, main
from benchmarks.measures import compare, lone
from benchmarks.report.figures import Figure, write_json
from bgjobs.web.pages import PAGES
from tests.fixtures.benchmarks import measures_of, run_benchmark

PEERS = {
    "pgqueuer": "pgqueuer",
    "procrastinate": "procrastinate",
    "huey": "huey",
    "huey-nofsync": "huey",
}
"""Peers whose library may be missing here; those for Node would be downloaded."""
SYSTEMS = ",".join(("bgjobs", "limit", *PEERS))
STORES = ("sqlite", "postgres")
OURS = [f"bgjobs-{store}-{backend}" for store in STORES for backend in ("trio", "asyncio")]
POPULATIONS = 10


def _check_compare(found: Mapping[str, Any]) -> None:
    of_server = {"drain_server_cpu"}  # if there is one, and it runs here
    for system in OURS:
        assert measures_of(found, system) | of_server == set(compare.COLUMNS)
    for store in STORES:
        assert {"drain", "pickup_p50"} <= measures_of(found, f"limit-{store}")
    assert {name for name, module in PEERS.items() if find_spec(module) is None} == set(
        found["missing"]
    )


def _check_extras(found: Mapping[str, Any]) -> None:
    for system in OURS[::2]:
        expected = {
            "drain by 1 process",
            "drain by 4 processes",
            "lateness p99",
            "idle RSS",
            "idle CPU",
        }
        assert expected <= measures_of(found, system)


def _check_growth(found: Mapping[str, Any]) -> None:
    backlog_names_and_history = 1 + 2 + 1
    assert len(found["rows"]) == 2 * (2 * backlog_names_and_history + 2 * 3 * POPULATIONS)


def _check_claim(found: Mapping[str, Any]) -> None:
    assert len(found["rows"]) == 2 * 2 * 3 * POPULATIONS


def _check_web(found: Mapping[str, Any]) -> None:
    for store in STORES:
        measures = measures_of(found, store)
        for page in (one for one in PAGES if one.in_navigation):
            assert any(one.startswith(page.title) and one.endswith("first") for one in measures)
        at_rest = {f"CPU of the server, {count} browsers" for count in (0, 1, 50)}
        assert {"drain", "drain beside 50 browsers", *at_rest} <= measures


def _check_activity(found: Mapping[str, Any]) -> None:
    for store in STORES:
        assert measures_of(found, store) == {
            f"{measure}, {which} activity"
            for measure in ("drain", "CPU of a drain")
            for which in ("with", "without")
        }


def _check_lone(found: Mapping[str, Any]) -> None:
    for system in OURS:
        assert measures_of(found, system) == set(lone.STEPS)


def _check_held(found: Mapping[str, Any]) -> None:
    assert len(found["rows"]) == 2 * 2 * 5


def _check_rows(found: Mapping[str, Any]) -> None:
    assert found["rows"]


CHECKS: Mapping[str, Callable[[Mapping[str, Any]], None]] = {
    "compare": _check_compare,
    "extras": _check_extras,
    "growth": _check_growth,
    "claim": _check_claim,
    "web": _check_web,
    "activity": _check_activity,
    "lone": _check_lone,
    "held": _check_held,
}


def test_every_measure_is_in_the_smoke_test() -> None:
    assert set(smoke.STEPS) == set(SUBCOMMANDS)


@pytest.mark.slow
@pytest.mark.parametrize("measure", smoke.STEPS)
def test_a_measure_runs_and_finds_figures(
    tmp_path: Path, postgres_dsn: str, measure: str
) -> None:
    arguments = ("smoke", measure, "--only", SYSTEMS)
    found, text = run_benchmark(tmp_path, *arguments, BGJOBS_TEST_POSTGRES=postgres_dsn)
    rows = found[measure]["rows"]
    assert all(row["median"] >= 0 for row in rows)
    assert f"\n{measure}: {len(rows)} figures\n" in text
    CHECKS.get(measure, _check_rows)(found[measure])


def options(target: str | None) -> Namespace:
    return Namespace(target=target, only=["huey"], json=None)


def test_libraries_that_are_missing_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    def measure(arguments: Sequence[str]) -> int:
        missing = {"huey": "not measured: No module named 'huey'"}
        figure = Figure(system="limit", measure="drain", unit="jobs/s", values=[1.0])
        write_json(Path(arguments[-1]), {}, [figure], missing=missing)
        return 0

    assert smoke.run(options("compare"), measure) == 0
    text = "\ncompare: 1 figures\ncompare: huey not measured: No module named 'huey'\n"
    assert capsys.readouterr().out == text


def test_a_measure_without_figures_fails_the_smoke_test(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def measure(arguments: Sequence[str]) -> int:
        write_json(Path(arguments[-1]), {}, [])
        return 0

    assert smoke.run(options(None), measure) == 1
    lines = [f"{name}: 0 figures" for name in smoke.STEPS]
    assert capsys.readouterr().out.strip().splitlines() == lines


def test_a_measure_that_fails_ends_the_smoke_test() -> None:
    with pytest.raises(SystemExit, match="smoke: lone ended with 3"):
        smoke.run(options("lone"), lambda _: 3)


def test_an_unknown_measure_is_refused() -> None:
    with pytest.raises(SystemExit, match=r"smoke: expected one of compare, .*, found sleep"):
        main(["smoke", "sleep"])

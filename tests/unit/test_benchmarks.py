"""Benchmarks run with their smallest settings and check their results."""

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from attrs import evolve

from benchmarks.__main__ import main
from benchmarks.measures import compare, lone
from benchmarks.processes import parameters as names
from benchmarks.processes import workers
from benchmarks.processes.messages import Recorder, parse, runs_in
from benchmarks.processes.parameters import Parameters, Sizes
from benchmarks.report import chart, goals
from benchmarks.report.figures import Figure, quantile, read_json, write_json
from benchmarks.report.goals import Goal, Verdict
from benchmarks.systems.registry import POSTGRES, SQLITE, SYSTEMS, select

SVG = "{http://www.w3.org/2000/svg}"
ENVIRONMENT = {
    "machine": "a <machine>",
    "Python": "CPython 3",
    "packages": "trio 1",
    "command": "python -m benchmarks compare --rounds 7",
    "SQLite": "3.40",
}


def figure(system: str, measure: str, *values: float) -> Figure:
    return Figure(system=system, measure=measure, unit="", values=list(values))


def test_a_lone_enqueue_has_a_goal_for_each_store() -> None:
    wanted = lone.measure_goals(
        {"bgjobs-sqlite-trio": SQLITE, "bgjobs-postgres-trio": POSTGRES}
    )
    figures = [
        figure(system, measure, value)
        for system in ("bgjobs-sqlite-trio", "bgjobs-postgres-trio")
        for measure, value in ((lone.BARE, 65), (lone.ENQUEUE, 100))
    ]
    assert [one.met for one in goals.judge(wanted, figures)] == [True, False]


def test_a_library_that_is_not_installed_is_named_and_the_others_are_measured() -> None:
    huey, limit = select(["huey", "limit-sqlite"])[::-1]
    absent = evolve(huey, name="absent", module="benchmarks.systems.peers.absent")
    found = compare.measure(
        compare.Options(
            systems=[absent, huey, limit], rounds=1, metrics=[names.ENQUEUE_ONE], scale=0.01
        ),
        dsn="",
    )
    expected = {"absent": "not measured: No module named 'benchmarks.systems.peers.absent'"}
    if find_spec("huey") is None:
        expected["huey"] = "not measured: No module named 'huey'"
    assert found.missing == expected
    assert ("limit-sqlite", names.ENQUEUE_ONE) in found.figures
    assert not found.invalid


def written(folder: Path, kind: str = "compare") -> Path:
    figures = [figure("bgjobs-sqlite-trio", names.DRAIN, 300.0, 100.0, 200.0)]
    systems = {"bgjobs-sqlite-trio": {"version": "1.2.3"}}
    more = {"scale": 1.0, "rounds": 3, "systems": systems, "missing": {"huey": "away"}}
    write_json(folder / "found.json", ENVIRONMENT, figures, kind=kind, **more)
    return folder / "found.json"


def test_what_was_written_is_shown_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    drawn = tmp_path / "chart.svg"
    assert main(["report", str(written(tmp_path)), "--chart", str(drawn)]) == 0
    shown = capsys.readouterr().out
    assert "200 (100-300)" in shown
    assert "huey: away" in shown
    assert "200" in texts_of(drawn.read_text())


def test_only_a_comparison_is_shown_again(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="of `compare`"):
        main(["report", str(written(tmp_path, kind="extras"))])
    with pytest.raises(SystemExit, match="expected the JSON"):
        main(["report"])


def test_figures_are_read_as_they_were_written(tmp_path: Path) -> None:
    found, figures = read_json(written(tmp_path))
    assert found["environment"] == ENVIRONMENT
    assert figures == [figure("bgjobs-sqlite-trio", names.DRAIN, 300.0, 100.0, 200.0)]


RATIO = Goal(text="a ratio", ours=("a", "rate"), other=("b", "rate"), least=2)
BOUND = Goal(text="a bound", ours=("a", "late"), most=1.5)


@pytest.mark.parametrize(
    ("goal", "figures", "row"),
    [
        (RATIO, [("a", "rate", 8.0), ("b", "rate", 4.0)], [">= 2x", "2.00x", "met"]),
        (RATIO, [("a", "rate", 7.0), ("b", "rate", 4.0)], [">= 2x", "1.75x", "MISSED"]),
        (RATIO, [("a", "rate", 7.0)], [">= 2x", "-", "not measured"]),
        (RATIO, [("b", "rate", 7.0)], [">= 2x", "-", "not measured"]),
        (RATIO, [("a", "rate", 7.0), ("b", "rate", 0.0)], [">= 2x", "-", "not measured"]),
        (BOUND, [("a", "late", 1.5)], ["<= 1.5", "1.50", "met"]),
        (BOUND, [("a", "late", 1.6)], ["<= 1.5", "1.60", "MISSED"]),
    ],
)
def test_a_goal_is_judged(
    goal: Goal, figures: list[tuple[str, str, float]], row: list[str]
) -> None:
    [verdict] = goals.judge([goal], [figure(*one) for one in figures])
    assert verdict.row == [goal.text, *row]
    assert goals.is_missed([verdict]) == (row[-1] == "MISSED")


def test_a_goal_is_judged_by_medians() -> None:
    [verdict] = goals.judge([BOUND], [figure("a", "late", 9.0, 1.0, 1.2)])
    assert verdict == Verdict(BOUND, 1.2)


def test_goals_name_only_what_is_measured() -> None:
    systems = {one.name for one in SYSTEMS}
    keys = [key for goal in goals.COMPARE for key in (goal.ours, goal.other) if key]
    assert {system for system, _ in keys} <= systems
    assert {measure for _, measure in keys} <= set(compare.COLUMNS)
    assert {goal.ours[0] for goal in goals.EXTRAS} <= systems


def test_the_table_has_a_line_for_each_system_of_a_database() -> None:
    figures = [
        figure("pgqueuer", names.DRAIN, 7000.0),
        figure("bgjobs-postgres-trio", names.DRAIN, 9000.0),
        figure("bgjobs-postgres-trio", names.PICKUP_P50, 1.5),
        figure("huey", names.DRAIN, 800.0),
    ]
    text = compare.tables(figures, {"pgqueuer": {"version": "1.6"}})
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()]
    assert [line for line in cells if line and line[0][0] != "-"] == [
        ["PostgreSQL", "version", "drain, jobs/s", "pickup p50, ms"],
        ["bgjobs-postgres-trio", "", "9,000 (9,000-9,000)", "1.50 (1.50-1.50)"],
        ["pgqueuer", "1.6", "7,000 (7,000-7,000)", "-"],
        ["SQLite", "version", "drain, jobs/s"],
        ["huey", "", "800 (800-800)"],
    ]


def texts_of(svg: str) -> list[str]:
    return ["".join(one.itertext()) for one in ET.fromstring(svg).iter(f"{SVG}text")]


def drawn_comparison() -> str:
    found = {
        "environment": ENVIRONMENT,
        "rounds": 7,
        "scale": 1.0,
        "systems": {one.name: {"version": "9.8"} for one in SYSTEMS},
        "missing": {"procrastinate": "not measured to the end: <gone> & away"},
    }
    figures = [
        figure(one.name, measure, 1000.0 + number)
        for number, one in enumerate(SYSTEMS)
        for measure in compare.COLUMNS
    ]
    return chart.draw(found, figures)


def test_the_chart_names_all_systems_and_how_they_were_measured() -> None:
    texts = texts_of(drawn_comparison())
    assert {chart.label(one) for one in SYSTEMS} <= set(texts)
    text = "\n".join(texts)
    assert ENVIRONMENT["command"] in text
    assert ENVIRONMENT["machine"] in text
    assert "pgqueuer 9.8" in text
    assert "not measured to the end: <gone> & away" in text


def test_each_panel_says_what_is_better_and_has_a_scale_of_its_own() -> None:
    svg = drawn_comparison()
    titles = [text for text in texts_of(svg) if text.endswith("is better")]
    assert len(titles) == 2 * len(chart.PANELS)
    bars = [one for one in ET.fromstring(svg).iter(f"{SVG}rect") if "rx" in one.attrib]
    assert len(bars) == len(SYSTEMS) * len(chart.PANELS)
    longest = max(float(bar.attrib["width"]) for bar in bars)
    assert sum(float(bar.attrib["width"]) == longest for bar in bars) >= len(titles)


def test_a_quick_look_does_less_of_everything() -> None:
    assert Sizes().scaled(1) == Sizes()
    assert Sizes().scaled(0.5) == Sizes(
        one=5000, many=25_000, drain=25_000, pickups=125, time_limit=1.5
    )
    least = Sizes().scaled(0.0001)
    assert min(least.one, least.many, least.drain, least.pickups) > 0
    assert least.time_limit > 0


def test_parameters_travel_as_json() -> None:
    one = Parameters(
        module="benchmarks.systems.bgjobs",
        options={"store": "sqlite", "fsync": True},
        dsn="",
        folder="/tmp/somewhere",
        metrics=(names.DRAIN, names.PICKUP),
        sizes=Sizes(drain=7),
        round=3,
    )
    assert Parameters.from_json(one.to_json()) == one


def messages(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    lines = capsys.readouterr().out.splitlines()
    return [one for one in map(parse, lines) if one is not None]


def test_a_recorder_tells_which_jobs_ran_and_how_late(
    capsys: pytest.CaptureFixture[str],
) -> None:
    recorder = Recorder(jobs=4, expected=2, every=2)
    sys.stdout.write("what a library prints is left out\n")
    recorder.record(3, 1)
    recorder.record(1, 0)
    recorder.record(1, 0)
    recorder.end()
    finished, progress, end = messages(capsys)
    assert finished["event"] == "finished"
    assert len(finished["latencies"]) == 1
    assert progress == {"event": "progress", "ran": 2}
    assert (end["ran"], end["repeated"]) == (2, 1)
    assert runs_in(end) == bytes([0, 1, 0, 1])


def test_a_worker_that_ran_nothing_has_spent_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Recorder(jobs=2, expected=2).end()
    [end] = messages(capsys)
    assert end["cpu"] == 0


@pytest.mark.parametrize("jobs_of_workers", [[[0, 1], [1, 2]], [[0], [2]]])
def test_a_figure_is_refused_when_not_every_job_ran_once(
    jobs_of_workers: list[list[int]], capsys: pytest.CaptureFixture[str]
) -> None:
    for jobs in jobs_of_workers:
        recorder = Recorder(jobs=3, expected=3)
        for job in jobs:
            recorder.record(job, 0)
        recorder.end()
    with pytest.raises(AssertionError, match="2 of 3 jobs ran once"):
        workers.check_ran_once(messages(capsys), 3)


def test_a_quantile_is_one_of_the_values() -> None:
    values = [float(value) for value in range(100, 0, -1)]
    assert quantile(values, 0.50) == 51
    assert quantile(values, 0.99) == 100
    assert quantile([7.0], 0.99) == 7


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        (["huey"], ["huey"]),
        (["graph"], ["graphile-tuned", "graphile"]),
        (["limit-sqlite", "bgjobs-s"], ["bgjobs-sqlite-trio", "bgjobs-sqlite-asyncio"]),
    ],
)
def test_systems_are_chosen_by_name_or_by_how_it_begins(
    asked: list[str], names: list[str]
) -> None:
    found = [one.name for one in select(asked)]
    assert [name for name in found if not name.startswith("limit")] == names


@pytest.mark.parametrize(
    "arguments",
    [
        ["compare", "--only", "celery"],
        ["compare", "--metrics", "drain,"],
        ["extras", "--steps", "sleeping"],
        ["growth", "--rows", "0"],
        ["compare", "--json", "/nowhere/found.json"],
    ],
)
def test_what_cannot_be_measured_is_refused(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert "expected" in capsys.readouterr().err or arguments[-1].startswith("/nowhere")

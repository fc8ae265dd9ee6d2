"""The workflows of the repository run sessions that exist, with few rights."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
WORKFLOWS: dict[str, dict[str, Any]] = {
    path.stem: yaml.safe_load(path.read_text("utf-8")) for path in FILES
}
JOBS = [(name, job) for name, one in WORKFLOWS.items() for job in one["jobs"]]
"""The names of each workflow and job."""
USES = re.compile(r"^ *(?:- )?uses: (.+)$", re.MULTILINE)
PINNED = re.compile(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
OF_THIS_REPOSITORY = "$/"
SESSION = re.compile(r"\bnox -s ([\w-]+)")


def noxfile() -> ast.Module:
    return ast.parse((ROOT / "noxfile.py").read_text("utf-8"))


def sessions() -> Iterator[str]:
    """Yield the names of the sessions of nox."""
    for function in noxfile().body:
        if isinstance(function, ast.FunctionDef):
            for decorator in function.decorator_list:
                given = decorator.keywords if isinstance(decorator, ast.Call) else []
                names = {one.arg: one.value for one in given}
                yield ast.literal_eval(names["name"]) if "name" in names else function.name


def supported_pythons() -> list[str]:
    """Return the Pythons that nox runs the tests on."""
    [found] = [
        node.value
        for node in noxfile().body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "PYTHONS"
    ]
    return list(ast.literal_eval(found))


def not_pinned(text: str) -> list[str]:
    """Return the actions that are not pinned by a hash with its version beside it."""
    return [
        one
        for one in USES.findall(text)
        if not PINNED.fullmatch(one) and not one.startswith(OF_THIS_REPOSITORY)
    ]


def steps(workflow: str, job: str) -> list[dict[str, Any]]:
    return list(WORKFLOWS[workflow]["jobs"][job].get("steps", []))


def test_there_are_workflows_for_changes_nights_and_releases() -> None:
    assert list(WORKFLOWS) == ["checks", "nightly", "release"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_action_is_pinned_by_a_hash(path: Path) -> None:
    assert not_pinned(path.read_text("utf-8")) == []


def test_an_action_that_is_not_pinned_is_found() -> None:
    pinned = f"      - uses: actions/checkout@{'0a' * 20} # v1.2.3\n"
    loose = ["actions/checkout@v7", f"actions/checkout@{'0a' * 20}", "./action"]
    text = pinned + "".join(f"      - uses: {one}\n" for one in loose)
    assert not_pinned(text) == loose


@pytest.mark.parametrize("workflow", WORKFLOWS)
def test_a_workflow_only_reads_unless_a_job_needs_more(workflow: str) -> None:
    assert WORKFLOWS[workflow]["permissions"] in ({}, {"contents": "read"})
    assert "concurrency" in WORKFLOWS[workflow]


@pytest.mark.parametrize(("workflow", "job"), JOBS)
def test_every_session_that_a_job_runs_exists(workflow: str, job: str) -> None:
    commands = [step.get("run", "") for step in steps(workflow, job)]
    assert set(SESSION.findall("\n".join(commands))) <= set(sessions())


@pytest.mark.parametrize(("workflow", "job"), JOBS)
def test_every_job_ends_in_time_and_keeps_no_credentials(workflow: str, job: str) -> None:
    settings = WORKFLOWS[workflow]["jobs"][job]
    assert "timeout-minutes" in settings or settings["uses"].startswith(OF_THIS_REPOSITORY)
    checkouts = [
        one for one in steps(workflow, job) if "actions/checkout" in one.get("uses", "")
    ]
    assert [one["with"]["persist-credentials"] for one in checkouts] == [False] * len(checkouts)


def test_the_last_check_waits_for_all_others() -> None:
    jobs = WORKFLOWS["checks"]["jobs"]
    assert jobs["all-green"]["needs"] == [name for name in jobs if name != "all-green"]


def test_the_supported_pythons_have_to_pass() -> None:
    job = WORKFLOWS["checks"]["jobs"]["python"]
    tested = job["strategy"]["matrix"]["python"]
    may_fail = re.findall(r"'([\d.]+)'", job["continue-on-error"])
    assert [python for python in tested if python not in may_fail] == supported_pythons()


def test_the_supported_pythons_are_those_of_the_classifiers() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    prefix = "Programming Language :: Python :: "
    named = [one.removeprefix(prefix) for one in project["classifiers"] if prefix in one]
    assert [one for one in named if "." in one] == supported_pythons()

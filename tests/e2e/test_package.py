"""The installed package: its version, its metadata and its other files."""

import tomllib
from importlib import metadata, resources
from pathlib import Path
from typing import Any

import pytest

import bgjobs

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"

REGISTERED = {
    ("console_scripts", "bgjobs", "bgjobs.cli"),
    ("pytest11", "bgjobs", "pytest_bgjobs"),
}
"""The registered entry points."""


def project() -> dict[str, Any]:
    values: dict[str, Any] = tomllib.loads(PYPROJECT.read_text("utf-8"))["project"]
    return values


def test_the_version_is_defined_once() -> None:
    assert bgjobs.__version__ == metadata.version("bgjobs") == project()["version"]


def test_type_checkers_find_the_types() -> None:
    assert (resources.files("bgjobs") / "py.typed").is_file()


@pytest.mark.parametrize(
    "name",
    ["templates/base.html", "templates/overview.html", "static/style.css", "static/page.js"],
)
def test_the_web_page_finds_its_files(name: str) -> None:
    assert resources.files("bgjobs.web").joinpath(name).is_file()


def test_all_entry_points_can_be_loaded() -> None:
    ours = metadata.distribution("bgjobs").entry_points
    assert {(one.group, one.name, one.module) for one in ours} == REGISTERED
    assert all(one.load() for one in ours)


def test_each_classified_python_is_allowed() -> None:
    sign = "Programming Language :: Python :: 3."
    minors = [int(one.removeprefix(sign)) for one in project()["classifiers"] if sign in one]
    assert project()["requires-python"] == f">=3.{min(minors)}"


def test_the_imports_without_an_extra_are_the_dependencies_of_the_metadata() -> None:
    required = metadata.requires("bgjobs") or []
    assert [one for one in required if "extra ==" not in one] == project()["dependencies"]

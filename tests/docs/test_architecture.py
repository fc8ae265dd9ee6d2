"""The page about the architecture shows the layers and folders that the code has."""

import re
import tomllib
from itertools import groupby

from tests.docs.documents import ROOT

PAGE = (ROOT / "docs" / "design" / "architecture.md").read_text("utf-8")
PICTURE = re.compile(r"^## Layers$.*?^```text\n(?P<lines>.*?)^```$", re.MULTILINE | re.DOTALL)
RULE = re.compile(r"^-+$")


def drawn_layers(page: str) -> list[list[str]]:
    """Return the layers of the picture below the heading "Layers", from the top."""
    picture = PICTURE.search(page)
    assert picture is not None
    lines = picture["lines"].splitlines()
    layers = groupby(lines, lambda line: RULE.match(line) is not None)
    return [
        [name for line in layer for name in line.split("  ")[0].split(", ")]
        for is_rule, layer in layers
        if not is_rule
    ]


def contracted_layers() -> list[list[str]]:
    """Return the layers of the first contract of import-linter, from the top."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    layers = settings["tool"]["importlinter"]["contracts"][0]["layers"]
    return [re.split(" [|:] ", layer) for layer in layers]


def folders(parent: str) -> list[str]:
    inits = (ROOT / "bgjobs" / parent).glob("*/__init__.py")
    return sorted(init.parent.name for init in inits)


def test_the_picture_shows_the_layers_of_the_first_contract() -> None:
    assert drawn_layers(PAGE) == contracted_layers()


def test_every_folder_of_the_package_is_described() -> None:
    named = set(re.findall(r"`(\w+)/`", PAGE))
    assert set(folders("")) - named == set()


def test_every_folder_of_the_runtime_is_described() -> None:
    rows = re.findall(r"^\| `(\w+)/` \|", PAGE.split("\n### The runtime\n")[1], re.MULTILINE)
    assert sorted(rows) == folders("_runtime")


def test_a_picture_in_another_order_is_noticed() -> None:
    picture = "\n## Layers\n\n```text\n_core, stores  values\n----\n_runtime       tasks\n```\n"
    assert drawn_layers(picture) == [["_core", "stores"], ["_runtime"]]

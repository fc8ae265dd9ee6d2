"""docs/command-line.md tells of every command, and of no other."""

import re
import shlex
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import click
import pytest

from bgjobs.cli.exits import MEANINGS
from bgjobs.cli.root import root

PAGE = Path(__file__).parents[2] / "docs" / "command-line.md"
TEXT = PAGE.read_text("utf-8")
EXAMPLES = [
    line.partition("  #")[0].strip()
    for block in re.findall(r"^```sh\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
    if line.startswith("bgjobs ")
]
ID = "01890000-0000-7000-8000-000000000000"


def leaves(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Give every command by its path, groups that do something alone included."""
    for name, command in group.commands.items():
        here = (*path, name)
        if isinstance(command, click.Group):
            yield from leaves(command, here)
        if not isinstance(command, click.Group) or command.invoke_without_command:
            yield here


def parsed(arguments: list[str]) -> tuple[str, ...]:
    """Parse an example down to its command, without calling it; gives the command's path."""
    with ExitStack() as opened:
        command: click.Command = root
        context = opened.enter_context(root.make_context("bgjobs", arguments))
        path: tuple[str, ...] = ()
        while isinstance(command, click.Group):
            rest = [*context._protected_args, *context.args]
            if not rest:
                break
            name, found, rest = command.resolve_command(context, rest)
            assert name is not None
            assert found is not None
            path, command = (*path, name), found
            context = opened.enter_context(found.make_context(name, rest, parent=context))
    return path


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_is_one_that_bgjobs_takes(
    example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "failed.jsonl").touch()
    shown = example.replace(" ID", f" {ID}").partition(" > ")[0]

    assert parsed(shlex.split(shown)[1:]) in {*leaves(root)}


def test_every_command_has_an_example() -> None:
    named = {
        tuple(example.split()[1 : 1 + len(path)])
        for path in leaves(root)
        for example in EXAMPLES
    }

    assert {*leaves(root)} <= named


def test_the_exit_codes_are_those_of_the_help() -> None:
    rows = [f"| {code} | {meaning} |" for code, meaning in MEANINGS.items()]

    assert "\n".join(rows) in TEXT

"""docs/operate/command-line.md tells of every command, and of no other."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from bgjobs.cli.errors import EXIT_CODE_MEANINGS
from bgjobs.cli.root import root

PAGE = Path(__file__).parents[2] / "docs" / "operate" / "command-line.md"
TEXT = PAGE.read_text("utf-8")
EXAMPLES = [
    line.partition("  #")[0].strip()
    for block in re.findall(r"^```sh\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
    if line.startswith("bgjobs ")
]
ID = "01890000-0000-7000-8000-000000000000"


def leaves(
    group: click.Group, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Give every command by its path, groups that do something alone included."""
    context = click.Context(group)
    for name in group.list_commands(context):
        here, command = (*path, name), group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from leaves(command, here)
        if not isinstance(command, click.Group) or command.invoke_without_command:
            yield here, command


COMMANDS = dict(leaves(root))


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_is_one_that_bgjobs_takes(
    example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "failed.jsonl").touch()
    called: list[tuple[str, ...]] = []
    for path, command in COMMANDS.items():
        monkeypatch.setattr(command, "callback", lambda path=path, **_: called.append(path))
    shown = example.replace(" ID", f" {ID}").partition(" > ")[0]

    root.main(shlex.split(shown)[1:], standalone_mode=False)

    path = called[-1]
    assert " ".join(path) in shown


def test_every_command_has_an_example() -> None:
    named = {
        tuple(example.split()[1 : 1 + len(path)]) for path in COMMANDS for example in EXAMPLES
    }

    assert {*COMMANDS} <= named


def test_the_exit_codes_are_those_of_the_help() -> None:
    rows = [f"| {code} | {meaning} |" for code, meaning in EXIT_CODE_MEANINGS.items()]

    assert "\n".join(rows) in TEXT

"""How `bgjobs` is called: help, version, wrong use, missing libraries, completion."""

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete

from bgjobs.cli import main
from bgjobs.cli.errors import EXIT_CODE_MEANINGS
from bgjobs.cli.root import root, run_command
from tests.cli.conftest import Call
from tests.cli.terminal import BGJOBS


def test_without_a_command_it_prints_its_help_and_does_nothing(call: Call) -> None:
    answer = call()

    assert answer.code == 2
    assert answer.out == ""
    assert "Commands:" in answer.err


def test_the_help_explains_the_exit_codes(call: Call) -> None:
    answer = call("--help")

    assert answer.code == 0
    for code, meaning in EXIT_CODE_MEANINGS.items():
        assert f"{code:>4}  {meaning}\n" in answer.out


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_the_help_imports_only_what_it_needs(option: str) -> None:
    program = (
        "import sys\n"
        "from bgjobs.cli.root import run_command\n"
        f"assert run_command([{option!r}]) == 0\n"
        "sys.stderr.write(' '.join(sys.modules))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    loaded = set(done.stderr.split())
    assert {"bgjobs", "click"} <= loaded
    costly = {"anyio", "trio", "asyncio", "rich", "sqlite3", "psycopg"}
    assert loaded.isdisjoint(costly | {"bgjobs._runtime", "bgjobs.cli.commands.run"})


def test_the_help_has_the_first_line_of_each_command() -> None:
    context = click.Context(root)
    for name in root.list_commands(context):
        command = root.get_command(context, name)
        assert command is not None
        assert f"  {name:<10}  {command.get_short_help_str(200)}\n" in root.get_help(context)
    assert root.get_command(context, "nothing") is None


def test_it_prints_its_version(call: Call) -> None:
    assert call("--version").out == f"{version('bgjobs')}\n"


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("lst", "no such command 'lst' (see bgjobs --help)"),
        ("jobs", "jobs: missing command (see bgjobs jobs --help)"),
        ("jobs list --app x", "jobs list: --app goes before the command"),
        ("jobs list --faild", "jobs list: no such option"),
        ("jobs show 12", "jobs show: invalid value for 'ID': expected a job id as"),
        ("jobs show 01g9", "jobs show: invalid value for 'ID': expected a job id as"),
        ("jobs reschedule --in soon 0", "jobs reschedule: invalid value for"),
        ("completion tcsh", "completion: invalid value for '{bash|zsh|fish}': 'tcsh' is not"),
    ],
)
def test_wrong_use_is_one_line(command: str, message: str, call: Call) -> None:
    answer = call(*command.split())

    assert answer.code == 2
    assert answer.line.startswith(message)


def test_without_an_application_the_error_explains_how_to_name_one(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BGJOBS_APP")

    answer = call("status")

    assert answer.code == 2
    assert answer.line == "no application: add --app module:config, or set BGJOBS_APP"


def test_a_traceback_is_shown_when_asked_for(call: Call) -> None:
    assert "Traceback" not in call("--app", "shop:confg", "status").err

    answer = call("--traceback", "--app", "shop:confg", "status")

    assert answer.code == 2
    assert answer.err.startswith("Traceback")
    *_, last = answer.err.splitlines()
    assert last == "bgjobs: app: module 'shop' has no 'confg'; did you mean 'config'?"


def test_a_store_that_cannot_be_reached_is_one_line(shop: Path, call: Call) -> None:
    (shop / "away.py").write_text(
        "import bgjobs, shop\n"
        "store = bgjobs.SQLiteStore('no/such/folder/shop.db')\n"
        "config = bgjobs.Config(store=store, queues=shop.config.queues)\n",
        "utf-8",
    )

    answer = call("--app", "away:config", "status")

    assert answer.code == 4
    assert answer.line.startswith("the store cannot be reached: SQLite ")


def test_a_broken_configuration_is_one_line(shop: Path, call: Call) -> None:
    (shop / "double.py").write_text(
        "import bgjobs, shop\n"
        "config = bgjobs.Config(store=shop.config.store, queues=[*shop.config.queues] * 2)\n",
        "utf-8",
    )

    answer = call("--app", "double:config", "status")

    assert answer.code == 2
    assert answer.line == (
        "invalid configuration: queues: two have the name 'default'; "
        "queues: two have the name 'mail'"
    )


@pytest.mark.parametrize("missing", [("click",), ("rich",), ("click", "rich")])
def test_without_the_extra_the_error_names_what_to_install(
    missing: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in missing:
        monkeypatch.setitem(sys.modules, name, None)  # an import then fails

    with pytest.raises(SystemExit) as left:
        main()

    assert left.value.code == 1
    assert capsys.readouterr().err == (
        f"bgjobs: the command line needs {' and '.join(missing)}: pip install 'bgjobs[cli]'\n"
    )


def test_the_module_is_the_command(tmp_path: Path) -> None:
    done = subprocess.run(
        [*BGJOBS, "--app", "nowhere:config", "status"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 2
    assert done.stderr == "bgjobs: app: no module 'nowhere' in this folder or installed\n"


def completions(*arguments: str) -> list[str]:
    """Return the completions of the last argument."""
    *before, begun = arguments
    shell = ShellComplete(root, {}, "bgjobs", "_BGJOBS_COMPLETE")
    return [item.value for item in shell.get_completions(before, begun)]


@pytest.fixture
def names_enabled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Completion may import the application."""
    monkeypatch.setenv("BGJOBS_COMPLETE_NAMES", "1")


@pytest.mark.parametrize("setting", [None, "", "0", "yes"])
def test_completion_runs_no_code_unless_it_is_enabled(
    setting: str | None, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BGJOBS_COMPLETE_NAMES", raising=False)
    if setting is not None:
        monkeypatch.setenv("BGJOBS_COMPLETE_NAMES", setting)
    (shop / "planted.py").write_text("from pathlib import Path\nPath('ran').touch()\n", "utf-8")

    for app in ("planted:config", "shop:config"):
        monkeypatch.setenv("BGJOBS_APP", app)
        for before in (["queues", "pause"], ["jobs", "list", "--worker"], ["jobs", "enqueue"]):
            assert completions(*before, "") == []
            assert completions("--app", app, *before, "") == []
    assert completions("jobs", "re") == ["reschedule", "retry"]
    assert not (shop / "ran").exists()


@pytest.mark.usefixtures("names_enabled")
@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["sch"], ["schedules"]),
        (["jobs", "re"], ["reschedule", "retry"]),
        (["jobs", "list", "--fa"], ["--failed"]),
        (["jobs", "enqueue", ""], ["greet", "purge", "send", "slow"]),
        (["jobs", "list", "--worker", "s"], ["send", "slow"]),
        (["queues", "pause", ""], ["default", "mail"]),
        (["schedules", "next", "c"], ["cleaning"]),
    ],
)
def test_names_are_completed(arguments: list[str], names: list[str], shop: Path) -> None:
    assert completions(*arguments) == names


@pytest.mark.usefixtures("names_enabled")
def test_completion_uses_the_application_of_the_command_line(
    shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BGJOBS_APP")

    assert completions("--app", "shop:config", "queues", "pause", "m") == ["mail"]


@pytest.mark.usefixtures("names_enabled")
def test_without_an_application_completion_is_empty_and_silent(
    shop: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for app in ("", "nowhere:config"):
        monkeypatch.setenv("BGJOBS_APP", app)
        assert completions("queues", "pause", "") == []
    assert capsys.readouterr() == ("", "")


@pytest.mark.usefixtures("names_enabled")
def test_a_shell_asks_for_completion_in_its_environment(
    shop: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("_BGJOBS_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "bgjobs queues pause m")
    monkeypatch.setenv("COMP_CWORD", "3")

    with pytest.raises(SystemExit):
        run_command([])

    assert capsys.readouterr() == ("plain,mail\n", "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_a_shell_is_printed(shell: str, call: Call) -> None:
    answer = call("completion", shell)

    assert answer.code == 0
    assert f"_BGJOBS_COMPLETE={shell}_complete" in answer.out

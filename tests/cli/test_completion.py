"""What a shell completes: commands, options, and the names of the application."""

from pathlib import Path

import pytest
from click.shell_completion import ShellComplete

from bgjobs.cli.root import root, run_command
from tests.cli.conftest import Call


def offered(*arguments: str) -> list[str]:
    """Ask for what may follow; the last argument is what was typed of it so far."""
    *before, begun = arguments
    shell = ShellComplete(root, {}, "bgjobs", "_BGJOBS_COMPLETE")
    return [item.value for item in shell.get_completions(before, begun)]


@pytest.fixture(autouse=True)
def asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The names of the application may be looked up."""
    monkeypatch.setenv("BGJOBS_COMPLETE_NAMES", "1")


@pytest.mark.parametrize("setting", [None, "", "0", "yes"])
def test_no_code_is_run_where_that_was_not_asked_for(
    setting: str | None, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BGJOBS_COMPLETE_NAMES")
    if setting is not None:
        monkeypatch.setenv("BGJOBS_COMPLETE_NAMES", setting)
    (shop / "planted.py").write_text("from pathlib import Path\nPath('ran').touch()\n", "utf-8")

    for app in ("planted:config", "shop:config"):
        monkeypatch.setenv("BGJOBS_APP", app)
        for before in (["queues", "pause"], ["jobs", "list", "--worker"], ["jobs", "enqueue"]):
            assert offered(*before, "") == []
            assert offered("--app", app, *before, "") == []
    assert offered("jobs", "re") == ["reschedule", "retry"]
    assert not (shop / "ran").exists()


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
    assert offered(*arguments) == names


def test_the_application_may_be_named_on_the_line(
    shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BGJOBS_APP")

    assert offered("--app", "shop:config", "queues", "pause", "m") == ["mail"]


def test_without_an_application_nothing_is_offered_and_nothing_told(
    shop: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for app in ("", "nowhere:config"):
        monkeypatch.setenv("BGJOBS_APP", app)
        assert offered("queues", "pause", "") == []
    assert capsys.readouterr() == ("", "")


def test_a_shell_asks_by_its_environment(
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

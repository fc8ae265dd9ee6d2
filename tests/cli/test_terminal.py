"""The commands in a session on a real terminal: colours, questions, progress, Ctrl-C."""

import re
import sqlite3
import sys
from collections.abc import Generator
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.terminal import BGJOBS, CTRL_C, STYLE, Terminal, terminal

TALKING = (sys.executable, str(Path(__file__).with_name("talking.py")))
END = "[exit code "
RED = "\x1b[31m"


@pytest.fixture
def there(shop: Path) -> Generator[Terminal]:
    """A session that takes one command after the other."""
    with terminal(*TALKING, cwd=shop) as opened:
        yield opened


def say(there: Terminal, command: str) -> tuple[int, str]:
    """Type a command; gives its exit code and what it wrote, without colours."""
    there.type(command)
    there.until(command)  # the echo: that of a whole line may come behind the answer to it
    there.type("\n")
    return heard(there)


def heard(there: Terminal) -> tuple[int, str]:
    """Read what a command writes to its end."""
    written = there.until(END)
    code = there.until("]\n").removesuffix("]\n")
    return int(code), STYLE.sub("", written).removesuffix(END).removeprefix("\n")


def test_every_command_answers_on_a_terminal(there: Terminal) -> None:
    _, listed = say(there, "jobs list --failed")
    failed, second = (line.split()[0] for line in listed.splitlines()[1:])
    _, listed = say(there, "jobs list --waiting")
    waiting = listed.splitlines()[1].split()[0]
    says = {
        "migrate status": "the schema is up to date",
        "migrate up": "the schema is up to date",
        "migrate sql": "",
        "status": "1 succeeded, 2 failed",
        "queues": "mail     open",
        "queues pause mail": "queue mail is paused on all nodes",
        "queues resume mail": "queue mail is open again",
        "schedules list": "cleaning",
        "schedules next": "cleaning: ",
        "schedules trigger cleaning": "enqueued ",
        "schedules pause cleaning": "schedule cleaning is paused on all nodes",
        "schedules resume cleaning": "schedule cleaning goes on",
        "owners": "lease left",
        "doctor": "versions",
        "watch --count 2 --interval 0.1": "succeeded/s",
        "completion bash": "complete",
        f"jobs show {failed} --payload": "secret",
        f"jobs retry {failed}": f"retried {failed}",
        f"jobs cancel {waiting}": f"cancelled {waiting}",
        f"jobs reschedule {failed} --in 1h": f"changed {failed}",
        "jobs enqueue slow --args [1]": "enqueued ",
        "jobs export failed.jsonl": "exported 2 to failed.jsonl",
        "jobs import failed.jsonl --yes": "imported 0, skipped 2",
        "jobs prune --yes": "deleted 0",
    }

    for command, told in says.items():
        code, written = say(there, command)
        assert code == 0, written
        assert told in written, command

    assert second in say(there, "jobs list --failed")[1]


def test_bulk_work_asks_first_and_shows_its_progress(there: Terminal) -> None:
    question = "Run 2 failed jobs again? [y/N]: "

    there.type("jobs retry --all\n")
    there.until(question)
    refused = say(there, "n")
    there.type("jobs retry --all\n")
    there.until(question)
    agreed = say(there, "y")

    assert refused == (1, "bgjobs: nothing was changed\n")
    assert agreed[0] == 0
    assert "retrying ━" in agreed[1]
    assert "2/2" in agreed[1]
    assert agreed[1].endswith("retried 2\n")


def test_ctrl_c_at_a_question_ends_the_command(shop: Path) -> None:
    with terminal(*BGJOBS, "jobs", "retry", "--all", cwd=shop) as there:
        there.until("[y/N]: ")
        there.press_to_the_end(CTRL_C)
        code, written = there.end()

    assert code == 130
    assert written.endswith("bgjobs: interrupted\n")


def fail_many(count: int) -> None:
    """Copy a failed job, so that there are so many more."""
    with closing(sqlite3.connect("shop.db")) as connection:
        listed = connection.execute("select name from pragma_table_info('bgjobs_jobs_failed')")
        columns = ", ".join(name for (name,) in listed if name != "id")
        connection.execute(
            f"""
            with recursive numbers (n) as (values (1) union all select n + 1 from numbers
            limit {count}), one as (select * from bgjobs_jobs_failed limit 1)
            insert into bgjobs_jobs_failed (id, {columns})
            select printf('01890000-0000-7000-8000-%012x', n), {columns} from one, numbers
            """
        )
        connection.commit()


def test_bulk_work_can_be_interrupted_and_loses_none(there: Terminal) -> None:
    fail_many(20_000)

    there.type("jobs retry --all --yes\n")
    there.until("retrying ")
    there.type(CTRL_C)
    code, written = heard(there)
    answered, status = say(there, "status")

    assert (code, answered) == (130, 0), f"{written}\n{status}"
    told = re.search(r"interrupted after ([\d,]+); the batch under way may be done", written)
    counts = re.search(r"([\d,]+) waiting, .* ([\d,]+) failed", status)
    assert told is not None, written
    assert counts is not None, status
    done, waiting, failed = (int(text.replace(",", "")) for text in (told[1], *counts.groups()))
    assert failed > 0
    assert waiting + failed == 1 + 2 + 20_000
    assert done <= waiting - 1


def test_ctrl_c_ends_watch_as_it_is_meant_to_end(there: Terminal) -> None:
    there.type("watch --interval 600\n")
    there.until("succeeded/s")
    there.type(CTRL_C)

    code, written = heard(there)

    assert code == 0
    assert "Traceback" not in written


@pytest.mark.parametrize(
    ("settings", "is_coloured"),
    [({}, True), ({"NO_COLOR": "1"}, False)],
)
def test_colours_are_for_terminals_that_want_them(
    settings: dict[str, str], is_coloured: bool, shop: Path
) -> None:
    with terminal(*TALKING, cwd=shop, env=settings) as there:
        there.type("jobs list\n")
        there.until("jobs list\n")
        written = there.until(END)

    assert "failed" in written
    assert (RED in written) is is_coloured
    assert bool(STYLE.search(written)) is is_coloured

"""The commands in a session on a real terminal: colours, questions, progress, Ctrl-C."""

import json
import re
import sqlite3
import subprocess
import sys
from collections.abc import Generator
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.steady import settled
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
        "queues": "mail     active",
        "queues pause mail": "paused queue mail on all nodes",
        "queues resume mail": "resumed queue mail on all nodes",
        "schedules list": "cleaning",
        "schedules next": "cleaning: ",
        "schedules trigger cleaning": "enqueued ",
        "schedules pause cleaning": "paused schedule cleaning on all nodes",
        "schedules resume cleaning": "resumed schedule cleaning on all nodes",
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
        f"jobs delete {failed} --yes": f"deleted {failed}",
    }

    for command, told in says.items():
        code, written = say(there, command)
        assert code == 0, written
        assert told in written, command

    assert second in say(there, "jobs list --failed")[1]


def test_ids_are_shortened_on_a_terminal_and_no_job_is_mistaken(there: Terminal) -> None:
    """Each that is shown is the beginning of one id of the store, whatever else is in it."""
    fail_many(2_000)
    _, listed = say(there, "jobs list --failed --limit 3")
    _, *rows, more = listed.splitlines()

    shown = [row.split()[0] for row in rows]

    assert len(set(shown)) == 3
    assert max(map(len, shown)) < 36
    for one in shown:
        code, told = say(there, f"jobs show {one}")
        assert code == 0, told
        assert re.search(rf"^id +{one}", told)
    code, listed = say(there, f"jobs list --limit 3 {more.split(': ')[1]}")
    assert code == 0, listed
    assert not {row.split()[0] for row in listed.splitlines()[1:-1]} & {*shown}


def test_many_ids_are_shown_whole(there: Terminal) -> None:
    fail_many(300)

    _, listed = say(there, "jobs list --failed --limit 250")

    ids = [line.split()[0] for line in listed.splitlines()[1:-1]]
    assert (len(ids), {*map(len, ids)}) == (250, {36})


AWAY = """
import logging, sys
import bgjobs
from bgjobs.cli import snapshot
from shop import config

logging.basicConfig(stream=sys.stderr, level="DEBUG")
seen = []
take_snapshot = snapshot.take_snapshot

async def fail_twice(admin, config):
    seen.append(len(seen))
    for name in ("bgjobs", "bgjobs.stores.postgres", "psycopg.pool"):
        logging.getLogger(name).error("flooded by %s", name)
    if len(seen) in (2, 3):
        raise bgjobs.errors.StoreUnavailableError("no\\x1b[2Jroute")
    return await take_snapshot(admin, config)

snapshot.take_snapshot = fail_twice
"""


def test_watch_tells_since_when_the_store_is_away_and_no_log_line(shop: Path) -> None:
    (shop / "away.py").write_text(AWAY, "utf-8")
    command = ("--app", "away:config", "watch", "--interval", "0.1", "--count")

    with terminal(*BGJOBS, *command, "3", cwd=shop) as there:
        away, gone = there.end()
    with terminal(*BGJOBS, *command, "4", cwd=shop) as there:
        back, found = there.end()

    picture = settled(STYLE.sub("", gone))
    assert (away, back) == (0, 0)
    assert "the store has been unreachable since " in picture
    assert "no\\x1b[2Jroute\nLast snapshot, of " in picture.replace(" \n", "")
    assert "2 failed" in picture
    assert "the store has been unreachable since " in found
    assert "the store cannot be reached" not in settled(STYLE.sub("", found))
    assert "flooded" not in gone + found


@pytest.mark.parametrize("option", [(), ("--json",)])
def test_watch_tells_it_in_lines_and_in_json(option: tuple[str, ...], shop: Path) -> None:
    (shop / "away.py").write_text(AWAY, "utf-8")
    command = ("--app", "away:config", "--utc", "watch", "--interval", "0.1", "--count", "4")

    done = subprocess.run(
        [*BGJOBS, *command, *option], cwd=shop, capture_output=True, text=True, check=True
    )

    first, second, third, last = done.stdout.splitlines()
    assert done.stderr == ""
    assert all(
        "jobs" in json.loads(one) if option else "2 failed" in one for one in (first, last)
    )
    if option:
        told = [json.loads(second), json.loads(third)]
        assert [one["error"] for one in told] == ["no\x1b[2Jroute"] * 2
        since = [one["unreachable_since"] for one in told]
    else:
        told = re.findall(
            r": the store has been unreachable since (.*) \(.*\): (.*)$",
            f"{second}\n{third}",
            re.MULTILINE,
        )
        assert [one[1] for one in told] == ["no\\x1b[2Jroute"] * 2
        since = [one[0] for one in told]
    assert since[0] == since[1]


def test_bulk_work_asks_first_and_shows_its_progress(there: Terminal) -> None:
    question = "Retry 2 failed jobs? [y/N]: "

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

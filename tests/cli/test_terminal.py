"""Commands on a real terminal: colours, questions, progress bars and Ctrl-C."""

import json
import re
import shlex
import sqlite3
import subprocess
import sys
from collections.abc import Generator
from contextlib import closing
from pathlib import Path

import pytest

from bgjobs.cli.root import run_command
from tests.cli.steady import settled
from tests.cli.terminal import BGJOBS, CTRL_C, STYLE, Terminal, terminal

TALKING = (sys.executable, str(Path(__file__).with_name("talking.py")))
END = "[exit code "
RED = "\x1b[31m"


@pytest.fixture
def session(shop: Path) -> Generator[Terminal]:
    """A program on a terminal that runs one command after another."""
    with terminal(*TALKING, cwd=shop) as opened:
        yield opened


def say(session: Terminal, command: str) -> tuple[int, str]:
    """Type a command; return its exit code and its output without colours."""
    session.type(command)
    session.until(command)  # wait for the echo, which may otherwise come after the output
    session.type("\n")
    return read_output(session)


def read_output(session: Terminal) -> tuple[int, str]:
    """Read the output of a command to its end; return also its exit code."""
    written = session.until(END)
    code = session.until("]\n").removesuffix("]\n")
    return int(code), STYLE.sub("", written).removesuffix(END).removeprefix("\n")


def test_every_command_works_on_a_terminal(session: Terminal) -> None:
    _, listed = say(session, "jobs list --failed")
    failed, second = (line.split()[0] for line in listed.splitlines()[1:])
    _, listed = say(session, "jobs list --waiting")
    waiting = listed.splitlines()[1].split()[0]
    answers = {
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
        "jobs export failed.jsonl": "exported 1 to failed.jsonl",
        "jobs import failed.jsonl --yes": "imported 0, skipped 1",
        "jobs prune --yes": "deleted 0",
        f"jobs delete {failed} --yes": f"deleted {failed}",
    }

    for command, expected in answers.items():
        code, written = say(session, command)
        assert code == 0, written
        assert expected in written, command

    [kept] = say(session, "jobs list --failed")[1].splitlines()[1:]
    assert second.startswith(kept.split()[0])  # fewer ids are left, so fewer digits suffice


def test_ids_on_a_terminal_are_short_and_unique(session: Terminal) -> None:
    """Each short id is the prefix of exactly one id of the store."""
    fail_many(2_000)
    _, listed = say(session, "jobs list --failed --limit 3")
    _, *rows, more = listed.splitlines()

    shown = [row.split()[0] for row in rows]

    assert len(set(shown)) == 3
    assert max(map(len, shown)) < 36
    for one in shown:
        code, shown_job = say(session, f"jobs show {one}")
        assert code == 0, shown_job
        assert re.search(rf"^id +{one}", shown_job)
    code, listed = say(session, f"jobs list --limit 3 {more.split(': ')[1]}")
    assert code == 0, listed
    assert not {row.split()[0] for row in listed.splitlines()[1:-1]} & {*shown}


def test_many_ids_are_shown_whole(session: Terminal) -> None:
    fail_many(300)

    _, listed = say(session, "jobs list --failed --limit 250")

    ids = [line.split()[0] for line in listed.splitlines()[1:-1]]
    assert (len(ids), {*map(len, ids)}) == (250, {36})


@pytest.mark.parametrize("options", ["--failed", "--unreadable"])
def test_ids_in_a_pipe_are_whole_if_only_stderr_is_a_terminal(options: str, shop: Path) -> None:
    spoil_one()
    command = f"{shlex.join(BGJOBS)} --app shop:config jobs list {options} | cat"

    with terminal("/bin/sh", "-c", command, cwd=shop) as session:
        code, written = session.end()

    assert code == 0
    assert [len(line.split()[0]) for line in written.splitlines()[1:]] == [36]


def spoil_one() -> None:
    """Make the row of one failed job unreadable, and let a list find it."""
    with closing(sqlite3.connect("shop.db")) as connection, connection:
        connection.execute(
            "update bgjobs_jobs_failed set metadata = '{'"
            " where id = (select max(id) from bgjobs_jobs_failed)"
        )
    assert run_command(["jobs", "list", "--failed"]) == 0


AWAY = """
import logging, sys
import bgjobs
from bgjobs.cli import snapshot
from shop import config

logging.basicConfig(stream=sys.stderr, level="DEBUG")
seen = []
take_snapshot = snapshot.take_snapshot

async def fail_twice(client, config):
    seen.append(len(seen))
    for name in ("bgjobs", "bgjobs.stores.postgres", "psycopg.pool"):
        logging.getLogger(name).error("flooded by %s", name)
    if len(seen) in (2, 3):
        raise bgjobs.errors.StoreUnavailableError("no\\x1b[2Jroute")
    return await take_snapshot(client, config)

snapshot.take_snapshot = fail_twice
"""


def test_watch_shows_an_outage_and_no_log_line(shop: Path) -> None:
    (shop / "away.py").write_text(AWAY, "utf-8")
    command = ("--app", "away:config", "watch", "--interval", "0.1", "--count")

    with terminal(*BGJOBS, *command, "3", cwd=shop) as session:
        unreachable, last = session.end()
    with terminal(*BGJOBS, *command, "4", cwd=shop) as session:
        back, found = session.end()

    picture = settled(STYLE.sub("", last))
    assert (unreachable, back) == (0, 0)
    assert picture.startswith("no answer from the database since ")
    assert re.search(r" s ago +last snapshot: .+  no\\x1b\[2Jroute$", picture.splitlines()[0])
    assert picture.count("ValueError: no such") == 2
    assert "no answer from the database since " in found
    assert "no answer" not in settled(STYLE.sub("", found))
    assert "flooded" not in last + found


@pytest.mark.parametrize("option", [(), ("--json",)])
def test_watch_writes_an_outage_as_a_line_or_as_json(
    option: tuple[str, ...], shop: Path
) -> None:
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
        outages = [json.loads(second), json.loads(third)]
        assert [one["error"] for one in outages] == ["no\x1b[2Jroute"] * 2
        since = [one["unreachable_since"] for one in outages]
    else:
        outages = re.findall(
            r": the store has been unreachable since (.*) \(.*\): (.*)$",
            f"{second}\n{third}",
            re.MULTILINE,
        )
        assert [one[1] for one in outages] == ["no\\x1b[2Jroute"] * 2
        since = [one[0] for one in outages]
    assert since[0] == since[1]


def test_bulk_changes_ask_first_and_show_their_progress(session: Terminal) -> None:
    question = "Retry 2 failed jobs? [y/N]: "

    session.type("jobs retry --all\n")
    session.until(question)
    refused = say(session, "n")
    session.type("jobs retry --all\n")
    session.until(question)
    agreed = say(session, "y")

    assert refused == (1, "bgjobs: nothing was changed\n")
    assert agreed[0] == 0
    assert "retrying ━" in agreed[1]
    assert "2/2" in agreed[1]
    assert agreed[1].endswith("retried 2\n")


def test_ctrl_c_at_a_question_ends_the_command(shop: Path) -> None:
    with terminal(*BGJOBS, "jobs", "retry", "--all", cwd=shop) as session:
        session.until("[y/N]: ")
        session.press_to_the_end(CTRL_C)
        code, written = session.end()

    assert code == 130
    assert written.endswith("bgjobs: interrupted\n")


def fail_many(count: int) -> None:
    """Store this many copies of a failed job."""
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


def test_an_interrupted_bulk_change_loses_no_job(session: Terminal) -> None:
    fail_many(20_000)

    session.type("jobs retry --all --yes\n")
    session.until("retrying ")
    session.type(CTRL_C)
    code, written = read_output(session)
    answered, status = say(session, "status")

    assert (code, answered) == (130, 0), f"{written}\n{status}"
    interrupted = re.search(
        r"interrupted after ([\d,]+); the batch under way may be done", written
    )
    counts = re.search(r"([\d,]+) waiting, .* ([\d,]+) failed", status)
    assert interrupted is not None, written
    assert counts is not None, status
    done, waiting, failed = (
        int(text.replace(",", "")) for text in (interrupted[1], *counts.groups())
    )
    assert failed > 0
    assert waiting + failed == 1 + 2 + 20_000
    assert done <= waiting - 1


def test_ctrl_c_ends_watch_with_exit_code_0(session: Terminal) -> None:
    session.type("watch --interval 600\n")
    session.until("succeeded/s")
    session.type(CTRL_C)

    code, written = read_output(session)

    assert code == 0
    assert "Traceback" not in written


@pytest.mark.parametrize(
    ("settings", "is_coloured"),
    [({}, True), ({"NO_COLOR": "1"}, False)],
)
def test_no_color_disables_colours(
    settings: dict[str, str], is_coloured: bool, shop: Path
) -> None:
    with terminal(*TALKING, cwd=shop, env=settings) as session:
        session.type("jobs list\n")
        session.until("jobs list\n")
        written = session.until(END)

    assert "failed" in written
    assert (RED in written) is is_coloured
    assert bool(STYLE.search(written)) is is_coloured

"""The frames of `bgjobs watch`: the same layout on terminals of one size, and all of it fits.

`BGJOBS_SNAPSHOTS=write pytest tests/cli/test_overview.py` draws the pictures again.
"""

import io
import os
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from attrs import evolve
from rich.cells import cell_len
from rich.console import Console

import bgjobs
from bgjobs.cli.output import overview, sparklines
from bgjobs.cli.output.frames import LiveFrame
from bgjobs.cli.output.layout import Escaped
from bgjobs.cli.output.sparklines import Sparkline
from bgjobs.cli.snapshot import Outage, QueueRow, Snapshot
from bgjobs.cli.states import COUNT_LIMIT
from tests.cli.hostile import HOSTILE, raw

NOON = datetime(2030, 1, 31, 12, tzinfo=UTC)
FOLDER = Path(__file__).with_name("snapshots")
WIDTHS = (40, 80, 200)
WIDE = "請求書を送る" * 20
SECOND = timedelta(seconds=1)
EVERY_SIX_HOURS = bgjobs.every(hours=6)


@bgjobs.worker
async def purge() -> None:
    """Do nothing."""


def job_id(number: int) -> UUID:
    return UUID(f"019c2f0e-4b7a-7c11-9d5e-{number:012x}")


def runs(worker: str, ago: int, succeeded: int, failed: int = 0) -> bgjobs.Activity:
    """Runs of a worker in one minute."""
    durations = (*[0] * 7, succeeded + failed, *[0] * 9)
    at = NOON - timedelta(minutes=ago)
    return bgjobs.Activity(worker, at, succeeded, failed, 0, 0, durations)


def running(
    number: int, name: str, done: float | None, total: float | None = 100
) -> bgjobs.Job:
    progress = (
        None if done is None else bgjobs.Progress(done=done, total=total, reported_at=NOON)
    )
    return bgjobs.Job(
        id=job_id(number),
        name=name,
        payload='{"to":"secret"}',
        created_at=NOON - timedelta(hours=1),
        available_at=NOON - timedelta(hours=1),
        reserved_at=NOON - number * SECOND,
        attempts=1,
        state="running",
        progress=progress,
    )


def failed(number: int, name: str, error: str) -> bgjobs.FailedJob:
    return bgjobs.FailedJob(
        id=job_id(number),
        name=name,
        payload="{}",
        created_at=NOON - timedelta(hours=1),
        available_at=NOON - timedelta(hours=1),
        error=error,
        failed_at=NOON - number * SECOND,
    )


def planned(name: str, hours: float) -> bgjobs.ScheduleState:
    recurrence = bgjobs.ScheduledJob(purge, EVERY_SIX_HOURS, name="cleaning").recurrence
    at = NOON + timedelta(hours=hours)
    occurrence = bgjobs.Occurrence(recurrence=recurrence, at=at)
    return bgjobs.ScheduleState(name, "purge", EVERY_SIX_HOURS, occurrence, running=False)


def counts(waiting: int, in_progress: int, succeeded: int, fails: int) -> bgjobs.Counts:
    return bgjobs.Counts(
        waiting=waiting,
        delayed=1,
        running=in_progress,
        succeeded=succeeded,
        failed=fails,
        cancelled=0,
    )


def queue(name: str, found: bgjobs.Counts, *, paused: bool = False) -> QueueRow:
    return QueueRow(name, paused=paused, owners=2, counts=found, workers=frozenset(["send"]))


def snapshot(seconds: float, found: bgjobs.Counts) -> Snapshot:
    """A snapshot without jobs."""
    return Snapshot(
        NOON,
        seconds,
        [queue("default", found), queue("mail", found, paused=True)],
        found,
        [],
        [],
    )


BUSY = evolve(
    snapshot(12, counts(1_204, 3, 925, 5)),
    running=[
        running(1, "send_invoices", 55),
        running(2, "import", 1234, None),
        running(3, "send", None),
    ],
    failed=[failed(9, "send", "ConnectionRefusedError: [Errno 111] mail.example.org:2525")],
    waiting_for=timedelta(minutes=20),
    minutes=[
        *(runs("send", ago, 60 - ago) for ago in range(59, -1, -1)),
        runs("import", 30, 1, 1),
    ],
    next_runs=[planned("cleaning", 5), planned("report of the month", 300)],
    ids={job_id(number): f"019c2f0e-{number}" for number in range(10)},
)
FIRST = snapshot(10, counts(9, 1, 900, 4))
IDLE = snapshot(12, counts(0, 0, 0, 0))
FULL = evolve(
    BUSY,
    counts=counts(COUNT_LIMIT, 2_000, COUNT_LIMIT, COUNT_LIMIT),
    queues=[
        queue(f"{name}{n}", BUSY.counts) for n, name in enumerate([HOSTILE, WIDE, "x" * 99])
    ],
    running=[running(n, name, n) for n, name in enumerate([HOSTILE, WIDE, "x" * 99])],
    failed=[failed(n, name, name) for n, name in enumerate([HOSTILE, WIDE, "x" * 99])],
    minutes=[runs(name, 1, 10**9) for name in sorted([HOSTILE, WIDE, "x" * 99])],
    next_runs=[planned(name, 10**5) for name in (HOSTILE, WIDE, "x" * 99)],
    unhandled=[
        bgjobs.UnhandledJobs(worker=name, waiting=2, since=NOON) for name in (HOSTILE, WIDE)
    ],
    waiting_for=timedelta(days=100_000),
    ids={},
)
AWAY = Outage(
    NOON + 7 * SECOND, NOON + 52 * SECOND, f"postgresql://db:5432: no route {HOSTILE}"
)


def drawn(what: LiveFrame, width: int, height: int = 50, encoding: str = "utf-8") -> list[str]:
    """Return the lines of a frame on a terminal of this size."""
    written = io.TextIOWrapper(io.BytesIO(), encoding, "backslashreplace")
    console = Console(
        file=written, width=width, height=height, color_system=None, highlight=False
    )
    console.print(Escaped(what))
    written.seek(0)
    return written.read().splitlines()


def frame(now: Snapshot, outage: Outage | None = None) -> LiveFrame:
    return overview.frame(evolve(FIRST, queues=[*FIRST.queues, *now.queues]), now, UTC, outage)


def headers(lines: Sequence[str]) -> dict[int, list[tuple[int, int]]]:
    """Return where the columns of each section are, by the number of the line."""
    names = ("waiting", "queue", "runs by", "next run", "failed job", "running")
    return {
        number: [found.span() for found in re.finditer(r"\S+(?: \S+)*", line)]
        for number, line in enumerate(lines)
        if line.strip().startswith(names)
    }


@pytest.mark.parametrize("width", WIDTHS)
def test_the_pictures_are_unchanged(width: int) -> None:
    pictures = [
        ("a busy system", drawn(frame(BUSY), width)),
        ("nothing to do", drawn(frame(IDLE), width)),
        ("no answer", drawn(frame(BUSY, AWAY), width)),
        ("no answer yet", drawn(overview.frame(None, None, UTC, AWAY), width)),
        ("no blocks", drawn(frame(BUSY), width, encoding="ascii")),
        ("24 lines", drawn(frame(BUSY), width, height=24)),
        ("hostile texts", drawn(frame(FULL), width)),
    ]
    album = "\n".join(f"# {title}\n" + "\n".join(lines) + "\n" for title, lines in pictures)
    file = FOLDER / f"watch-{width}.txt"
    if os.environ.get("BGJOBS_SNAPSHOTS") == "write":
        file.write_text(album, "utf-8")
    assert album == file.read_text("utf-8")


def test_the_documentation_has_the_picture_of_a_busy_system() -> None:
    page = FOLDER.parents[2] / "docs" / "operate" / "command-line.md"

    assert "\n".join(drawn(frame(BUSY), 80)).rstrip() in page.read_text("utf-8")


@pytest.mark.parametrize("width", [1, 9, *WIDTHS])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "cp437"])
@pytest.mark.parametrize("outage", [None, AWAY])
def test_no_line_wraps_and_nothing_is_left_unescaped(
    width: int, encoding: str, outage: Outage | None
) -> None:
    lines = drawn(frame(FULL, outage), width, encoding=encoding)

    assert max(map(cell_len, lines)) <= width
    assert len(lines) < 50
    assert not raw("".join(lines))


@pytest.mark.parametrize("width", WIDTHS)
def test_all_frames_have_their_columns_at_the_same_places(width: int) -> None:
    """Frames with the same numbers of rows differ only in their values."""
    rows = evolve(FULL, running=BUSY.running, unhandled=[], waiting_for=None)
    first, *others = (
        headers(drawn(frame(now, outage), width))
        for now in (FULL, rows)
        for outage in (None, AWAY)
    )

    assert len(first) == 6
    assert others == [first] * 3
    of_any = [[*headers(drawn(frame(now), width)).values()] for now in (IDLE, BUSY, FULL)]
    assert of_any == [[*first.values()]] * 3


@pytest.mark.parametrize("width", WIDTHS)
def test_the_longest_sections_are_cut_where_the_terminal_ends(width: int) -> None:
    many = evolve(BUSY, running=[running(n, "send", n) for n in range(10)])

    whole = drawn(frame(many), width)
    heights = range(24, len(whole) + 2)
    cut = [drawn(frame(many), width, height) for height in heights]

    assert [len(lines) for lines in cut] == [height - 1 for height in heights]
    assert cut[-1] == whole
    assert "more" not in "".join(whole)
    assert "and 1 more" in cut[-2]
    assert {len(headers(lines)) for lines in cut} == {6}
    assert len(drawn(frame(many), width, 10)) == 9


def test_jobs_and_workers_that_were_not_read_are_counted() -> None:
    workers = [runs(f"worker {n:02}", 1, n) for n in range(14)]
    many = evolve(BUSY, counts=counts(0, 1_203, 0, 0), minutes=workers)

    lines = drawn(frame(many), 80)

    assert [line for line in lines if line.endswith("more")] == ["and 4 more", "and 1,200 more"]
    shown = [line[:9] for line in lines if line.startswith("worker ")]
    assert shown == [f"worker {n:02}" for n in range(4, 14)]


@pytest.mark.parametrize("width", WIDTHS)
def test_waiting_handlers_are_shown_apart(width: int) -> None:
    parents = [running(n, f"parent {n}", None) for n in range(10, 12)]
    rows = [evolve(BUSY.queues[0], waits=7), *BUSY.queues[1:]]
    since = {job.id: NOON - 90 * SECOND for job in parents}
    waits = evolve(
        BUSY,
        counts=counts(1, 12, 0, 0),
        queues=[evolve(one, counts=counts(1, 12, 0, 0)) for one in rows],
        waits=7,
        parents=parents,
        waits_since=since,
    )

    lines = drawn(overview.frame(None, waits, UTC, None), width)

    text = "\n".join(lines)
    assert text.count("\nwaits for ") == 1
    assert re.search(r"^parent 10 +(\S+ +)?90 s", text, re.MULTILINE), text
    assert "and 5 more" in lines  # waiting handlers
    assert "and 2 more" in lines  # running jobs: 12 without the 7 that wait and the 3 shown
    if width == max(WIDTHS):
        assert re.search(r"^default .+ 1 +5 +7 +\? +\?$", text, re.MULTILINE), text
        assert re.search(r"^mail .+ 1 +12 +0 +\? +\?$", text, re.MULTILINE), text


def test_times_are_in_the_zone_of_the_reader() -> None:
    zone = ZoneInfo("America/New_York")

    present = drawn(overview.frame(None, BUSY, zone, None), 80)
    away = drawn(overview.frame(None, BUSY, zone, AWAY), 80)

    assert present[0].startswith("2030-01-31 07:00:00 EST")
    assert "2030-01-31 12:00:00 EST    in 5 h" in "".join(present)
    assert away[0] == "no answer from the database since 07:00:07, 45 s ago"
    assert away[1] == "last snapshot: 2030-01-31 07:00:00 EST"


@pytest.mark.parametrize(
    ("cells", "counts"),
    [(60, [*[0] * 57, 4, 0, 7]), (12, [*[0] * 10, 4, 7]), (20, [*[0] * 18, 4, 7])],
)
def test_runs_are_counted_in_parts_of_the_last_hour(cells: int, counts: list[int]) -> None:
    """Earlier runs are left out; a minute of a clock that is ahead counts as the present."""
    parts = [
        runs("a", 60, 9),
        runs("a", 2, 3),
        runs("b", 2, 0, 1),
        runs("a", 0, 2),
        runs("a", -1, 5),
    ]

    assert Sparkline(parts, NOON + 30 * SECOND).counts(cells) == counts


@pytest.mark.parametrize(
    ("counts", "line"),
    [
        ([], ""),
        ([0, 0], "  "),
        ([0, 1, 1_000], " ▁█"),
        ([1, 2, 3, 4, 5, 6, 7, 8], "▁▂▃▄▅▆▇█"),
        ([5, 5], "██"),
    ],
)
def test_counts_are_bars(counts: list[int], line: str) -> None:
    assert sparklines.drawn(counts, sparklines.BLOCKS) == line


def test_bars_keep_their_width_whatever_is_done() -> None:
    bars = [running(1, "send", done) for done in (0, 1, 37, 99, 100)]

    pictures = {
        re.sub(
            r"\[[#.]{10}\] +\d+ %",
            "BAR",
            "\n".join(drawn(frame(evolve(BUSY, running=[job])), 80)),
        )
        for job in bars
    }

    [picture] = pictures
    assert picture.count("BAR") == 1

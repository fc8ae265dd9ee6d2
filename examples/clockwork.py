"""Several schedules that print what they do, in real time or in virtual time.

    python examples/clockwork.py                   until Ctrl-C
    python examples/clockwork.py --virtual 30d     a month, in about a second

In virtual time Trio's clock jumps whenever everything waits; bgjobs, its SQL and its database
are the same. The month begins on 15 March 2026, so that you see what becomes of 02:30 in Paris
on the 29th, when the clocks are set forward.
"""

import argparse
import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import trio
from trio.testing import MockClock

import bgjobs
from bgjobs import every, schedule, schedules
from bgjobs.testing import VirtualClock

MARCH = datetime(2026, 3, 15, tzinfo=UTC)
PARIS = "Europe/Paris"
BACKUP = schedule().at(2, 30).in_timezone(PARIS).build()
REPORTS = schedule().on_weekdays().at(8).at(17, 30).in_timezone(PARIS).build()
INVOICES = schedule().on_nth_weekday("last", "friday").at(12).in_timezone(PARIS).build()
TIDE = every(hours=12, minutes=25)
PULSE = every(seconds=5)
ARCHIVE = schedules.from_cron("0 4 1,15 * *", tz=PARIS)


def told(context: bgjobs.JobContext, what: str, when: schedules.Schedule) -> None:
    """Print a line about a run: what its wall clock shows, and what the clocks did to it."""
    occurrence = context.occurrence
    if occurrence is None:  # it was enqueued directly
        print(what)
        return
    local = occurrence.at.astimezone(ZoneInfo(PARIS))
    remark = when.remark(occurrence.at)
    print(f"{local:%a %d %b %Y %H:%M:%S %Z}  {what}{f'   ({remark})' if remark else ''}")


@bgjobs.worker
async def backup(context: bgjobs.JobContext) -> None:
    told(context, "backup", BACKUP)


@bgjobs.worker
async def report(context: bgjobs.JobContext) -> None:
    told(context, "report", REPORTS)


@bgjobs.worker
async def invoices(context: bgjobs.JobContext) -> None:
    told(context, "invoices", INVOICES)


@bgjobs.worker
async def archive(context: bgjobs.JobContext) -> None:
    if context.attempt == 1:
        told(context, "archive: the disk is full, so once more in an hour", ARCHIVE)
        raise OSError("no space left")
    told(context, "archive: done at the second try", ARCHIVE)


@bgjobs.worker
async def tide(context: bgjobs.JobContext) -> None:
    told(context, "high tide", TIDE)


@bgjobs.worker
async def pulse(context: bgjobs.JobContext) -> None:
    told(context, "pulse", PULSE)


WORKERS = {
    backup: BACKUP,
    report: REPORTS,
    invoices: INVOICES,
    archive: ARCHIVE,
    tide: TIDE,
}


def scheduled_jobs() -> list[bgjobs.ScheduledJob]:
    """Return a scheduled job for each worker; failed runs are retried after an hour."""
    return [
        bgjobs.ScheduledJob(
            worker, when, backoff=bgjobs.backoff.Constant(3600), poll_interval=86_400
        )
        for worker, when in WORKERS.items()
    ]


async def live() -> None:
    """Run in real time until Ctrl-C, with a pulse that is added to the running application."""
    config = bgjobs.Config(
        store=bgjobs.SQLiteStore(":memory:"), scheduled_jobs=scheduled_jobs()
    )
    for worker, when in WORKERS.items():
        print(f"{worker.name}: {when.describe()}\n{when.preview(2)}\n")
    async with bgjobs.run(config) as bg:
        await bg.add_scheduled_job(bgjobs.ScheduledJob(pulse, PULSE))
        await bg.run_until_stopped()


async def replay(duration: timedelta) -> None:
    """Advance the virtual clock by this much."""
    ages = 1e9  # every heartbeat would end a jump of the clock
    config = bgjobs.Config(
        store=bgjobs.SQLiteStore(":memory:"),
        scheduled_jobs=scheduled_jobs(),
        clock=VirtualClock(MARCH),
        lease=ages,
        retention=bgjobs.Retention(interval=ages),
    )
    async with bgjobs.run(config) as bg:
        await trio.sleep(duration.total_seconds())
        counts = await bg.count()
    print(f"{duration.days} days: {counts.succeeded} runs, {counts.failed} failed")


def span(text: str) -> timedelta:
    """Read ``36h``, ``30d`` or ``8w``."""
    found = re.fullmatch(r"([0-9]{1,4})([hdw])", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"expected a number and h, d or w, found {text!r}")
    number, unit = int(found[1]), {"h": "hours", "d": "days", "w": "weeks"}[found[2]]
    return timedelta(**{unit: number})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--virtual", type=span, metavar="TIME", help="such as 36h, 30d or 8w")
    virtual: timedelta | None = parser.parse_args().virtual
    if virtual is None:
        trio.run(live)
    else:
        trio.run(replay, virtual, clock=MockClock(autojump_threshold=0))


if __name__ == "__main__":
    main()

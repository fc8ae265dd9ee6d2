"""E-mail from a queue, and two clean-ups that run by their schedules.

    python examples/cleanup.py          until Ctrl-C
    python examples/cleanup.py --now    each clean-up once, at once

A clean-up deletes in the transaction that completes its run, so that no run is counted as done
without having deleted, nor the other way round.
"""

import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing

import trio

import bgjobs
from bgjobs import every, schedule

DATABASE = "app.db"
TABLES = """
create table if not exists sessions (user text, expires_at text);
insert into sessions values
    ('ada', datetime('now', '+1 day')),
    ('grace', datetime('now', '-1 minute')),
    ('alan', datetime('now', '-2 days'));
create table if not exists drafts (title text, deleted_at text);
insert into drafts values ('new', null), ('old', datetime('now', '-40 days'));
"""


@bgjobs.worker
async def send_email(to: str, subject: str) -> None:
    print(f"e-mail to {to}: {subject}")


@bgjobs.worker
async def delete_expired_sessions(context: bgjobs.JobContext) -> None:
    context.complete_with(deleting("sessions", "expires_at <= datetime('now')"))


@bgjobs.worker
async def clean_database(context: bgjobs.JobContext) -> None:
    context.complete_with(deleting("drafts", "deleted_at < datetime('now', '-30 days')"))


def deleting(table: str, condition: str) -> Callable[[sqlite3.Connection], None]:
    def delete(connection: sqlite3.Connection) -> None:
        # The file name is fixed here; input of a user would be a bound parameter.
        gone = connection.execute(f"delete from {table} where {condition}")  # noqa: S608
        print(f"{table}: {gone.rowcount} deleted")

    return delete


at_night = schedule().at(3).in_timezone("Europe/Paris").build()
config = bgjobs.Config(
    store=bgjobs.SQLiteStore(DATABASE),
    queues=[bgjobs.Queue("default", workers=[send_email])],
    scheduled_jobs=[
        bgjobs.ScheduledJob(delete_expired_sessions, every(minutes=1)),
        bgjobs.ScheduledJob(clean_database, at_night),
    ],
)


async def main() -> None:
    with closing(sqlite3.connect(DATABASE)) as connection:
        connection.executescript(TABLES)
    async with bgjobs.run(config) as bg:
        await bg.enqueue(send_email.request("ada@example.com", "Welcome"))
        if "--now" not in sys.argv:
            await bg.run_until_stopped()
            return
        await bg.drain()
        for scheduled in bg.scheduled_jobs:
            await bg.wait_for(await scheduled.trigger())


if __name__ == "__main__":
    trio.run(main)

"""What looks for jobs read while a transaction keeps the rows of ended jobs."""

from collections.abc import Mapping, Sequence
from uuid import UUID

import psycopg
import pytest

from bgjobs._core.jobs import Job
from bgjobs._core.settlements import Succeed
from bgjobs.stores.postgres import PostgresStore
from bgjobs.stores.types import FROM_THE_START, Position
from tests.fixtures.postgres_jobs import enqueue, open_owner, requests
from tests.integration.postgres_plans import explained

ENDED, LEFT = 5_040, 60


def drain(store: PostgresStore, owner: UUID, names: Sequence[str]) -> list[Job]:
    """Run all but the last jobs; return the last ones that were reserved."""
    left, jobs = ENDED, list[Job]()
    while left:
        jobs = list(store.reserve(owner, names, min(500, left)))
        store.write(settle=[Succeed(job.reservation) for job in jobs])
        left -= len(jobs)
    return jobs


@pytest.mark.parametrize("names", [["a"], ["a", "b", "c"]], ids=["one name", "three names"])
def test_a_look_after_a_position_does_not_read_the_ended_jobs(
    store: PostgresStore, postgres_dsn: str, names: list[str]
) -> None:
    owner, count = open_owner(store), (ENDED + LEFT) // len(names)
    enqueue(store, *(one for _ in range(count) for name in names for one in requests(1, name)))
    with psycopg.connect(postgres_dsn) as connection:
        connection.execute("set transaction isolation level repeatable read")
        connection.execute("select 1 from pg_catalog.pg_class")
        last = drain(store, owner, names)
        after = {job.name: Position(job.available_at, job.id) for job in last}

        def read(verb: str, after: Mapping[str, Position]) -> int:
            places = [after[name] for name in names if name in after]
            values = {
                "owner": owner,
                "names": names,
                "limit": 1,
                "planned": True,
                "now": None,
                "after": [place.available_at for place in places],
                "after_ids": [place.id for place in places],
            }
            plan = explained(store, postgres_dsn, verb, values)[0]
            blocks: int = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
            return blocks

        from_start = {verb: read(verb, FROM_THE_START) for verb in ("reserve", "next_due")}
        from_last = {verb: read(verb, after) for verb in from_start}

        assert len(store.reserve(owner, names, 100, after=after)) == LEFT
    # The rows of jobs that were stored together are on the same pages.
    assert min(from_start.values()) > 80
    assert all(from_last[verb] < from_start[verb] / 2 for verb in from_last), (
        from_start,
        from_last,
    )

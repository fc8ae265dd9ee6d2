"""One process of test_postgres_processes: enqueue, then work until all jobs are done."""

import json
import sys
from datetime import timedelta

from bgjobs._core.ids import new_id, new_ids
from bgjobs._core.requests import JobRequest
from bgjobs._core.settlements import Succeed
from bgjobs.stores.postgres import PostgresStore
from bgjobs.stores.types import NewJob, Owner


def main(dsn: str, schema: str, own: int, total: int) -> None:
    store = PostgresStore(dsn, schema=schema, pool_size=2)
    store.open()
    store.migrate()
    owner = Owner(new_id(), "queue", "node")
    store.open_owner(owner, timedelta(minutes=5))
    names = ["a", "b", "c"]
    request = [JobRequest(names[n % 3], str(n)).priority(n % 2) for n in range(own)]
    for start in range(0, own, 10):
        batch = zip(new_ids(10), request[start : start + 10], strict=True)
        store.write([NewJob(*one) for one in batch])
    done: list[str] = []
    while store.count().succeeded < total:
        jobs = store.reserve(owner.id, names, 7)
        written = store.write(settle=[Succeed(job.reservation) for job in jobs])
        assert not written.lost
        done += [str(job.id) for job in jobs]
    store.close()
    sys.stdout.write(json.dumps(done))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))

"""`reserve` returns the jobs that come first in the sorted table, on both stores."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from uuid import UUID

import pytest

from bgjobs import Store
from bgjobs._core.jobs import Job
from bgjobs.testing.contract.steps import DAY, NOW, TICK, ask, ids, put, start, take
from tests.fixtures.databases import Database

_LIMITS = (1, 2, 3, 7, 20, 100, 1000)


@contextmanager
def _opened(database: Database) -> Iterator[Store]:
    store = database.store()
    store.open()
    try:
        store.migrate()
        yield store
    finally:
        store.close()


def _filled(store: Store, chance: random.Random, names: list[str]) -> list[Job]:
    """Store jobs, mostly of a few names, due at few or many times, some of them delayed."""
    priorities = chance.sample(range(-3, 4), chance.randint(1, 5))
    instants = chance.choice((1, 3, 1000))
    late = chance.choice((0, 0.1, 0.9))
    weights = [chance.choice((1, 1, 5, 50)) for _ in names]
    shift = {name: chance.choice((0, 0, 500)) for name in names}
    asked = []
    for name in chance.choices(names, weights, k=chance.randint(0, 600)):
        delay = DAY if chance.random() < late else timedelta(0)
        instant = NOW - (chance.randrange(instants) + shift[name]) * TICK + delay
        asked.append(ask(name, priority=chance.choice(priorities), available_at=instant))
    return list(put(store, *asked))


def _best(waiting: list[Job], names: list[str], limit: int) -> list[UUID]:
    due = [job for job in waiting if job.name in names and job.available_at <= NOW]
    due.sort(key=lambda job: (job.priority, job.available_at, job.id))
    return ids(due[:limit])


@pytest.mark.parametrize("seed", range(25))
def test_reserve_takes_the_first_jobs_in_order(database: Database, seed: int) -> None:
    chance = random.Random(seed)
    names = [f"worker-{number}" for number in range(chance.choice((1, 2, 5, 50)))]
    with _opened(database) as store:
        waiting = _filled(store, chance, names)
        owner = start(store)
        for _ in range(12):
            wanted = chance.sample(names, chance.randint(1, len(names)))
            limit = chance.choice(_LIMITS)
            taken = ids(take(store, owner, wanted, limit))
            assert taken == _best(waiting, wanted, limit)
            waiting = [job for job in waiting if job.id not in set(taken)]

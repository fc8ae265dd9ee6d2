"""When a change source looks again: soon enough after a write, and not too often."""

import math
from collections.abc import Iterator
from typing import Any, cast

import pytest

from bgjobs.stores.sqlite import listener
from bgjobs.stores.sqlite.connection import Connection
from bgjobs.stores.sqlite.listener import (
    AFTER_COMMIT,
    HORIZON,
    SHORTEST,
    FileNotifier,
    SQLiteChangeSource,
)
from bgjobs.stores.types import ANY_CHANGE, Notice


class World:
    """A clock, a log that is written, and a change counter."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.label = "SQLite"
        self.version = 0
        self.written = False
        self.pause: float | None = None
        self.for_writes = False

    @property
    def raw(self) -> "World":
        return self

    def monotonic(self) -> float:
        return self.now

    def execute(self, _: str) -> "World":
        return self

    def fetchone(self) -> Any:
        return (self.version,)

    def was_written(self) -> bool:
        written, self.written = self.written, False
        return written

    def wait(self, seconds: float | None, *, for_writes: bool) -> None:
        self.pause, self.for_writes = seconds, for_writes

    def looks(self, source: SQLiteChangeSource) -> Iterator[float]:
        """Look as often as the source asks for, and yield the time before each look."""
        while self.pause is not None:
            self.now += self.pause
            yield self.now
            source.poll()


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    world = World()
    monkeypatch.setattr(listener, "time", world)
    return world


@pytest.fixture
def source(world: World, monkeypatch: pytest.MonkeyPatch) -> SQLiteChangeSource:
    """A source that waits for nothing but a write."""
    monkeypatch.setattr(
        SQLiteChangeSource, "_new_notifier", lambda _: cast("FileNotifier", world)
    )
    source = SQLiteChangeSource(cast("Connection", world), 0.005)
    source.poll()
    list(world.looks(source))
    assert (world.pause, world.for_writes) == (None, True)
    return source


@pytest.mark.parametrize("seconds", [0.0, 0.0001, 0.001, 0.003, 0.02, 0.3, 5.0, HORIZON])
def test_a_commit_is_found_soon_after_its_end(
    world: World, source: SQLiteChangeSource, seconds: float
) -> None:
    world.written, ended = True, world.now + seconds
    if not seconds:
        world.version += 1
    assert source.poll() == (ANY_CHANGE if not seconds else Notice())
    found = next(now for now in world.looks(source) if now >= ended)
    late = found - ended
    assert late <= max(AFTER_COMMIT if not seconds else SHORTEST, seconds / 2) * 1.001


def test_a_long_pause_ends_with_a_write(world: World, source: SQLiteChangeSource) -> None:
    world.written = True
    source.poll()
    for _ in world.looks(source):
        assert world.pause is not None
        assert world.for_writes or world.pause <= SHORTEST


def test_looks_end_when_no_commit_can_be_under_way(
    world: World, source: SQLiteChangeSource
) -> None:
    world.written, began = True, world.now
    source.poll()
    looks = list(world.looks(source))
    assert world.now - began > HORIZON
    assert len(looks) < 30


def test_looks_end_with_a_commit_unless_more_was_written(
    world: World, source: SQLiteChangeSource
) -> None:
    world.written = True
    assert source.poll() == Notice()
    world.version += 1
    assert source.poll() == ANY_CHANGE
    assert len(list(world.looks(source))) == 1
    world.written = True
    world.version += 1
    assert source.poll() == ANY_CHANGE
    assert len(list(world.looks(source))) > 1


def test_a_load_of_commits_is_looked_at_rarely(
    world: World, source: SQLiteChangeSource
) -> None:
    world.written = True
    world.version += 1
    source.poll()
    began, number = world.now, 0
    for now in world.looks(source):
        if now > began + 1:
            break
        assert not world.for_writes, "else each write would cause a look"
        world.written = True
        world.version += 1
        number += 1
    assert number <= math.ceil(1 / AFTER_COMMIT)

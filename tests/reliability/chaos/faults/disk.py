"""No room for a SQLite file: it may not grow, or the disk that it is on is full."""

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, final

from attrs import evolve, frozen

import bgjobs
from tests.reliability.chaos.arena import Arena
from tests.reliability.chaos.dressing import dressed, inner_store
from tests.reliability.chaos.faults import Fault
from tests.reliability.chaos.small_disk import SmallDisk, may_mount
from tests.reliability.chaos.storm_orders import Orders

SQLITE = ("sqlite",)
_LEAST, _MOST = 1, 4_294_967_294
"""What SQLite takes for the number of pages: the least is as many as there are."""
_CHANCE = 0.3
_LASTS = (0.1, 2.0)
"""Seconds without room."""


@final
class LimitedRoles:
    """The connections of a store, limited to the pages that there are while a file says so."""

    def __init__(self, roles: Any, sign: Path) -> None:
        self._roles = roles
        self._sign = sign
        self._limits: dict[int, int] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._roles, name)

    @property
    def writer(self) -> Any:
        return self._limited(self._roles.writer)

    @property
    def pulse(self) -> Any:
        return self._limited(self._roles.pulse)

    def _limited(self, connection: Any) -> Any:
        limit = _LEAST if self._sign.exists() else _MOST
        if self._limits.get(id(connection)) != limit:
            connection.look(_setter(limit))
            self._limits[id(connection)] = limit
        return connection


def _setter(limit: int) -> Callable[[Any], Any]:
    return lambda raw: raw.execute(f"pragma max_page_count = {limit}").fetchall()


def limited(config: bgjobs.Config, orders: Orders) -> bgjobs.Config:
    """Let the worker's connections heed the sign that the file may not grow."""
    store = inner_store(config)
    store._roles = LimitedRoles(store._roles, sign_of(orders))
    store._calls = evolve(store._calls, roles=store._roles)
    return config


def sign_of(orders: Orders) -> Path:
    """Name the file that is there while the database may not grow."""
    return Path(orders.journal).with_name("no room")


@final
@frozen
class PageLimit:
    """The workers may not let the file grow, for a while and again and again."""

    name: str
    stores: Collection[str] = SQLITE

    def orders(self, orders: Orders) -> Orders:
        return dressed(orders, limited)

    def strike(self, arena: Arena) -> None:
        sign = sign_of(arena.orders)
        if not sign.exists() and arena.random.random() < _CHANCE:
            sign.touch()
            arena.later(arena.random.uniform(*_LASTS), lambda: sign.unlink(missing_ok=True))
            arena.count("page limits")

    def end(self, arena: Arena) -> None:
        sign_of(arena.orders).unlink(missing_ok=True)


@final
class FullDisk:
    """The disk that the file is on is full, for everybody, for a while and again and again."""

    name = "disk-full"
    stores: Collection[str] = SQLITE

    def __init__(self) -> None:
        self._disk: SmallDisk | None = None

    def orders(self, orders: Orders) -> Orders:
        """Put the file on a disk of its own; the one of the last phase is needed no more."""
        self.close()
        self._disk = SmallDisk() if may_mount() else None
        if self._disk is not None:
            self._disk.take(Path(orders.place))
        return orders

    def strike(self, arena: Arena) -> None:
        disk = self._disk
        if disk is not None and not disk.is_full and arena.random.random() < _CHANCE:
            disk.fill()
            arena.later(arena.random.uniform(*_LASTS), disk.empty)
            arena.count("full disks")

    def end(self, arena: Arena) -> None:
        if self._disk is not None:
            self._disk.empty()

    def close(self) -> None:
        """Unmount the disk, with the file."""
        if self._disk is not None:
            self._disk.close()


FAULTS: tuple[Fault, ...] = (PageLimit("page-limit"), FullDisk())

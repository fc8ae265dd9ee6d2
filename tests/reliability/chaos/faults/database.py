"""Harm to a PostgreSQL server, and to the way that leads to it."""

from abc import abstractmethod
from collections.abc import Collection
from contextlib import suppress
from random import Random
from typing import final

import psycopg
from attrs import evolve, frozen

import bgjobs
from tests.reliability.chaos.arena import Arena
from tests.reliability.chaos.dressing import dressed, inner_store
from tests.reliability.chaos.faults import Fault
from tests.reliability.chaos.proxy import Proxy
from tests.reliability.chaos.server import PostgresServer
from tests.reliability.chaos.storm_orders import Orders

POSTGRES = ("postgres",)
_PATIENCE = 1.0
"""Seconds until workers give up a call; as long as a lease."""
_LONGEST = 3.0
"""Seconds that a server is away."""


def impatient(config: bgjobs.Config, _: Orders) -> bgjobs.Config:
    """Let calls that nobody answers be given up soon."""
    inner_store(config)._calls.timeout = _PATIENCE
    return config


@frozen
class _ToServer:
    """Harm to a server, if it is ours: one that was given is left alone."""

    name: str
    stores: Collection[str] = POSTGRES

    def orders(self, orders: Orders) -> Orders:
        return orders

    def strike(self, arena: Arena) -> None:
        if arena.server is not None and arena.server.running:
            self.harm(arena, arena.server)

    def end(self, arena: Arena) -> None:
        if arena.server is not None and not arena.server.running:
            arena.server.start()

    @abstractmethod
    def harm(self, arena: Arena, server: PostgresServer) -> None:
        """Do some harm to the server, which runs."""


@final
@frozen
class Terminate(_ToServer):
    """Sessions of workers and producers are ended, whatever they are doing."""

    def harm(self, arena: Arena, server: PostgresServer) -> None:
        # A server that was harmed otherwise may be just recovering.
        with suppress(psycopg.OperationalError):
            ended = server.terminate_backends(arena.random, like="bgjobs%", most=4)
            arena.count("terminated sessions", ended)


@final
@frozen
class Restart(_ToServer):
    """The server crashes, and recovers at once."""

    chance: float = 0.2

    def harm(self, arena: Arena, server: PostgresServer) -> None:
        if arena.random.random() < self.chance:
            server.restart_immediately()
            arena.count("restarts")


@final
@frozen
class Outage(_ToServer):
    """The server is stopped, and started after a while."""

    chance: float = 0.1

    def harm(self, arena: Arena, server: PostgresServer) -> None:
        if arena.random.random() < self.chance:
            server.stop(arena.random.choice(["fast", "immediate"]))
            arena.later(arena.random.uniform(0.1, _LONGEST), server.start)
            arena.count("outages")


@frozen
class _OnTheWay:
    """Harm to the way to the server, for a while and again and again."""

    name: str
    chance: float
    lasts: tuple[float, float]
    stores: Collection[str] = POSTGRES

    def orders(self, orders: Orders) -> Orders:
        """Lead everybody through the proxy, and let nobody wait for long."""
        place = orders.details.get("proxied", orders.place)
        return dressed(evolve(orders, place=place), impatient)

    def strike(self, arena: Arena) -> None:
        proxy = arena.proxy
        if proxy is not None and proxy.is_healthy and arena.random.random() < self.chance:
            self.harm(proxy, arena.random)
            arena.later(arena.random.uniform(*self.lasts), proxy.heal)
            arena.count(self.name)

    def end(self, arena: Arena) -> None:
        if arena.proxy is not None:
            arena.proxy.heal()

    @abstractmethod
    def harm(self, proxy: Proxy, random: Random) -> None:
        """Do some harm to the proxy, which is healthy."""


@final
@frozen
class Drop(_OnTheWay):
    """All connections are reset, and new ones refused."""

    def harm(self, proxy: Proxy, random: Random) -> None:
        proxy.drop()


@final
@frozen
class Delay(_OnTheWay):
    """Every byte comes late."""

    def harm(self, proxy: Proxy, random: Random) -> None:
        proxy.delay(random.uniform(0.01, 0.3))


@final
@frozen
class HalfOpen(_OnTheWay):
    """Connections stay up and carry nothing, new ones like the old, or only the old."""

    def harm(self, proxy: Proxy, random: Random) -> None:
        proxy.swallow(new=random.random() < 0.5)


FAULTS: tuple[Fault, ...] = (
    Terminate("terminate"),
    Restart("restart"),
    Outage("outage"),
    Drop("drop", chance=0.3, lasts=(0.0, 1.5)),
    Delay("delay", chance=0.3, lasts=(0.5, 2.0)),
    HalfOpen("half-open", chance=0.3, lasts=(0.2, 3.0)),
)

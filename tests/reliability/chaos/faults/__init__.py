"""What is done to a storm's processes and to their database."""

from collections.abc import Collection
from typing import Protocol

from tests.reliability.chaos.arena import Arena
from tests.reliability.chaos.storm_orders import Orders


class Fault(Protocol):
    """One kind of harm. A new phase begins with `orders` and finishes with `end`."""

    @property
    def name(self) -> str:
        """What ``--fault`` and the table call it."""
        ...

    @property
    def stores(self) -> Collection[str]:
        """Where it makes sense: "sqlite", "postgres" or both."""
        ...

    def orders(self, orders: Orders) -> Orders:
        """Change what all processes are told; called once for each phase."""
        ...

    def strike(self, arena: Arena) -> None:
        """Do some harm now; called again and again, at random intervals below half a second.

        It may pick any of `arena.workers` and `arena.producers`, which are replaced when they
        end. What it does is told to `arena.count`. It returns soon: the arena has to look
        after the others, so what lasts is begun in one strike and undone in a later one.
        """
        ...

    def end(self, arena: Arena) -> None:
        """Undo all that still lasts; the workers must be able to finish their work now."""
        ...

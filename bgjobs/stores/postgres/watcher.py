"""Other processes' news, by LISTEN on a connection that does nothing else."""

from collections.abc import Callable, Collection
from typing import Any, final

import psycopg

from bgjobs.stores.postgres.errors import translated

NO_NEWS = ""
"""What a notification says that only shows that notifications arrive."""


def channel_of(schema: str) -> str:
    """Name the channel of a schema; channels belong to the whole database."""
    return f"bgjobs_{schema}"


@final
class PostgresWatcher:
    """Tells the worker names that `notify` sent; wait until `fileno` is readable."""

    interval: float | None = None

    def __init__(
        self,
        connection: psycopg.Connection[Any],
        label: str,
        channel: str,
        close: Callable[[], None],
    ) -> None:
        self._connection = connection
        self._close = close
        self._label = label
        with translated(label):
            # The channel is made of a schema's checked name, so it needs no quoting but case.
            connection.execute(f'listen "{channel}"'.encode())

    def fileno(self) -> int:
        """Give the socket's descriptor."""
        with translated(self._label):
            return self._connection.fileno()

    def poll(self) -> Collection[str]:
        """Give the worker names that have new jobs, all that were told of since last time."""
        with translated(self._label):
            heard = {news.payload for news in self._connection.notifies(timeout=0)}
        return heard - {NO_NEWS}

    def close(self) -> None:
        """Give back the connection."""
        self._close()

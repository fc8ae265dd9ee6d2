"""The wait for the answer to a write that the event loop has sent, without a thread."""

from typing import final

from anyio import wait_readable

from bgjobs.stores.nonblocking_writer import NonBlockingWriter
from bgjobs.stores.types import Written


@final
class SentWrite:
    """The write in progress of a `NonBlockingWriter`, which ends with the ``with`` block."""

    def __init__(self, writer: NonBlockingWriter) -> None:
        self._writer = writer
        self._is_over = False

    def __enter__(self) -> None:
        """Begin the block in which one task waits for the answer."""

    def __exit__(self, *_: object) -> None:
        """End the write; the job may still be stored if there was no answer."""
        self._is_over = True
        self._writer.end()

    def set(self) -> None:
        """Make `wait` raise `StoreUnavailableError`, if the block has not ended."""
        # A cancel scope in `wait` would take longer than the statement is prepared and sent.
        if not self._is_over:
            self._writer.abort()

    async def wait(self) -> Written:
        """Return the answer. Raises what `fileno` and `receive` of the writer raise."""
        while True:
            await wait_readable(self._writer.fileno())
            if (written := self._writer.receive()) is not None:
                return written

"""The wait for the answer to a call that the event loop has sent, without a thread."""

from typing import Generic, TypeVar, final

from anyio import wait_readable

from bgjobs.stores.nonblocking_calls import NonBlockingCall

T = TypeVar("T")


@final
class SentCall(Generic[T]):
    """The call in progress of a `NonBlockingCall`, which ends with the ``with`` block."""

    def __init__(self, call: NonBlockingCall[T]) -> None:
        self._call = call
        self._is_over = False

    def __enter__(self) -> None:
        """Begin the block in which one task waits for the answer."""

    def __exit__(self, *_: object) -> None:
        """End the call; what it changes may still be committed if there was no answer."""
        self._is_over = True
        self._call.end()

    def set(self) -> None:
        """Make `wait` raise `StoreUnavailableError`, if the block has not ended."""
        # A cancel scope in `wait` would take longer than the statement is prepared and sent.
        if not self._is_over:
            self._call.abort()

    async def wait(self) -> T:
        """Return the answer. Raises what `fileno` and `receive` of the call raise."""
        while True:
            await wait_readable(self._call.fileno())
            if (answer := self._call.receive()) is not None:
                return answer

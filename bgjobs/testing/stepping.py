"""A coroutine that can be held up, or cut off, wherever it waits."""

from collections.abc import Awaitable, Callable, Coroutine, Generator
from functools import partial
from typing import Any, TypeVar, final

from anyio import CancelScope

T = TypeVar("T")


@final
class Stepped(Awaitable[T]):
    """Awaits a coroutine, and `at_step(number)` each time before that goes on, from 1.

    Nothing cancels `at_step`. What a coroutine and its event loop say to each other is theirs,
    hence Any.
    """

    def __init__(
        self, coroutine: Coroutine[Any, Any, T], at_step: Callable[[int], Awaitable[None]]
    ) -> None:
        self._coroutine = coroutine
        self._at_step = at_step

    def __await__(self) -> Generator[Any, Any, T]:
        """Pass on what goes in and out."""
        go_on: Callable[[], Any] = partial(self._coroutine.send, None)
        step = 0
        while True:
            try:
                wish = go_on()
            except StopIteration as end:
                value: T = end.value
                return value
            try:
                answer = yield wish
            except BaseException as error:  # noqa: BLE001 - the coroutine has to hear it, whatever it is
                go_on = partial(self._coroutine.throw, error)
            else:
                go_on = partial(self._coroutine.send, answer)
            step += 1
            yield from self._held_up(step).__await__()

    async def _held_up(self, step: int) -> None:
        # Trio ends a sleep with a cancellation, which is not meant for us.
        with CancelScope(shield=True):
            await self._at_step(step)

"""The threads that call the store, and the one task that brings their answers to the loop.

They live as long as the application. Lending a thread for each call, as AnyIO does for calls
now and then, costs two to three times as much as waking one that waits here.
"""

import socket
import time
from collections import deque
from collections.abc import Callable
from contextvars import Context, copy_context
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar, final

from anyio import CancelScope, Event, wait_readable
from anyio.lowlevel import checkpoint_if_cancelled
from attrs import define, field

T = TypeVar("T")

HAND_OVER = 1e-5
"""Seconds for which the event loop lets go of the interpreter, so that a thread takes the call.

A loop that is busy lets go of it between its tasks only for an instant, and a thread that waits
for it waits 5 ms. Draining a queue, this kept the database busy for a tenth of the time more.
"""


@final
@define(eq=False)
class _Call:
    """One call on its way to a thread and back; what it gives is anything, hence Any."""

    work: Callable[[], Any]
    then: Callable[[Any, BaseException | None], None]
    """Told on the loop what it gave or raised."""
    context: Context = field(factory=copy_context)
    answer: Any = None
    error: BaseException | None = None

    def make(self) -> None:
        """Call it, in a thread."""
        try:
            self.answer = self.context.run(self.work)
        except BaseException as error:  # noqa: BLE001 - it is raised where the call was made
            self.error = error


@final
class StoreThreads:
    """A few threads that take calls in their order."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        self._made: deque[_Call] = deque()
        self._bell: socket.socket | None = None
        self._rung = False
        self._finished = False

    async def run(self) -> None:
        """Serve calls until `finish`; not cancelled before, as calls are waited for."""
        threads = [
            Thread(target=self._serve, name=f"bgjobs-store-{number}", daemon=True)
            for number in range(self._size)
        ]
        bell, ear = socket.socketpair()
        bell.setblocking(False)
        with CancelScope(shield=True), bell, ear:
            self._bell = bell
            for thread in threads:
                thread.start()
            while not self._finished:
                await wait_readable(ear)
                self._answer(ear)
            for _ in threads:
                self._calls.put(None)
            for thread in threads:
                thread.join()  # nothing is being called any more

    def finish(self) -> None:
        """Let `run` end; to be called when no call is waited for."""
        self._finished = True
        self._ring()

    async def call(self, work: Callable[[], T]) -> T:
        """Call `work` in a thread; one that has begun is waited for, whatever is cancelled."""
        await checkpoint_if_cancelled()
        done = Event()
        made: list[tuple[T, BaseException | None]] = []

        def then(answer: T, error: BaseException | None) -> None:
            made.append((answer, error))
            done.set()

        self.begin(work, then)
        with CancelScope(shield=True):
            await done.wait()
        answer, error = made.pop()
        if error is not None:
            try:
                raise error
            finally:
                del error  # its traceback holds this frame
        return answer

    def begin(
        self, work: Callable[[], Any], then: Callable[[Any, BaseException | None], None]
    ) -> None:
        """Call `work` in a thread, and then `then` on the loop, which must not raise.

        No task waits for it: that spares two turns of the loop.
        """
        self._calls.put(_Call(work, then))
        time.sleep(HAND_OVER)

    def _answer(self, ear: socket.socket) -> None:
        ear.recv(4096)
        self._rung = False  # before the look: what is made from now on rings again
        while self._made:
            call = self._made.popleft()
            call.then(call.answer, call.error)

    def _serve(self) -> None:
        while (call := self._calls.get()) is not None:
            call.make()
            self._made.append(call)
            self._ring()

    def _ring(self) -> None:
        if not self._rung and self._bell is not None:
            self._rung = True
            self._bell.send(b"\0")

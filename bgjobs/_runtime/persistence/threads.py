"""The threads that call the store, and the one task that brings their answers to the loop.

They live as long as the application. Lending a thread for each call, as AnyIO does for calls
now and then, costs two to three times as much as waking one that waits here.
"""

import socket
import threading
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from contextvars import Context, copy_context
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar, final

from anyio import (
    CancelScope,
    CapacityLimiter,
    Event,
    create_task_group,
    get_cancelled_exc_class,
    to_thread,
    wait_readable,
)
from attrs import define, field

from bgjobs._runtime.cancellation import (
    clear_native_cancellation,
    raise_if_cancelled,
    run_shielded,
)
from bgjobs.errors import StoreError

T = TypeVar("T")

GIL_YIELD = 1e-5
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
        except Exception as error:  # noqa: BLE001 - it is raised where the call was made
            self.error = error
        except BaseException as error:  # noqa: BLE001 - it must not end the task that asked
            self.error = StoreError(f"a call of the store raised {type(error).__name__}")
            self.error.__cause__ = error


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
        self._ended = False

    async def run(self) -> None:
        """Serve calls until `finish`; not cancelled before, as calls are waited for.

        It may end before, by a Ctrl-C that is raised right here: then the calls that were begun
        are answered first, and later ones are made on the event loop.
        """
        threads: list[Thread] = []
        bell, ear = socket.socketpair()
        bell.setblocking(False)
        with CancelScope(shield=True), bell, ear:
            self._bell = bell
            try:
                for number in range(self._size):
                    name = f"bgjobs-store-{number}"
                    thread = Thread(target=self._serve, name=name, daemon=True)
                    thread.start()
                    threads.append(thread)
                while not self._finished:
                    await self._listen(ear)
            finally:
                self._end(threads)
                self._bell = None  # it is closed now

    def finish(self) -> None:
        """Let `run` end; to be called when no call is waited for."""
        self._finished = True
        self._ring()

    async def call(self, work: Callable[[], T]) -> T:
        """Call `work` in a thread; one that has begun is waited for, whatever is cancelled."""
        await raise_if_cancelled()
        done = Event()
        made: list[tuple[T, BaseException | None]] = []

        def then(answer: T, error: BaseException | None) -> None:
            made.append((answer, error))
            done.set()

        self.begin(work, then)
        await _wait_out(done)
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
        """Call `work` in a thread, and then `then` on the loop.

        No task waits for it: that spares two turns of the loop. `then` raises nothing but the
        Ctrl-C that reaches it, and has done its work by then.
        """
        call = _Call(work, then)
        if self._ended:
            call.make()
            then(call.answer, call.error)
            return
        self._calls.put(call)
        time.sleep(GIL_YIELD)

    async def _listen(self, ear: socket.socket) -> None:
        try:
            await wait_readable(ear)
        except get_cancelled_exc_class():
            if not clear_native_cancellation():
                raise
            return
        ear.recv(4096)
        self._rung = False  # before the look: what is made from now on rings again
        self._answer()

    def _end(self, threads: Sequence[Thread]) -> None:
        self._ended = True
        for _ in threads:
            self._calls.put(None)
        for thread in threads:
            thread.join()  # nothing is being called any more
        self._answer()

    def _answer(self) -> None:
        interruption: BaseException | None = None
        while self._made:
            call = self._made.popleft()
            try:
                call.then(call.answer, call.error)
            except BaseException as error:  # noqa: BLE001 - raised below, when all are answered
                interruption = error
        if interruption is not None:
            try:
                raise interruption
            finally:
                del interruption  # its traceback holds this frame

    def _serve(self) -> None:
        while (call := self._calls.get()) is not None:
            call.make()
            self._made.append(call)
            self._ring()

    def _ring(self) -> None:
        if not self._rung and self._bell is not None:
            self._rung = True
            self._bell.send(b"\0")


async def _wait_out(done: Event) -> None:
    """Wait for an answer, whatever is cancelled; a native cancellation is raised behind it."""
    cancellation: BaseException | None = None
    while not done.is_set():
        try:
            with CancelScope(shield=True):
                await done.wait()
        except get_cancelled_exc_class() as error:
            cancellation = error
    if cancellation is not None:
        try:
            raise cancellation
        finally:
            del cancellation  # its traceback holds this frame


@asynccontextmanager
async def thread_beside(work: Callable[[threading.Event], None]) -> AsyncGenerator[None]:
    """Run `work(stop)` in a thread of its own beside the block.

    The end of the block sets `stop`, which `work` must heed soon. What `work` raises cancels
    the block and leaves in the group of the thread's task.
    """
    stop = threading.Event()
    own = CapacityLimiter(1)  # not one of the threads that the application shares

    async def in_thread() -> None:
        await to_thread.run_sync(work, stop, limiter=own)

    async with create_task_group() as tasks:
        tasks.start_soon(run_shielded, in_thread)  # no thread may go on behind its task
        try:
            yield
        finally:
            stop.set()

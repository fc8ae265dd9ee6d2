"""The threads in which calls to the store run, and the task that handles their results.

The threads live as long as the application. AnyIO lends a thread for each call, which suits
occasional calls; it costs two to three times as much as waking a thread that already waits.
The task `StoreThreads.run` starts them, calls back on the event loop when a call has ended, and
joins them at `finish`. It is shielded from cancellation, because other tasks wait for these
results. A call that the store does not answer blocks its thread, until the store is closed by
`ShutdownTimeout`.
"""

import threading
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager, closing
from contextvars import Context, copy_context
from functools import partial
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
)
from attrs import define, field

from bgjobs._runtime.cancellation import (
    clear_native_cancellation,
    raise_if_cancelled,
    run_shielded,
)
from bgjobs._runtime.persistence.thread_signal import ThreadSignal, new_signal
from bgjobs._runtime.persistence.waiter import Waiter
from bgjobs.errors import StoreError

T = TypeVar("T")

GIL_YIELD = 1e-5
"""Seconds for which the event loop releases the interpreter lock after it has queued a call.

A busy loop releases the lock only for an instant between two of its tasks, and a thread that
asks for it waits 5 ms. With this pause the database was busy for a tenth
more of the time in which a queue was drained.
"""


@final
@define(eq=False)
class _Call:
    """One call on its way to a thread and back. Any: it may return anything."""

    work: Callable[[], Any]
    then: Callable[[Any, BaseException | None], None]
    """Called on the event loop with the result or the error."""
    afterwards: Callable[[], object] | None = None
    """Called in the thread after the call has been answered, unless it has raised an error."""
    waiter: Waiter | None = None
    """Wakes the task that waits for this call, instead of the task `StoreThreads.run`."""
    context: Context = field(factory=copy_context)
    answer: Any = None
    error: BaseException | None = None

    def run(self) -> None:
        """Do the work, in a thread."""
        try:
            self.answer = self.context.run(self.work)
        except Exception as error:  # noqa: BLE001 - it is raised where the call was made
            self.error = error
        except BaseException as error:  # noqa: BLE001 - it must not end the task that asked
            self.error = StoreError(f"a call of the store raised {type(error).__name__}")
            self.error.__cause__ = error

    @property
    def follow_up(self) -> Callable[[], object] | None:
        """What is left to do once the call has been answered."""
        if self.error is not None or self.afterwards is None:
            return None
        return partial(self.context.run, self.afterwards)


@final
class StoreThreads:
    """A fixed number of threads that run calls in the order in which they were made."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        self._done: deque[_Call] = deque()
        self._signal: ThreadSignal | None = None
        self._is_sent = False
        """Whether the signal was sent since `run` last received it."""
        self._finished = False
        self._ended = False
        self._waited: _Call | None = None
        """The call for which a task waits by the waiter."""
        self._waiter: Waiter | None = None

    async def run(self) -> None:
        """Run calls until `finish`. Shielded from cancellation, because tasks wait for calls.

        A Ctrl-C that is raised inside this task ends it early. The calls that were begun are
        then answered first, and later calls run on the event loop.
        """
        threads: list[Thread] = []
        with CancelScope(shield=True), closing(new_signal()) as signal:
            self._signal = signal
            self._waiter = waiter = Waiter(self._answer, self._take_back)
            try:
                for number in range(self._size):
                    name = f"bgjobs-store-{number}"
                    thread = Thread(target=self._serve, name=name, daemon=True)
                    thread.start()
                    threads.append(thread)
                while not self._finished:
                    await self._answer_next(signal)
            finally:
                self._end(threads)
                self._signal = None  # it is closed now
                self._waiter = None
                waiter.close()

    def finish(self) -> None:
        """Make `run` end. Call it when no task waits for a call."""
        self._finished = True
        self._wake_loop()

    async def call(self, work: Callable[[], T]) -> T:
        """Call `work` in a thread and return its result.

        A call that has begun is waited for, even if the waiting task is cancelled.
        """
        await raise_if_cancelled()
        done = Event()
        results: list[tuple[T, BaseException | None]] = []

        def then(answer: T, error: BaseException | None) -> None:
            results.append((answer, error))
            done.set()

        self.begin(work, then)
        await _wait_shielded(done)
        answer, error = results.pop()
        if error is not None:
            try:
                raise error
            finally:
                del error  # its traceback holds this frame
        return answer

    def begin(
        self,
        work: Callable[[], Any],
        then: Callable[[Any, BaseException | None], None],
        afterwards: Callable[[], object] | None = None,
        waiter: Waiter | None = None,
    ) -> None:
        """Call `work` in a thread, and then `then` on the event loop.

        No task waits for the call, which saves two turns of the loop, or the one in the block
        of `waiter` does. `then` may raise nothing but a Ctrl-C that interrupts it, and must
        have done its work by then. If `work` has returned, `afterwards` is called in the
        thread; nothing waits for it but `finish`.
        """
        call = _Call(work, then, afterwards, waiter)
        if self._ended:
            call.run()
            then(call.answer, call.error)
            if (follow_up := call.follow_up) is not None:
                follow_up()
            return
        self._calls.put(call)
        if waiter is not None:  # its task waits at once, which releases the lock
            self._waited = call
            return
        time.sleep(GIL_YIELD)  # so that the waiting thread takes the lock of the interpreter

    @property
    def free_waiter(self) -> Waiter | None:
        """What wakes a task that waits for its own call; None while another task has it."""
        waiter = self._waiter
        return None if waiter is None or waiter.is_taken else waiter

    def _take_back(self) -> None:
        """Handle the end of a call in `run`, because the task of the waiter has left."""
        waited, self._waited = self._waited, None
        if waited is not None:
            waited.waiter = None
        self._wake_loop()  # the call may have ended before it could see that

    async def _answer_next(self, signal: ThreadSignal) -> None:
        try:
            await signal.receive()
        except get_cancelled_exc_class():
            if not clear_native_cancellation():
                raise
            return
        self._is_sent = False  # before the calls are taken: one that ends now sends it again
        self._answer()

    def _end(self, threads: Sequence[Thread]) -> None:
        self._ended = True
        for _ in threads:
            self._calls.put(None)
        for thread in threads:
            thread.join()  # no call is running after this
        self._answer()

    def _answer(self) -> None:
        interruption: BaseException | None = None
        while self._done:
            call = self._done.popleft()
            if call is self._waited:  # it must not keep an error and its frames alive
                self._waited = None
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
            call.run()
            self._done.append(call)
            waiter, follow_up = call.waiter, call.follow_up
            del call  # a waiting thread must not keep an error and its frames alive
            if waiter is not None:
                waiter.wake()
            else:
                self._wake_loop()
            if follow_up is not None:
                time.sleep(GIL_YIELD)  # so that the event loop handles the answer first
                follow_up()
            del follow_up

    def _wake_loop(self) -> None:
        if not self._is_sent and self._signal is not None:
            self._is_sent = True
            self._signal.send()


async def _wait_shielded(done: Event) -> None:
    """Wait for an event in spite of any cancellation; raise a native one afterwards."""
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
async def background_thread(work: Callable[[threading.Event], None]) -> AsyncGenerator[None]:
    """Run `work(stop)` in a thread of its own while the block runs.

    The end of the block sets `stop`, and waits until `work` has returned; so `work` must check
    `stop` often. An error of `work` cancels the block and is raised in an exception group.
    """
    stop = threading.Event()
    own = CapacityLimiter(1)  # not one of the threads that the application shares

    async def in_thread() -> None:
        await to_thread.run_sync(work, stop, limiter=own)

    async with create_task_group() as tasks:
        tasks.start_soon(run_shielded, in_thread)  # no thread may outlive its task
        try:
            yield
        finally:
            stop.set()

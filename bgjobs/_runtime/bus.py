"""Delivers events to listeners, in order; without a listener no event is built."""

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import ParamSpec, cast, final

from anyio import (
    BrokenResourceError,
    CancelScope,
    ClosedResourceError,
    WouldBlock,
    create_memory_object_stream,
    create_task_group,
    current_time,
    get_cancelled_exc_class,
)
from anyio import Event as Flag
from anyio.abc import TaskGroup
from anyio.lowlevel import checkpoint_if_cancelled

from bgjobs._core.exceptions import leaves
from bgjobs._core.lazy import is_async_function, refuse_lazy
from bgjobs._core.text import error_text
from bgjobs._runtime.cancellation import (
    clear_native_cancellation,
    is_natively_cancelled,
    native_task,
    run_shielded,
)
from bgjobs.errors import BgJobsError
from bgjobs.events import Event, Listener, ListenerFailed
from bgjobs.logs import log_listener


@final
class CallbackFailedError(BgJobsError):
    """A user's function raised an error that is no `Exception`, such as `SystemExit`."""

    def __init__(self, callback: str, error: BaseException) -> None:
        self.error: BaseException = error
        super().__init__(f"{callback} raised {error_text(error).splitlines()[0]}")


def callback_error(callback: str, error: BaseException) -> Exception:
    """Return `error`, which a user's function raised, as an `Exception`.

    If it is no `Exception`, it becomes the cause of a `CallbackFailedError`. A
    `KeyboardInterrupt`, or a group that contains one, is raised again.
    """
    if isinstance(error, Exception):
        return error
    if contains_error(error, KeyboardInterrupt):
        raise error
    failure = CallbackFailedError(callback, error)
    failure.__cause__ = error
    return failure


def contains_error(error: BaseException, kind: type[BaseException]) -> bool:
    """Whether `error` is of this class, or a group that contains such an error."""
    return any(isinstance(one, kind) for one in leaves(error))


P = ParamSpec("P")

MAILBOX_SIZE = 10_000
"""Events buffered for one async listener: a few megabytes, seconds of the fastest queue."""
DRAIN_TIMEOUT = 5.0
"""Seconds that async listeners have, at the end of the application, for buffered events."""

_logger = logging.getLogger("bgjobs")
_Sink = Callable[[Event], object]


@final
class Mailbox:
    """The buffer of one async listener, and the loop that calls it with one event at a time."""

    def __init__(self, listener: Callable[[Event], Awaitable[object]], bus: "Bus") -> None:
        self._listener = listener
        self._bus = bus
        self._send, self._receive = create_memory_object_stream[Event](MAILBOX_SIZE)
        self._scope = CancelScope()
        self.dropped: int = 0

    def __call__(self, event: Event) -> None:
        """Buffer an event; drop and count it if the buffer is full or closed."""
        try:
            self._send.send_nowait(event)
        except (BrokenResourceError, ClosedResourceError):
            self.dropped += 1  # the application has ended
        except WouldBlock:
            self.dropped += 1
            if self.dropped == 1:
                _logger.warning(
                    "listener %s is too slow: events dropped", _name(self._listener)
                )

    async def deliver(self) -> None:
        """Call the listener until `close`, then for up to `DRAIN_TIMEOUT` seconds."""
        with CancelScope(shield=True) as self._scope:
            async with self._receive:
                while await self._deliver_all():
                    pass

    async def _deliver_all(self) -> bool:
        """Deliver until the buffer is closed; True if a native cancellation interrupted it."""
        try:
            async for event in self._receive:
                await self._call_listener(event)
        except get_cancelled_exc_class():
            if not clear_native_cancellation():
                raise
            return True
        return False

    def close(self) -> None:
        """Refuse new events, and start the time limit for the buffered ones."""
        self._send.close()
        self._scope.deadline = current_time() + DRAIN_TIMEOUT

    async def _call_listener(self, event: Event) -> None:
        try:
            answer = await self._listener(event)
            if answer is not None:
                refuse_lazy(f"listener {_name(self._listener)}", answer)
        except GeneratorExit:  # the event loop has ended, and Python closes its coroutines
            raise
        except BaseException as error:
            if contains_error(error, get_cancelled_exc_class()):
                await checkpoint_if_cancelled()  # raises if this task was cancelled
                if is_natively_cancelled(native_task()):
                    raise
            self._bus.report_failure(self._listener, event, error)


@final
class EventStream:
    """The events of an application from `BgJobs.events` on, as an async iterator.

    Iterate in one task. The iteration ends with the block of `BgJobs.events`, and after the
    last buffered event when the application ends.
    """

    def __init__(self, buffer: int) -> None:
        self._send, self._receive = create_memory_object_stream[Event](buffer)
        self.dropped: int = 0
        """How many events were dropped because the buffer was full."""

    def __call__(self, event: Event) -> None:
        """Buffer an event; drop and count it if the buffer is full or closed."""
        try:
            self._send.send_nowait(event)
        except (WouldBlock, ClosedResourceError):
            self.dropped += 1

    def __aiter__(self) -> "EventStream":
        return self

    async def __anext__(self) -> Event:
        try:
            return await self._receive.__anext__()
        except ClosedResourceError:
            raise StopAsyncIteration from None

    def end(self) -> None:
        """Refuse new events; the iteration ends after the buffered ones."""
        self._send.close()

    def close(self) -> None:
        """Refuse new events and end the iteration at once."""
        self._send.close()
        self._receive.close()


@final
class Deliveries:
    """The tasks that call the async listeners of all scopes, one task for each."""

    def __init__(self) -> None:
        self._mailboxes: list[Mailbox] = []
        self._tasks: TaskGroup | None = None
        self._closed = Flag()

    def add(self, mailbox: Mailbox) -> None:
        """Add a listener; its task starts now if `run` is running, else with `run`."""
        self._mailboxes.append(mailbox)
        if self._tasks is not None:
            self._tasks.start_soon(mailbox.deliver)

    def remove(self, mailbox: Mailbox) -> None:
        """Remove a listener; its task ends after the buffered events."""
        self._mailboxes.remove(mailbox)
        mailbox.close()

    async def run(self) -> None:
        """Call the listeners until `close`, and then with the buffered events."""
        await run_shielded(self._serve)

    async def _serve(self) -> None:
        async with create_task_group() as self._tasks:
            for mailbox in self._mailboxes:
                self._tasks.start_soon(mailbox.deliver)
            await self._closed.wait()

    def close(self) -> None:
        """Refuse new events; `run` ends after the buffered ones."""
        self._closed.set()
        for mailbox in self._mailboxes:
            mailbox.close()


@final
class Bus:
    """The listeners of one scope, such as a queue, and of the scopes that enclose it."""

    def __init__(
        self,
        listeners: Sequence[Listener],
        outer: "Bus | None" = None,
        *,
        logs_failures: bool = False,
    ) -> None:
        self.logs_failures: bool = logs_failures if outer is None else outer.logs_failures
        """Whether to log jobs that failed for good, unless `log_listener` is a listener."""
        self.deliveries: Deliveries = Deliveries() if outer is None else outer.deliveries
        """Calls the async listeners; all scopes share it."""
        self._sinks: list[tuple[Listener, _Sink]] = []
        self.levels: Sequence[list[tuple[Listener, _Sink]]] = (
            [self._sinks] if outer is None else [self._sinks, *outer.levels]
        )
        """The listeners of this scope, then those of each enclosing scope."""
        for listener in listeners:
            self._add(listener)

    def scoped(self, listeners: Sequence[Listener]) -> "Bus":
        """Return the bus of an inner scope, whose listeners are called before these."""
        return Bus(listeners, outer=self)

    def emit(self, make: Callable[P, Event], *args: P.args, **kwargs: P.kwargs) -> None:
        """If there is a listener, deliver the event `make(*args, **kwargs)`."""
        for sinks in self.levels:  # inlines `has_listeners`: each job emits several
            if sinks:
                self.deliver(make(*args, **kwargs))
                break

    def emit_failure(self, make: Callable[P, Event], *args: P.args, **kwargs: P.kwargs) -> None:
        """Emit that a job failed for good, and log it if `log_listener` is not a listener."""
        is_logged = self.logs_failures and all(
            one is not log_listener for one, _ in self.listening()
        )
        if not (is_logged or self.has_listeners):
            return
        event = make(*args, **kwargs)
        self.deliver(event)
        if is_logged:
            log_listener(event)

    @property
    def has_listeners(self) -> bool:
        """Whether an event would reach any listener."""
        return any(self.levels)

    def deliver(self, event: Event, *, skip: object = None) -> None:
        """Call all listeners but `skip` with an event."""
        for listener, sink in self.listening():
            if listener is not skip:
                self._call(listener, sink, event)

    def report_failure(self, listener: object, event: Event, raised: BaseException) -> None:
        """Log the error of a listener and report it; raise a `KeyboardInterrupt` again."""
        name, event_name = _name(listener), type(event).__name__
        error = callback_error(f"listener {name}", raised)
        _logger.error("listener %s raised on %s", name, event_name, exc_info=error)
        if not isinstance(event, ListenerFailed):
            self.deliver(ListenerFailed(name, event_name, error), skip=listener)

    @asynccontextmanager
    async def subscribe(self, buffer: int) -> AsyncGenerator[EventStream]:
        """Add a stream as a listener of this scope for the length of the block."""
        stream = EventStream(buffer)
        entry: tuple[Listener, _Sink] = (stream, stream)
        self._sinks.append(entry)
        try:
            yield stream
        finally:
            self._sinks.remove(entry)
            stream.close()

    def remove_listeners(self) -> None:
        """End this scope, after which it has no events."""
        for _, sink in self._sinks:
            if isinstance(sink, Mailbox):
                self.deliveries.remove(sink)
        self._sinks.clear()

    def close(self) -> None:
        """Close all buffers; deliveries and streams end after the buffered events."""
        self.deliveries.close()
        for _, sink in self._sinks:
            if isinstance(sink, EventStream):
                sink.end()

    def _add(self, listener: Listener) -> None:
        if is_async_function(listener):
            mailbox = Mailbox(cast("Callable[[Event], Awaitable[object]]", listener), self)
            self.deliveries.add(mailbox)
            self._sinks.append((listener, mailbox))
        else:
            self._sinks.append((listener, cast("_Sink", listener)))

    def listening(self) -> Iterable[tuple[Listener, _Sink]]:
        """Yield the listeners in the order in which they are called."""
        for sinks in self.levels:
            yield from tuple(sinks)

    def _call(self, listener: Listener, sink: _Sink, event: Event) -> None:
        try:
            answer = sink(event)
            if answer is not None:
                refuse_lazy(f"listener {_name(listener)}", answer)
        except BaseException as error:  # noqa: BLE001 - an error of a listener affects no job
            self.report_failure(listener, event, error)


def _name(listener: object) -> str:
    return getattr(listener, "__qualname__", None) or type(listener).__name__

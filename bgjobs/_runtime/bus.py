"""Events to listeners: in order, isolated, and free of cost where nobody listens."""

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
    is_natively_cancelled,
    native_task,
    run_shielded,
    took_back_native_cancellation,
)
from bgjobs.errors import BgJobsError
from bgjobs.events import Event, Listener, ListenerFailed
from bgjobs.logs import log_listener


@final
class CallbackFailedError(BgJobsError):
    """A function of the user's raised something where only an `Exception` may come out."""

    def __init__(self, what: str, error: BaseException) -> None:
        self.error: BaseException = error
        super().__init__(f"{what} raised {error_text(error).splitlines()[0]}")


def failure_of(what: str, error: BaseException) -> Exception:
    """Return the failure of the callback called `what` that raised `error`.

    Raise `error` again if it is a Ctrl-C, or holds one.
    """
    if isinstance(error, Exception):
        return error
    if holds(error, KeyboardInterrupt):
        raise error
    failure = CallbackFailedError(what, error)
    failure.__cause__ = error
    return failure


def holds(error: BaseException, kind: type[BaseException]) -> bool:
    """Whether `error` is one of `kind`, or a group with one in it."""
    return any(isinstance(one, kind) for one in leaves(error))


P = ParamSpec("P")

MAILBOX_SIZE = 10_000
"""Events that wait for one async listener; a few megabytes, seconds of the fastest queue."""
DRAIN_TIMEOUT = 5.0
"""Seconds that async listeners get at the end for what still waits for them."""

_logger = logging.getLogger("bgjobs")
_Sink = Callable[[Event], object]


@final
class Mailbox:
    """Events on their way to one async listener, which hears them one after the other."""

    def __init__(self, listener: Callable[[Event], Awaitable[object]], bus: "Bus") -> None:
        self._listener = listener
        self._bus = bus
        self._send, self._receive = create_memory_object_stream[Event](MAILBOX_SIZE)
        self._farewell = CancelScope()
        self.dropped: int = 0

    def __call__(self, event: Event) -> None:
        """Put one event in; it is dropped and counted when the listener is too far behind."""
        try:
            self._send.send_nowait(event)
        except (BrokenResourceError, ClosedResourceError):
            self.dropped += 1  # the application has ended, and the listener's time with it
        except WouldBlock:
            self.dropped += 1
            if self.dropped == 1:
                _logger.warning(
                    "listener %s is too slow: events dropped", _name(self._listener)
                )

    async def deliver(self) -> None:
        """Hand out events until `close`, and then for a few seconds those that are left."""
        with CancelScope(shield=True) as self._farewell:
            async with self._receive:
                while await self._deliver_all():
                    pass

    async def _deliver_all(self) -> bool:
        """Deliver until the end; True when a native cancellation came between."""
        try:
            async for event in self._receive:
                await self._tell(event)
        except get_cancelled_exc_class():
            if not took_back_native_cancellation():
                raise
            return True
        return False

    def close(self) -> None:
        """Take no more events."""
        self._send.close()
        self._farewell.deadline = current_time() + DRAIN_TIMEOUT

    async def _tell(self, event: Event) -> None:
        try:
            answer = await self._listener(event)
            if answer is not None:
                refuse_lazy(f"listener {_name(self._listener)}", answer)
        except GeneratorExit:  # Python closes the coroutine of a loop that has ended
            raise
        except BaseException as error:
            if holds(error, get_cancelled_exc_class()):
                await checkpoint_if_cancelled()  # does not return when it is our cancellation
                if is_natively_cancelled(native_task()):
                    raise
            self._bus.report(self._listener, event, error)


@final
class EventStream:
    """The events from now on, as an async iterator with a bounded buffer."""

    def __init__(self, buffer: int) -> None:
        self._send, self._receive = create_memory_object_stream[Event](buffer)
        self.dropped: int = 0
        """How many events found the buffer full."""

    def __call__(self, event: Event) -> None:
        """Put one event in. A listener, therefore."""
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
        """Take no more events; the iteration ends after those that are left."""
        self._send.close()

    def close(self) -> None:
        """Take no more events and end the iteration now."""
        self._send.close()
        self._receive.close()


@final
class Deliveries:
    """The tasks that serve the async listeners of all scopes, early and late ones."""

    def __init__(self) -> None:
        self._mailboxes: list[Mailbox] = []
        self._tasks: TaskGroup | None = None
        self._closed = Flag()

    def add(self, mailbox: Mailbox) -> None:
        """Serve another listener, at once if deliveries go on already."""
        self._mailboxes.append(mailbox)
        if self._tasks is not None:
            self._tasks.start_soon(mailbox.deliver)

    def remove(self, mailbox: Mailbox) -> None:
        """Serve a listener no more, once it has heard what is left."""
        self._mailboxes.remove(mailbox)
        mailbox.close()

    async def run(self) -> None:
        """Serve until `close`, and then until what is left has been heard."""
        await run_shielded(self._serve)

    async def _serve(self) -> None:
        async with create_task_group() as self._tasks:
            for mailbox in self._mailboxes:
                self._tasks.start_soon(mailbox.deliver)
            await self._closed.wait()

    def close(self) -> None:
        """Take no more events."""
        self._closed.set()
        for mailbox in self._mailboxes:
            mailbox.close()


@final
class Bus:
    """The listeners of one scope, and of the scopes around it."""

    def __init__(
        self,
        listeners: Sequence[Listener],
        outer: "Bus | None" = None,
        *,
        logs_failures: bool = False,
    ) -> None:
        self.logs_failures: bool = logs_failures if outer is None else outer.logs_failures
        """Whether a job that failed for good is logged here unless a listener does so."""
        self.deliveries: Deliveries = Deliveries() if outer is None else outer.deliveries
        """For the async listeners of all scopes, outer and inner."""
        self._sinks: list[tuple[Listener, _Sink]] = []
        self.levels: Sequence[list[tuple[Listener, _Sink]]] = (
            [self._sinks] if outer is None else [self._sinks, *outer.levels]
        )
        """Who listens here, and in the scopes around."""
        for listener in listeners:
            self._add(listener)

    def scoped(self, listeners: Sequence[Listener]) -> "Bus":
        """Give the bus of an inner scope: its listeners hear first, then those of this one."""
        return Bus(listeners, outer=self)

    def emit(self, make: Callable[P, Event], *args: P.args, **kwargs: P.kwargs) -> None:
        """Make an event and tell it, unless nobody listens."""
        for sinks in self.levels:  # not through `has_listeners`: it is asked for each job
            if sinks:
                self.tell(make(*args, **kwargs))
                break

    def emit_failure(self, make: Callable[P, Event], *args: P.args, **kwargs: P.kwargs) -> None:
        """Emit that a job failed for good; it is logged here if `log_listener` is not told."""
        is_logged = self.logs_failures and all(
            one is not log_listener for one, _ in self.listening()
        )
        if not (is_logged or self.has_listeners):
            return
        event = make(*args, **kwargs)
        self.tell(event)
        if is_logged:
            log_listener(event)

    @property
    def has_listeners(self) -> bool:
        """Whether an event would reach anybody."""
        return any(self.levels)

    def tell(self, event: Event, *, but: object = None) -> None:
        """Tell one event to everybody; `but` is left out."""
        for listener, sink in self.listening():
            if listener is not but:
                self._tell_one(listener, sink, event)

    def report(self, listener: object, event: Event, raised: BaseException) -> None:
        """Log a listener's error and tell the others of it; a Ctrl-C is raised again."""
        name, happened = _name(listener), type(event).__name__
        error = failure_of(f"listener {name}", raised)
        _logger.error("listener %s raised on %s", name, happened, exc_info=error)
        if not isinstance(event, ListenerFailed):
            self.tell(ListenerFailed(name, happened, error), but=listener)

    @asynccontextmanager
    async def subscribe(self, buffer: int) -> AsyncGenerator[EventStream]:
        """Listen with a stream for the length of the block."""
        stream = EventStream(buffer)
        entry: tuple[Listener, _Sink] = (stream, stream)
        self._sinks.append(entry)
        try:
            yield stream
        finally:
            self._sinks.remove(entry)
            stream.close()

    def leave(self) -> None:
        """End this scope: nothing more happens in it."""
        for _, sink in self._sinks:
            if isinstance(sink, Mailbox):
                self.deliveries.remove(sink)
        self._sinks.clear()

    def close(self) -> None:
        """Let deliveries and streams end once what waits in them has been heard."""
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
        """Give who is told, in order."""
        for sinks in self.levels:
            yield from tuple(sinks)

    def _tell_one(self, listener: Listener, sink: _Sink, event: Event) -> None:
        try:
            answer = sink(event)
            if answer is not None:
                refuse_lazy(f"listener {_name(listener)}", answer)
        except BaseException as error:  # noqa: BLE001 - a listener never changes a job's fate
            self.report(listener, event, error)


def _name(listener: object) -> str:
    return getattr(listener, "__qualname__", None) or type(listener).__name__

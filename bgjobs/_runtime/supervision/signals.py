"""SIGTERM and SIGINT for all applications of an event loop.

A process has one handler for each signal. One application receives the signals and passes them
on to the others; when it ends, the next one receives them.
"""

import signal
from collections.abc import Callable
from typing import final

from anyio import Lock, open_signal_receiver
from anyio.lowlevel import RunVar
from attrs import field, frozen


@final
@frozen(eq=False)
class _Subscribers:
    callbacks: list[Callable[[], None]] = field(factory=list[Callable[[], None]])
    receiving: Lock = field(factory=Lock)


_subscribers = RunVar[_Subscribers]("bgjobs_signals")


async def on_each_signal(callback: Callable[[], None]) -> None:
    """Call `callback` for every SIGTERM and SIGINT until cancelled; in the main thread only.

    A second call with the same callback returns at once: it is called once for each signal.
    """
    try:
        subscribers = _subscribers.get()
    except LookupError:
        subscribers = _Subscribers()
        _subscribers.set(subscribers)
    if callback in subscribers.callbacks:
        return
    subscribers.callbacks.append(callback)
    try:
        async with subscribers.receiving:
            with open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
                async for _ in signals:
                    for one in tuple(subscribers.callbacks):
                        one()
    finally:
        subscribers.callbacks.remove(callback)

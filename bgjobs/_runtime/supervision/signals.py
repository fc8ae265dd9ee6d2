"""SIGTERM and SIGINT for all applications of an event loop.

A process has one handler for a signal, so of several applications one receives and tells the
others; when it ends, the next one takes its place.
"""

import signal
from collections.abc import Callable
from typing import final

from anyio import Lock, open_signal_receiver
from anyio.lowlevel import RunVar
from attrs import field, frozen


@final
@frozen(eq=False)
class _Crowd:
    members: list[Callable[[], None]] = field(factory=list[Callable[[], None]])
    receiving: Lock = field(factory=Lock)


_crowd = RunVar[_Crowd]("bgjobs_signals")


async def on_each_signal(react: Callable[[], None]) -> None:
    """Call `react` for every SIGTERM and SIGINT until cancelled; in the main thread only.

    Asked for once more, it is still called once for each.
    """
    try:
        crowd = _crowd.get()
    except LookupError:
        crowd = _Crowd()
        _crowd.set(crowd)
    if react in crowd.members:
        return
    crowd.members.append(react)
    try:
        async with crowd.receiving:
            with open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
                async for _ in signals:
                    for member in tuple(crowd.members):
                        member()
    finally:
        crowd.members.remove(react)

"""Wakeups: they make waiting tasks of this process, or of others, look for jobs now.

A `Wakeup` is an event inside this process; `Wakeups` distributes them by the names of workers,
and those of commands. `Notifier.run` is a task that sends a `Notice` to other processes through
the store; it runs until it is cancelled, and `flush` then sends what is left. If the store is
unavailable a notice is lost. Queues poll at all times, so this delays jobs, but loses none.
"""

from collections.abc import Collection, Generator, Iterable
from contextlib import contextmanager, suppress
from itertools import chain
from math import inf
from typing import final
from uuid import UUID

from anyio import Event, sleep

from bgjobs._core.clock import Clock
from bgjobs._runtime.persistence.dispatch import Dispatch
from bgjobs.errors import StoreError
from bgjobs.stores.types import Notice

NOTIFY_PAUSE = 0.005
"""Seconds between two notices; on PostgreSQL each takes a lock that all commits share."""
SLACK = 0.002
"""Seconds by which a notice is delayed further, because a write may take it along."""
_NOTHING = Notice()


@final
class Wakeup:
    """An event that many tasks set and one task waits for; repeated sets count once."""

    def __init__(self) -> None:
        self._event = Event()
        self._is_set = False

    def set(self) -> None:
        """Wake the task that waits, or make its next wait return at once."""
        if not self._is_set:  # setting an event again costs as much as waking a task
            self._is_set = True
            self._event.set()

    def clear(self) -> None:
        """Undo `set`."""
        if self._is_set:
            self._is_set = False
            self._event = Event()

    async def wait(self) -> None:
        """Wait until it is set; return at once if it was set since this last returned."""
        await self._event.wait()
        self.clear()


@final
class Marks:
    """The workers whose jobs have a marked end, from the task that finds the marks."""

    def __init__(self) -> None:
        self._names = frozenset[str]()
        self._wakeup = Wakeup()

    def add(self, names: frozenset[str]) -> None:
        """Add workers, and wake the task that waits in `take`."""
        if names:
            self._names |= names
            self._wakeup.set()

    async def take(self) -> frozenset[str]:
        """Wait until there are some, and remove and return them."""
        await self._wakeup.wait()
        names, self._names = self._names, frozenset[str]()
        return names


@final
class ChildEnds:
    """Wakes a task that waits for the children of one parent."""

    def __init__(self) -> None:
        self.wakeup: Wakeup = Wakeup()
        """Set when a child has ended, or when other processes have changed anything."""
        self.is_known: bool = False
        """Whether a child has ended; the task that looks for it sets it back."""
        self.may_have_changed: bool = False
        """Whether other processes have changed anything; the task sets it back, too. Until then
        it is not woken again by that: a thousand tasks may wait."""

    def end(self) -> None:
        """Wake the task, because a child has ended."""
        self.is_known = True
        self.wakeup.set()

    def change(self) -> None:
        """Wake the task, because other processes have changed something."""
        if not self.may_have_changed:
            self.may_have_changed = True
            self.wakeup.set()


@final
class Wakeups:
    """The wakeups of this process, by the workers whose jobs they are for."""

    def __init__(self) -> None:
        self._subscribed: list[tuple[frozenset[str], Wakeup]] = []
        self._commands: list[Wakeup] = []
        self._idle: list[Wakeup] = []
        self._endings: list[Wakeup] = []
        self._children: dict[UUID, list[ChildEnds]] = {}

    def subscribe(self, names: Iterable[str]) -> Wakeup:
        """Return a wakeup that is set whenever there may be jobs for one of these workers."""
        wakeup = Wakeup()
        self._subscribed.append((frozenset(names), wakeup))
        return wakeup

    def unsubscribe(self, wakeup: Wakeup) -> None:
        """End a subscription."""
        self._subscribed = [entry for entry in self._subscribed if entry[1] is not wakeup]

    def wake(self, names: Collection[str]) -> None:
        """Set the wakeups that are subscribed to one of these workers."""
        for wanted, wakeup in self._subscribed:
            if not wanted.isdisjoint(names):
                wakeup.set()

    def notify(self, notice: Notice) -> None:
        """Set the wakeups of all that a notice concerns."""
        if notice.workers is None:
            for _, wakeup in self._subscribed:
                wakeup.set()
            for ends in chain.from_iterable(self._children.values()):
                ends.change()
        else:
            self.wake(notice.workers)
        if notice.commands:
            for wakeup in self._commands:
                wakeup.set()
        for parent in notice.parents:
            self.end_child(parent)

    def end_child(self, parent: UUID) -> None:
        """Wake those who wait for the children of a parent, because one has ended."""
        for ends in self._children.get(parent, ()):
            ends.end()

    @contextmanager
    def commands(self) -> Generator[Wakeup]:
        """Yield a wakeup that is set whenever an operator may have left new commands."""
        wakeup = Wakeup()
        self._commands.append(wakeup)
        try:
            yield wakeup
        finally:
            self._commands.remove(wakeup)

    @contextmanager
    def idleness(self) -> Generator[Wakeup]:
        """Yield a wakeup that is set whenever there may be no job left to run."""
        wakeup = Wakeup()
        self._idle.append(wakeup)
        try:
            yield wakeup
        finally:
            self._idle.remove(wakeup)

    @contextmanager
    def endings(self) -> Generator[Wakeup]:
        """Yield a wakeup, set when a run ends here or another process may have ended one."""
        wakeup = self.subscribe(())
        self._endings.append(wakeup)
        try:
            yield wakeup
        finally:
            self._endings.remove(wakeup)
            self.unsubscribe(wakeup)

    @contextmanager
    def child_ends(self, parent: UUID) -> Generator[ChildEnds]:
        """Yield what is set when children of a parent may have ended, here or elsewhere."""
        ends = ChildEnds()
        waiting = self._children.setdefault(parent, [])
        waiting.append(ends)
        try:
            yield ends
        finally:
            waiting.remove(ends)
            if not waiting:
                del self._children[parent]

    @property
    def parents(self) -> int:
        """For how many parents a task of this process waits."""
        return len(self._children)

    def notify_ended(self) -> None:
        """Wake the tasks that wait for the end of a job: one is stored."""
        for wakeup in self._endings:
            wakeup.set()

    def notify_idle(self) -> None:
        """Wake the tasks that wait until no job is left: this may be so now."""
        for wakeup in self._idle:
            wakeup.set()


@final
class Notifier:
    """Sends notices of what this process has stored to others, every few ms at most.

    Only for stores that need `notify`. A notice is sent outside the transaction that stored the
    jobs. Inside, it would serialise all commits of the database.
    """

    def __init__(self, dispatch: Dispatch, clock: Clock) -> None:
        self._dispatch = dispatch
        self._clock = clock
        self._notice = _NOTHING
        self._wakeup = Wakeup()
        self._ping_due = False
        self._sent_at = -inf

    def add(self, notice: Notice) -> None:
        """Add the changes of a notice to the next one that is sent."""
        self._notice |= notice
        self._wakeup.set()

    def add_parent(self, parent: UUID) -> None:
        """Add the end of a child to the next notice that is sent."""
        if parent not in self._notice.parents:
            self.add(Notice(parents=frozenset({parent})))

    def piggyback(self, names: Iterable[str]) -> Notice:
        """Return the notice that a write of jobs of these workers sends, right after it.

        A notice by a call of its own costs as much as a small write. The notice is empty if
        another one was sent just before; `add` the names in that case.
        """
        if self._clock.monotonic() < self._sent_at + NOTIFY_PAUSE:
            return _NOTHING
        self._notice |= Notice(frozenset(names))
        return self._take()

    def ping(self) -> None:
        """Send a notice even if it reports nothing, so that all listeners receive one."""
        self._ping_due = True
        self._wakeup.set()

    def _take(self) -> Notice:
        notice, self._notice = self._notice, _NOTHING
        self._ping_due = False
        self._sent_at = self._clock.monotonic()
        return notice

    async def run(self) -> None:
        """Send notices until cancelled. After a failure, receivers rely on polling."""
        while True:
            await self._wakeup.wait()
            while (wait := self._sent_at + NOTIFY_PAUSE - self._clock.monotonic()) > 0:
                await sleep(wait + SLACK)  # a write may take a notice along meanwhile
            if self._notice or self._ping_due:
                await self._send()

    async def flush(self) -> None:
        """Send what is not sent yet, after `run` has ended."""
        if self._notice:
            await self._send()

    async def _send(self) -> None:
        notice = self._take()
        with suppress(StoreError):
            await self._dispatch.once(self._dispatch.store.notify, notice)

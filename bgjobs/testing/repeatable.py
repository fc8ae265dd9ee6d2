"""`check_repeatable`: whether a handler may run more than once."""

import inspect
from collections.abc import Awaitable, Callable, Coroutine, Generator, Sequence
from copy import deepcopy
from datetime import timedelta
from difflib import ndiff
from functools import partial
from pprint import pformat
from typing import Any, TypeVar, final
from uuid import UUID

from anyio import CancelScope, Event, create_task_group, move_on_after
from attrs import define, evolve, field, frozen

from bgjobs.clock import Clock
from bgjobs.config import AnyWorker
from bgjobs.deferred import refuse_deferred
from bgjobs.expecting import check_whole
from bgjobs.ids import new_id
from bgjobs.jobs import FailedJob, Job, JobRequest, SucceededJob
from bgjobs.runtime.attempt import Attempt
from bgjobs.stores.abc import Store
from bgjobs.stores.sqlite import SQLiteStore
from bgjobs.testing.clock import patience
from bgjobs.testing.internals import opened
from bgjobs.testing.run_one import LEASE, POLICY, Hand, check_request, clock_of_loop, put

T = TypeVar("T")

_ADVICE = """\
A job is run at least once: what a handler does before its end is stored may be done again.
Let it find what is done already (a unique key and `on conflict do nothing`, the job's id as the
key of a request), or write it with `context.complete_with`: that is done exactly once."""


@final
@frozen
class History:
    """One way in which a job comes to be run by two owners."""

    text: str
    place: int = 0
    """At which `await` the first owner loses the job; 0 is before its handler begins."""
    goes_on: bool = False
    """Whether its handler goes on after that, or is cancelled."""


ONCE = History("One owner ran the job.")
ENDED = History(
    "An owner ran the handler to its end and died before that was stored; another one ran the "
    "job again."
)
LATE = History(
    "An owner was held up before it began, lost the job to another one that ran it to its end, "
    "and then ran the handler all the same.",
    goes_on=True,
)


async def check_repeatable(
    worker: AnyWorker,
    request: JobRequest,
    *,
    effects: Callable[[], T | Awaitable[T]],
    reset: Callable[[], object],
    store: Store | None = None,
    most_places: int = 10,
) -> Sequence[str]:
    """Run a job once, and then again in each way in which that may happen; compare.

    `effects` reads what the handler has done, and `reset` undoes it; both may be async. The
    job is run twice as if the first end had been lost, and with its reservation stolen: an
    async handler is held up at each `await`, at up to `most_places` of them, while another
    owner runs the job, and then goes on or is cancelled. A plain handler cannot be held up.

    The store is a new one in memory unless you give one, with the tables that `complete_with`
    needs; **ended jobs in it are deleted**. Gives what was tried, in words.

    Raises:
        AssertionError: Something was changed that one run alone does not change, or the job
            did not succeed in the end; the text says how it came to that.
    """
    check_request(worker, request)
    check_whole("most_places", most_places, least=1)
    for what, function in (("effects", effects), ("reset", reset)):
        if not callable(function):
            raise TypeError(f"{what}: expected a function, found {type(function).__name__}")
    used = SQLiteStore(":memory:") if store is None else store
    with opened(used):
        trial = _Trial(worker, request, used, effects, reset, clock_of_loop())
        once, steps = await trial.once()
        histories = [ENDED, LATE, *_stolen(steps, most_places)]
        for history in histories:
            found = await trial.again(history)
            if found != once:
                raise AssertionError(_difference(worker.name, history, once, found))
    return [history.text for history in histories]


def _stolen(steps: int, most: int) -> Sequence[History]:
    """Give the histories in which the first owner has begun, evenly spread."""
    count = min(steps, most)
    places = sorted({round(1 + at * (steps - 1) / max(count - 1, 1)) for at in range(count)})
    return [history for place in places for history in _stolen_at(place, steps)]


def _stolen_at(place: int, steps: int) -> Sequence[History]:
    where = f"An owner lost its lease when its handler was at await {place} of {steps}"
    return (
        History(
            f"{where}, and the handler was cancelled; another one ran the job.", place=place
        ),
        History(
            f"{where}; another one ran the job to its end, and then the first handler went on.",
            place=place,
            goes_on=True,
        ),
    )


@final
@define(eq=False)
class _Trial:
    """Runs one job, with the same id each time, in a world that is as before each time."""

    worker: AnyWorker
    request: JobRequest
    store: Store
    effects: Callable[[], Any]
    reset: Callable[[], object]
    clock: Clock
    job_id: UUID = field(factory=new_id)
    before: Any = None  # whatever the user's `effects` gives

    async def once(self) -> tuple[Any, int]:
        """Run the job once; give its effects and the number of its steps."""
        self.before = await self._prepare()
        steps = 0

        async def count(step: int) -> None:
            nonlocal steps
            steps = step

        hand = self._hand(count)
        run, _, _ = hand.settle(await hand.run(hand.begin(hand.reserve(self.job_id))))
        if failure := run.failure():
            raise failure
        self._check_succeeded(ONCE)
        found = await _read(self.effects)
        if found == self.before:
            raise AssertionError(
                f"effects: one run of {self.worker.name!r} changed nothing that they read, so "
                f"there is nothing to compare; found {found!r}"
            )
        return found, steps

    async def again(self, history: History) -> Any:
        """Run the job as in `history`; give its effects."""
        before = await self._prepare()
        if before != self.before:
            raise AssertionError(
                f"reset: expected the same effects before each run, found {before!r} "
                f"after {self.before!r}"
            )
        with move_on_after(patience(None)) as scope:
            await self._first_owner(history)
            await self._finish()
        if scope.cancelled_caught:
            raise AssertionError(
                f"{_about(self.worker.name, history)}That did not end: does the handler hold a "
                f"lock of this process where it waits?"
            )
        self._check_succeeded(history)
        return await _read(self.effects)

    async def _first_owner(self, history: History) -> None:
        if history is ENDED or not history.goes_on:
            await self._lose_it(history.place)
        elif history.place:
            await self._lose_it_and_go_on(history.place)
        else:
            hand = Hand(self.store, self.worker, self.clock)
            job = hand.reserve(self.job_id)
            hand.die(job)
            await self._finish()
            await hand.run(hand.begin(job))

    async def _lose_it(self, place: int) -> None:
        """Run the handler, cancelled at this place, and store nothing of its end."""
        attempts: list[Attempt] = []

        async def cut(step: int) -> None:
            if step == place:
                attempts[0].interrupt()

        hand = self._hand(cut)
        job = hand.reserve(self.job_id)
        attempts.append(hand.begin(job))
        await hand.run(attempts[0])
        hand.die(job)

    async def _lose_it_and_go_on(self, place: int) -> None:
        """Run the handler up to this place, then the whole job elsewhere, then the rest."""
        stopped, goes_on = Event(), Event()

        async def wait(step: int) -> None:
            if step == place:
                stopped.set()
                await goes_on.wait()

        hand = self._hand(wait)
        job = hand.reserve(self.job_id)

        async def run_first() -> None:
            run = await hand.run(hand.begin(job))
            stopped.set()  # it may have ended before that place
            await goes_on.wait()
            hand.settle(run)  # in vain: that is what its fence is for

        async with create_task_group() as group:
            group.start_soon(run_first)
            try:
                await stopped.wait()
                hand.die(job)
                await self._finish()
            finally:
                goes_on.set()

    async def _finish(self) -> None:
        """Let another owner run the job until it has ended, as often as a queue would."""
        for _ in range(POLICY.max_retries + 1):
            if not isinstance(self.store.find(self.job_id), Job):
                return
            hand = Hand(self.store, self.worker, self.clock)
            hand.settle(await hand.run(hand.begin(hand.reserve(self.job_id))))

    async def _prepare(self) -> Any:
        await _called("reset", self.reset)
        never = self.clock.now() + LEASE
        while self.store.prune(
            succeeded_for=timedelta(0), failed_for=timedelta(0), limit=1000, now=never
        ):
            pass
        put(self.store, self.request, self.job_id, self.clock.now())
        return await _read(self.effects)

    def _hand(self, at_step: Callable[[int], Awaitable[None]]) -> Hand:
        worker = self.worker
        if not worker.is_async:
            return Hand(self.store, worker, self.clock)

        async def call(*args: Any, **kwargs: Any) -> object:
            answer = worker.handler(*args, **kwargs)
            return await Stepped(answer, at_step) if inspect.iscoroutine(answer) else answer

        return Hand(self.store, evolve(worker, handler=call), self.clock)

    def _check_succeeded(self, history: History) -> None:
        job = self.store.find(self.job_id)
        if isinstance(job, SucceededJob):
            return
        if isinstance(job, FailedJob):
            found = f"It failed: {job.error}"
        elif job is not None and job.errors:
            found = f"It waits for another try: {job.errors[-1].error}"
        else:
            found = "It is put off again and again."
        raise AssertionError(
            f"{_about(self.worker.name, history)}The job did not succeed. {found}"
        )


async def _called(what: str, function: Callable[[], Any]) -> Any:
    answer = function()
    found = await answer if inspect.isawaitable(answer) else answer
    refuse_deferred(what, found)
    return found


async def _read(effects: Callable[[], Any]) -> Any:
    return deepcopy(await _called("effects", effects))  # it may be a list that goes on growing


def _about(worker: str, history: History) -> str:
    return f"worker {worker!r} is not repeatable\n\n{history.text}\n"


def _difference(worker: str, history: History, once: object, found: object) -> str:
    lines = ndiff(pformat(once).splitlines(), pformat(found).splitlines())
    shown = "\n".join(f"  {line}" for line in lines if not line.startswith("?"))
    what = f"{_about(worker, history)}- is what one run does, + is what this did:"
    return f"{what}\n{shown}\n\n{_ADVICE}"


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

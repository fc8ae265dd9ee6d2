"""`check_repeatable`: whether a handler may run more than once for a job.

Delivery is at least once. A job runs again if the end of its run was not stored, because the
process died, or was suspended until the lease of its owner ended and another owner took the
job. The first run may have done all of its work or a part of it, and it may continue beside the
second run or after it. Only what was given to `complete_with` is written once, together with
the end of the job.
"""

import inspect
from collections.abc import Awaitable, Callable, Coroutine, Generator, Sequence
from copy import deepcopy
from datetime import timedelta
from difflib import ndiff
from functools import partial
from pprint import pformat
from typing import Any, TypeVar, final, get_args
from uuid import UUID

from anyio import CancelScope, Event, create_task_group, move_on_after
from attrs import define, evolve, field, frozen

from bgjobs._core.arguments import check_whole
from bgjobs._core.clock import Clock
from bgjobs._core.config import AnyWorker
from bgjobs._core.ids import new_id
from bgjobs._core.jobs import CancelledJob, EndState, FailedJob, Job, SucceededJob
from bgjobs._core.lazy import refuse_lazy
from bgjobs._core.outcomes import RetryPolicy
from bgjobs._core.requests import JobRequest
from bgjobs._runtime.queues.attempt import Attempt, Environment
from bgjobs.stores.port import Store
from bgjobs.stores.sqlite import SQLiteStore
from bgjobs.testing.clock import wait_limit
from bgjobs.testing.internals import opened
from bgjobs.testing.manual import check_given, manual_environment
from bgjobs.testing.run_one import LEASE, ManualOwner, check_request, clock_of_loop, put

T = TypeVar("T")

MOST_RETRIES = 20
"""Retries in one history; a worker may allow a million, and a job that fails so often fails."""

_ADVICE = """\
A job runs at least once: what a handler does before its end is stored may be done again.
Make the handler detect work that is already done, for example with a unique key and `on
conflict do nothing`, or with the job id as the idempotency key of a request. Or write its
effects with `context.complete_with`, which does that exactly once."""


@final
@frozen
class History:
    """One sequence of events in which two owners run the same job."""

    text: str
    place: int = 0
    """The `await` at which the first owner loses the job; 0 is before its handler begins."""
    continues: bool = False
    """Whether the first handler continues afterwards; otherwise it is cancelled."""


ONCE = History("One owner ran the job.")
ENDED = History(
    "The first owner ran the handler to its end, but died before the end was stored; the "
    "second owner ran the job again."
)
LATE = History(
    "The first owner was suspended before it called the handler; the second owner ran the job "
    "to its end; then the first owner called the handler.",
    continues=True,
)


async def check_repeatable(
    worker: AnyWorker,
    request: JobRequest,
    *,
    effects: Callable[[], T | Awaitable[T]],
    reset: Callable[[], object],
    store: Store | None = None,
    resources: object = None,
    most_places: int = 10,
) -> Sequence[str]:
    """Check that running a job again has the same effects as running it once.

    The job runs once alone. Then it runs again, from the same start, in each sequence of events
    in which two owners run it: the end of the first run is lost; the first owner starts late;
    and the first owner loses the job while its handler waits at an `await`, after which the
    handler is cancelled or continues. A plain handler has no `await`, so only the first two
    apply.

    Args:
        worker: The worker of the job.
        request: The job. It has the same id in all runs.
        effects: Returns what the handler has done, as a value to compare; may be async.
        reset: Undoes it; may be async.
        store: The store to use, for example one with the tables of `complete_with`; by default
            a new SQLite store in memory. **Ended jobs in it are deleted.**
        resources: As for `run_one`; the same object in all runs.
        most_places: At how many of the `await` of the handler to take the job away.

    Returns:
        A sentence for each sequence of events that was tried.

    Raises:
        AssertionError: A sequence had other effects than one run, or the job did not succeed in
            it; the message describes the sequence and the difference.
        Exception: What the handler raised in its first run.
    """
    check_request(worker, request)
    check_whole("most_places", most_places, least=1)
    for what, function in (("effects", effects), ("reset", reset)):
        if not callable(function):
            raise TypeError(f"{what}: expected a function, found {type(function).__name__}")
    check_given(worker, resources)
    used, clock = SQLiteStore(":memory:") if store is None else store, clock_of_loop()
    with opened(used):
        async with manual_environment(worker, used, clock, resources) as environment:
            trial = _Trial(worker, request, used, effects, reset, clock, environment)
            histories = await _try_all(trial, most_places)
    return [history.text for history in histories]


async def _try_all(trial: "_Trial", most_places: int) -> Sequence[History]:
    """Return all histories, each of which had the effects of one run."""
    once, steps = await trial.once()
    histories = [ENDED, LATE, *_stolen(steps, most_places)]
    for history in histories:
        found = await trial.again(history)
        if found != once:
            raise AssertionError(_difference(trial.worker.name, history, once, found))
    return histories


def _stolen(steps: int, most: int) -> Sequence[History]:
    """Return the histories for evenly spread places of the handler."""
    count = min(steps, most)
    places = sorted({round(1 + at * (steps - 1) / max(count - 1, 1)) for at in range(count)})
    return [history for place in places for history in _stolen_at(place, steps)]


def _stolen_at(place: int, steps: int) -> Sequence[History]:
    where = f"The first owner lost its lease while its handler was at await {place} of {steps}"
    return (
        History(
            f"{where}; the handler was cancelled; the second owner ran the job.", place=place
        ),
        History(
            f"{where}; the second owner ran the job to its end; the first handler continued.",
            place=place,
            continues=True,
        ),
    )


@final
@define(eq=False)
class _Trial:
    """Runs one job several times, with the same id and from the same start."""

    worker: AnyWorker
    request: JobRequest
    store: Store
    effects: Callable[[], Any]
    reset: Callable[[], object]
    clock: Clock
    environment: Environment
    job_id: UUID = field(factory=new_id)
    before: Any = None  # whatever the `effects` of the user returns

    async def once(self) -> tuple[Any, int]:
        """Run the job once; return its effects and the number of times that it waited."""
        self.before = await self._prepare()
        steps = 0

        async def count(step: int) -> None:
            nonlocal steps
            steps = step

        owner = self._owner(count)
        run, _, _ = owner.settle(await owner.run(owner.begin(owner.reserve(self.job_id))))
        if failure := run.failure():
            raise failure
        self._check_succeeded(ONCE)
        found = await _read(self.effects)
        if found == self.before:
            raise AssertionError(
                f"effects: one run of {self.worker.name!r} did not change what they return, so "
                f"there is nothing to compare; found {found!r}"
            )
        return found, steps

    async def again(self, history: History) -> Any:
        """Run the job as in `history`; return its effects."""
        before = await self._prepare()
        if before != self.before:
            raise AssertionError(
                f"reset: expected the same effects before each run, found {before!r} "
                f"after {self.before!r}"
            )
        with move_on_after(wait_limit(None)) as scope:
            await self._first_owner(history)
            await self._finish()
        if scope.cancelled_caught:
            raise AssertionError(
                f"{_about(self.worker.name, history)}This did not end; does the handler wait "
                f"while it holds a lock of this process?"
            )
        self._check_succeeded(history)
        return await _read(self.effects)

    async def _first_owner(self, history: History) -> None:
        if history is ENDED or not history.continues:
            await self._run_and_lose(history.place)
        elif history.place:
            await self._run_beside(history.place)
        else:
            owner = self._owner_of(self.worker)
            job = owner.reserve(self.job_id)
            owner.lose(job)
            await self._finish()
            await owner.run(owner.begin(job))

    async def _run_and_lose(self, place: int) -> None:
        """Run the handler, cancel it at this place, and do not store its end."""
        attempts: list[Attempt] = []

        async def cut(step: int) -> None:
            if step == place:
                attempts[0].interrupt()

        owner = self._owner(cut)
        job = owner.reserve(self.job_id)
        attempts.append(owner.begin(job))
        await owner.run(attempts[0])
        owner.lose(job)

    async def _run_beside(self, place: int) -> None:
        """Run the handler up to this place, then the job with another owner, then the rest."""
        stopped, resume = Event(), Event()

        async def wait(step: int) -> None:
            if step == place:
                stopped.set()
                await resume.wait()

        owner = self._owner(wait)
        job = owner.reserve(self.job_id)

        async def run_first() -> None:
            run = await owner.run(owner.begin(job))
            stopped.set()  # the handler may end before that place
            await resume.wait()
            owner.settle(run)  # without effect, as the fence rejects it

        async with create_task_group() as group:
            group.start_soon(run_first)
            try:
                await stopped.wait()
                owner.lose(job)
                await self._finish()
            finally:
                resume.set()

    async def _finish(self) -> None:
        """Run the job with other owners until it has ended, at most as often as a queue."""
        policy = RetryPolicy().overridden(self.worker.max_retries, None)
        for _ in range(1 + min(policy.max_retries, MOST_RETRIES)):
            if not isinstance(self.store.find(self.job_id), Job):
                return
            owner = self._owner_of(self.worker)
            owner.settle(await owner.run(owner.begin(owner.reserve(self.job_id))))

    async def _prepare(self) -> Any:
        await _called("reset", self.reset)
        never = self.clock.now() + LEASE
        for state in get_args(EndState):
            while self.store.prune(state, timedelta(0), limit=1000, now=never):
                pass
        put(self.store, self.request, self.job_id, self.clock.now())
        return await _read(self.effects)

    def _owner(self, at_step: Callable[[int], Awaitable[None]]) -> ManualOwner:
        worker = self.worker
        if not worker.is_async:
            return self._owner_of(worker)

        async def call(*args: Any, **kwargs: Any) -> object:
            answer = worker.handler(*args, **kwargs)
            return await Stepped(answer, at_step) if inspect.iscoroutine(answer) else answer

        return self._owner_of(evolve(worker, handler=call))

    def _owner_of(self, worker: AnyWorker) -> ManualOwner:
        return ManualOwner(self.store, worker, self.clock, self.environment)

    def _check_succeeded(self, history: History) -> None:
        job = self.store.find(self.job_id)
        if isinstance(job, SucceededJob):
            return
        if isinstance(job, FailedJob):
            found = f"It failed: {job.error}"
        elif isinstance(job, CancelledJob):
            found = f"It was cancelled: {job.reason}"
        elif job is not None and job.errors:
            found = f"It waits for a retry: {job.errors[-1].error}"
        else:
            found = "It was snoozed each time."
        raise AssertionError(
            f"{_about(self.worker.name, history)}The job did not succeed. {found}"
        )


async def _called(what: str, function: Callable[[], Any]) -> Any:
    answer = function()
    found = await answer if inspect.isawaitable(answer) else answer
    refuse_lazy(what, found)
    return found


async def _read(effects: Callable[[], Any]) -> Any:
    return deepcopy(await _called("effects", effects))  # a list may grow in the next run


def _about(worker: str, history: History) -> str:
    return f"worker {worker!r} is not repeatable\n\n{history.text}\n"


def _difference(worker: str, history: History, once: object, found: object) -> str:
    lines = ndiff(pformat(once).splitlines(), pformat(found).splitlines())
    shown = "\n".join(f"  {line}" for line in lines if not line.startswith("?"))
    what = f"{_about(worker, history)}- is the effect of one run, + is the effect of this:"
    return f"{what}\n{shown}\n\n{_ADVICE}"


@final
class Stepped(Awaitable[T]):
    """Awaits a coroutine, and `at_step(number)` each time before the coroutine resumes.

    The number counts from 1. `at_step` cannot be cancelled. The values that a coroutine and its
    event loop exchange are private to the event loop, hence Any.
    """

    def __init__(
        self, coroutine: Coroutine[Any, Any, T], at_step: Callable[[int], Awaitable[None]]
    ) -> None:
        self._coroutine = coroutine
        self._at_step = at_step

    def __await__(self) -> Generator[Any, Any, T]:
        """Pass values between the coroutine and the event loop."""
        resume: Callable[[], Any] = partial(self._coroutine.send, None)
        step = 0
        while True:
            try:
                request = resume()
            except StopIteration as end:
                value: T = end.value
                return value
            try:
                answer = yield request
            except BaseException as error:  # noqa: BLE001 - thrown into the coroutine
                resume = partial(self._coroutine.throw, error)
            else:
                resume = partial(self._coroutine.send, answer)
            step += 1
            yield from self._pause(step).__await__()

    async def _pause(self, step: int) -> None:
        # Trio ends a sleep by a cancellation, which is meant for the coroutine.
        with CancelScope(shield=True):
            await self._at_step(step)

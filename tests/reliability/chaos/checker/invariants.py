"""The invariants of jobs and schedules, checked on everything that a phase has left behind."""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import final, get_args

from attrs import field, frozen

from bgjobs._core.jobs import EndState
from tests.reliability.chaos.checker import history
from tests.reliability.chaos.checker.audit import Entry
from tests.reliability.chaos.processes.handlers import KEEPING, TREE

MOST_RETRIES, MOST_CRASHES, MOST_INTERRUPTIONS = 3, 3, 100
"""The limits that the workers of a phase have."""
SALE = "sale-"
"""The prefix of the keys of jobs that were stored together with a row of the application."""
ENDS = get_args(EndState)


@final
@frozen
class Violation:
    """A violated invariant."""

    kind: str
    """"lost", "duplicated" or "wrong"."""
    text: str


@final
@frozen(kw_only=True)
class JobRecord:
    """The final state of a job."""

    id: str
    name: str
    state: str
    """As `State`; never "unreadable"."""
    key: str = ""
    number: int = 1
    attempts: int = 0
    crashes: int = 0
    interruptions: int = 0
    error: str = ""
    result: str | None = None
    """What was kept of its run, as JSON text."""
    progress: float | None = None
    parent: str | None = None
    """The job that it belongs to."""
    occurrence: tuple[str, int, int | None] | None = None
    """The name of the scheduled job, the occurrence and the previous occurrence."""


@final
@frozen
class Run:
    """A call of a handler."""

    job: str
    number: int


@final
@frozen
class Effect:
    """A row that was written in the transaction that completed a job."""

    job: str
    number: int


@final
@frozen(kw_only=True)
class Observations:
    """Everything that a phase has left behind."""

    jobs: Sequence[JobRecord]
    acknowledged: Collection[str] = ()
    entries: Sequence[Entry] = ()
    runs: Sequence[Run] = ()
    snoozes: Mapping[str, int] = field(factory=dict[str, int])
    effects: Sequence[Effect] = ()
    ends: Sequence[str] = ()
    """The jobs for which functions of `on_failure` have written a row, once for each row."""
    sales: Collection[str] = ()
    reasons: Callable[[str, str], bool] = lambda name, error: True
    """Whether a job of a worker may have failed with an error."""
    crashing_workers: Collection[str] = ()
    """Workers whose handlers crash their queue, which counts a crash while its lease lasts."""
    is_time_true: bool = True
    """Whether all leases were written by one clock that did not jump."""
    others: Sequence[str] = ()
    """Problems of processes, connections or the files of the database."""


def violations(observed: Observations) -> list[Violation]:
    """Return all violations."""
    return [
        *_unended(observed),
        *_ended_twice(observed),
        *_effects(observed),
        *_ends(observed),
        *_progress(observed),
        *_keys(observed),
        *_sales(observed),
        *_runs(observed),
        *_limits(observed),
        *_occurrences(observed),
        *_reasons(observed),
        *_results(observed),
        *(Violation("wrong", text) for text in _histories(observed)),
        *(Violation("wrong", text) for text in observed.others),
    ]


def _unended(observed: Observations) -> Iterator[Violation]:
    """All acknowledged jobs exist, and only the next occurrence of each schedule waits."""
    for job_id in set(observed.acknowledged) - {job.id for job in observed.jobs}:
        yield Violation("lost", f"{job_id}: acknowledged, but not in the database")
    for job in observed.jobs:
        if job.state == "running":
            yield Violation("wrong", f"{job.id} ({job.name}): still running after the drain")
        elif job.state in ("waiting", "delayed") and job.occurrence is None:
            yield Violation("lost", f"{job.id} ({job.name}): never ended")


def _results(observed: Observations) -> Iterator[Violation]:
    """Each job that keeps its result has that of its own run, and the others have none."""
    for job in observed.jobs:
        if job.name == TREE:  # see `trees`
            continue
        keeps = job.name == KEEPING and job.state == "succeeded"
        if job.result != (f'"{job.key}"' if keeps else None):
            yield Violation("wrong", f"{job.id} ({job.name}): has the result {job.result}")


def _ended_twice(observed: Observations) -> Iterator[Violation]:
    tables = Counter(job.id for job in observed.jobs)
    for job, count in tables.items():
        if count > 1:
            yield Violation("duplicated", f"{job}: in {count} tables")
    ends = Counter(one.job for one in observed.entries if one.what in ENDS)
    for job, count in ends.items():
        if count > 1:
            yield Violation("duplicated", f"{job}: ended {count} times")


def _effects(observed: Observations) -> Iterator[Violation]:
    """Each succeeded job has one effect, of the reservation that completed it."""
    written = defaultdict[str, list[int]](list)
    for effect in observed.effects:
        written[effect.job].append(effect.number)
    for job in observed.jobs:
        numbers = written.pop(job.id, [])
        what = f"{job.id} ({job.name}, {job.state})"
        if len(numbers) > 1:
            yield Violation("duplicated", f"{what}: {len(numbers)} effects, of runs {numbers}")
        elif numbers and job.state != "succeeded":
            yield Violation("duplicated", f"{what}: an effect, though it did not succeed")
        elif job.state == "succeeded" and not numbers:
            yield Violation("lost", f"{what}: no effect")
        elif numbers and numbers != [job.number]:
            yield Violation(
                "wrong", f"{what}: effect of run {numbers[0]}, ended by {job.number}"
            )
    for job_id in written:
        yield Violation("wrong", f"{job_id}: an effect of a job that does not exist")


def _ends(observed: Observations) -> Iterator[Violation]:
    """Each failed job has one row that the function of its worker wrote, and others none."""
    written = Counter(observed.ends)
    for job in observed.jobs:
        count = written.pop(job.id, 0)
        what = f"{job.id} ({job.name}, {job.state})"
        if count > 1:
            yield Violation("duplicated", f"{what}: {count} rows of its end")
        elif count and job.state != "failed":
            yield Violation("wrong", f"{what}: a row of its end, though it did not fail")
        elif job.state == "failed" and not count:
            yield Violation("lost", f"{what}: no row of its end")
    for job_id in written:
        yield Violation("wrong", f"{job_id}: a row of the end of a job that does not exist")


def _progress(observed: Observations) -> Iterator[Violation]:
    """The progress of a succeeded job is the last that the run reported which completed it.

    A run reports the number of its reservation last.
    """
    for job in observed.jobs:
        if job.state == "succeeded" and job.progress != job.number:
            what = f"{job.id} ({job.name}), ended by {job.number}"
            yield Violation("lost", f"{what}: its progress is {job.progress}")


def _keys(observed: Observations) -> Iterator[Violation]:
    """Each key is stored once; children may be stored anew, see `trees`."""
    keys = (job.key for job in observed.jobs if job.key and job.parent is None)
    for key, count in Counter(keys).items():
        if count > 1:
            yield Violation("duplicated", f"{key}: stored {count} times")


def _sales(observed: Observations) -> Iterator[Violation]:
    jobs = [job for job in observed.jobs if job.parent is None]
    keys = {job.key for job in jobs if job.key.startswith(SALE)}
    for key in set(observed.sales) - keys:
        yield Violation("lost", f"{key}: the row exists, but its job does not")
    for key in keys - set(observed.sales):
        yield Violation("wrong", f"{key}: the job exists, but its row does not")


def _runs(observed: Observations) -> Iterator[Violation]:
    """A reservation leads to one call of the handler; a counter accounts for each other one."""
    for run, count in Counter(observed.runs).items():
        if count > 1:
            yield Violation("wrong", f"{run.job}: {count} runs under reservation {run.number}")
    runs = Counter(run.job for run in observed.runs)
    for job in observed.jobs:
        counted = job.attempts + job.crashes + job.interruptions
        most = 1 + counted + observed.snoozes.get(job.id, 0)
        if job.name == TREE:  # ends of handlers that wait for children are not counted
            most = job.number
        if runs[job.id] > min(most, job.number):
            yield Violation(
                "wrong",
                f"{job.id} ({job.name}): {runs[job.id]} runs, expected at most {most}",
            )


def _limits(observed: Observations) -> Iterator[Violation]:
    for job in observed.jobs:
        over = job.state == "failed"
        if (
            job.attempts > MOST_RETRIES
            or job.crashes > MOST_CRASHES + over
            or job.interruptions > MOST_INTERRUPTIONS + over
        ):
            yield Violation("wrong", f"{job.id} ({job.name}): beyond a limit: {job}")


def _occurrences(observed: Observations) -> Iterator[Violation]:
    """Each occurrence has one job, which names the previous occurrence."""
    chains = defaultdict[str, list[tuple[int, int | None]]](list)
    for job in observed.jobs:
        if job.occurrence is not None:
            name, due, previous = job.occurrence
            chains[name].append((due, previous))
    for name, chain in chains.items():
        for (before, _), (due, previous) in pairwise(sorted(chain, key=_by_due)):
            if before == due:
                yield Violation("duplicated", f"{name}: two jobs for {due}")
            elif previous != before:
                yield Violation(
                    "lost", f"{name}: the occurrence before {due} is {before}, not {previous}"
                )
        waiting = [one for one in observed.jobs if _waits_for(one, name)]
        if len(waiting) != 1:
            yield Violation(
                "wrong", f"{name}: {len(waiting)} jobs wait for the next occurrence"
            )


def _waits_for(job: JobRecord, name: str) -> bool:
    is_live = job.state not in ENDS
    return is_live and job.occurrence is not None and job.occurrence[0] == name


def _by_due(link: tuple[int, int | None]) -> int:
    return link[0]


def _reasons(observed: Observations) -> Iterator[Violation]:
    for job in observed.jobs:
        if job.state == "failed" and not observed.reasons(job.name, job.error):
            yield Violation("wrong", f"{job.id} ({job.name}): failed with {job.error[:200]}")


def _histories(observed: Observations) -> Iterator[str]:
    names = {job.id: job.name for job in observed.jobs}
    histories = history.by_job(observed.entries)
    for job in names.keys() - histories.keys():
        yield f"{job} ({names[job]}): no entry in the audit log"
    for job, entries in histories.items():
        may_crash = not observed.is_time_true or names.get(job) in observed.crashing_workers
        for text in history.faults(entries, may_crash=may_crash):
            yield f"{job} ({names.get(job, 'deleted')}): {text}"


def counted(found: Iterable[Violation]) -> Mapping[str, int]:
    """Count violations by kind."""
    return Counter(one.kind for one in found)

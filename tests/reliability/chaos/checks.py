"""What is wrong after a storm: pure checks of what was left behind."""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import final

from attrs import field, frozen

from tests.reliability.chaos import history
from tests.reliability.chaos.audit import Entry

MOST_RETRIES, MOST_CRASHES, MOST_INTERRUPTIONS = 3, 3, 100
"""The limits that the workers of a storm have."""
SALE = "sale-"
"""How the keys of jobs begin that were stored with a row of the application's own."""
ENDS = ("succeeded", "failed")


@final
@frozen
class Finding:
    """One thing that is wrong."""

    kind: str
    """"lost", "doubled" or "wrong"."""
    text: str


@final
@frozen(kw_only=True)
class Fate:
    """What became of a job."""

    id: str
    name: str
    state: str
    """"waiting", "reserved", "succeeded" or "failed"."""
    key: str = ""
    number: int = 1
    attempts: int = 0
    crashes: int = 0
    interruptions: int = 0
    error: str = ""
    occurrence: tuple[str, int, int | None] | None = None
    """The scheduled job, the instant, and the one before."""


@final
@frozen
class Run:
    """A handler that began."""

    job: str
    number: int


@final
@frozen
class Effect:
    """What was written in a completing transaction."""

    job: str
    number: int


@final
@frozen(kw_only=True)
class Evidence:
    """All that a storm has left behind."""

    fates: Sequence[Fate]
    acknowledged: Collection[str] = ()
    entries: Sequence[Entry] = ()
    runs: Sequence[Run] = ()
    snoozes: Mapping[str, int] = field(factory=dict[str, int])
    effects: Sequence[Effect] = ()
    sales: Collection[str] = ()
    reasons: Callable[[str, str], bool] = lambda name, error: True
    """Whether a job of this worker may have failed so."""
    culprits: Collection[str] = ()
    """Workers whose handlers take their queue down, and so count a crash under a live lease."""
    is_time_true: bool = True
    """Whether all leases were written by one clock that never jumps."""
    others: Sequence[str] = ()
    """What was found to be wrong with processes, connections or the database's files."""


def findings(evidence: Evidence) -> list[Finding]:
    """Give everything that is wrong, with nothing."""
    return [
        *_unended(evidence),
        *_ended_twice(evidence),
        *_effects(evidence),
        *_keys(evidence),
        *_sales(evidence),
        *_runs(evidence),
        *_limits(evidence),
        *_occurrences(evidence),
        *_reasons(evidence),
        *(Finding("wrong", text) for text in _histories(evidence)),
        *(Finding("wrong", text) for text in evidence.others),
    ]


def _unended(evidence: Evidence) -> Iterator[Finding]:
    """Whatever was acknowledged is there, and nothing waits but the next of each schedule."""
    for job in set(evidence.acknowledged) - {fate.id for fate in evidence.fates}:
        yield Finding("lost", f"{job}: acknowledged and gone")
    for fate in evidence.fates:
        if fate.state == "reserved":
            yield Finding("wrong", f"{fate.id} ({fate.name}): reserved after the drain")
        elif fate.state == "waiting" and fate.occurrence is None:
            yield Finding("lost", f"{fate.id} ({fate.name}): never ended")


def _ended_twice(evidence: Evidence) -> Iterator[Finding]:
    places = Counter(fate.id for fate in evidence.fates)
    for job, count in places.items():
        if count > 1:
            yield Finding("doubled", f"{job}: in {count} tables")
    ends = Counter(one.job for one in evidence.entries if one.what in ENDS)
    for job, count in ends.items():
        if count > 1:
            yield Finding("doubled", f"{job}: ended {count} times")


def _effects(evidence: Evidence) -> Iterator[Finding]:
    """Each success has one effect, written under the reservation that completed it."""
    written = defaultdict[str, list[int]](list)
    for effect in evidence.effects:
        written[effect.job].append(effect.number)
    for fate in evidence.fates:
        numbers = written.pop(fate.id, [])
        what = f"{fate.id} ({fate.name}, {fate.state})"
        if len(numbers) > 1:
            yield Finding("doubled", f"{what}: {len(numbers)} effects, of runs {numbers}")
        elif numbers and fate.state != "succeeded":
            yield Finding("doubled", f"{what}: an effect without a success")
        elif fate.state == "succeeded" and not numbers:
            yield Finding("lost", f"{what}: no effect")
        elif numbers and numbers != [fate.number]:
            yield Finding(
                "wrong", f"{what}: effect of run {numbers[0]}, ended by {fate.number}"
            )
    for job in written:
        yield Finding("wrong", f"{job}: an effect of a job that is not there")


def _keys(evidence: Evidence) -> Iterator[Finding]:
    for key, count in Counter(fate.key for fate in evidence.fates if fate.key).items():
        if count > 1:
            yield Finding("doubled", f"{key}: stored {count} times")


def _sales(evidence: Evidence) -> Iterator[Finding]:
    keys = {fate.key for fate in evidence.fates if fate.key.startswith(SALE)}
    for key in set(evidence.sales) - keys:
        yield Finding("lost", f"{key}: its row is there and its job is not")
    for key in keys - set(evidence.sales):
        yield Finding("wrong", f"{key}: its job is there and its row is not")


def _runs(evidence: Evidence) -> Iterator[Finding]:
    """A reservation leads to one call of the handler, and something counts each further one."""
    for run, count in Counter(evidence.runs).items():
        if count > 1:
            yield Finding("wrong", f"{run.job}: {count} runs under reservation {run.number}")
    runs = Counter(run.job for run in evidence.runs)
    for fate in evidence.fates:
        counted = fate.attempts + fate.crashes + fate.interruptions
        most = 1 + counted + evidence.snoozes.get(fate.id, 0)
        if runs[fate.id] > min(most, fate.number):
            yield Finding(
                "wrong",
                f"{fate.id} ({fate.name}): {runs[fate.id]} runs, expected at most {most}",
            )


def _limits(evidence: Evidence) -> Iterator[Finding]:
    for fate in evidence.fates:
        over = fate.state == "failed"
        if (
            fate.attempts > MOST_RETRIES
            or fate.crashes > MOST_CRASHES + over
            or fate.interruptions > MOST_INTERRUPTIONS + over
        ):
            yield Finding("wrong", f"{fate.id} ({fate.name}): past a limit: {fate}")


def _occurrences(evidence: Evidence) -> Iterator[Finding]:
    """Each instant has one job, and each job knows the one before."""
    chains = defaultdict[str, list[tuple[int, int | None]]](list)
    for fate in evidence.fates:
        if fate.occurrence is not None:
            name, due, previous = fate.occurrence
            chains[name].append((due, previous))
    for name, chain in chains.items():
        for (before, _), (due, previous) in pairwise(sorted(chain, key=_by_due)):
            if before == due:
                yield Finding("doubled", f"{name}: two jobs for {due}")
            elif previous != before:
                yield Finding("lost", f"{name}: before {due} was {before}, not {previous}")
        waiting = [one for one in evidence.fates if _waits_for(one, name)]
        if len(waiting) != 1:
            yield Finding("wrong", f"{name}: {len(waiting)} jobs wait for the next time")


def _waits_for(fate: Fate, name: str) -> bool:
    is_live = fate.state not in ENDS
    return is_live and fate.occurrence is not None and fate.occurrence[0] == name


def _by_due(link: tuple[int, int | None]) -> int:
    return link[0]


def _reasons(evidence: Evidence) -> Iterator[Finding]:
    for fate in evidence.fates:
        if fate.state == "failed" and not evidence.reasons(fate.name, fate.error):
            yield Finding("wrong", f"{fate.id} ({fate.name}): failed with {fate.error[:200]}")


def _histories(evidence: Evidence) -> Iterator[str]:
    names = {fate.id: fate.name for fate in evidence.fates}
    histories = history.by_job(evidence.entries)
    for job in names.keys() - histories.keys():
        yield f"{job} ({names[job]}): nothing was written down about it"
    for job, entries in histories.items():
        may_crash = not evidence.is_time_true or names.get(job) in evidence.culprits
        for text in history.faults(entries, may_crash=may_crash):
            yield f"{job} ({names.get(job, 'gone')}): {text}"


def counted(found: Iterable[Finding]) -> Mapping[str, int]:
    """Count by kind."""
    return Counter(one.kind for one in found)

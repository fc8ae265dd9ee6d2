"""The figures of a run, as text."""

from collections import Counter
from collections.abc import Iterator, Sequence
from statistics import median, quantiles

from tests.reliability.chaos.fleet import Report
from tests.reliability.chaos.schedules import Outcome
from tests.reliability.chaos.verdict import problems, seconds_missed


def lines(outcome: Outcome, window: tuple[float, float]) -> Iterator[str]:
    """Tell what ran, how late, at what cost, and what was wrong."""
    evidence, reports = outcome.evidence, outcome.reports
    ran_by = {one.process for one in evidence.runs}
    yield (
        f"{len(evidence.starts)} starts, {len(evidence.runs)} runs, "
        f"{seconds_missed(evidence)} missed, by {len(ran_by)} processes; "
        f"{len(evidence.killed)} killed"
    )
    begun, ended = window
    late = [one.late for one in evidence.starts if begun <= one.began < ended]
    yield f"lateness with all running: {_spread(late)}; of all starts: " + _spread(
        [one.late for one in evidence.starts]
    )
    yield from _cost(reports)
    if outcome.errors:
        yield f"stderr: {outcome.errors[-2000:]}"
    found = problems(evidence)
    yield from (f"WRONG {text}" for text in found[:20])
    fate = "once" if evidence.strict else "once or coalesced"
    yield f"every occurrence ran {fate}" if not found else f"{len(found)} problems"


def _spread(seconds: Sequence[float]) -> str:
    if len(seconds) < 2:
        return "none"
    percentiles = quantiles(seconds, n=100, method="inclusive")
    figures = (median(seconds), percentiles[94], percentiles[98], max(seconds))
    return "median {:.0f}, p95 {:.0f}, p99 {:.0f}, max {:.0f} ms".format(
        *(figure * 1000 for figure in figures)
    )


def _cost(reports: Sequence[Report]) -> Iterator[str]:
    shares = [100 * one["cpu"] / one["seconds"] for one in reports]
    yield (
        f"CPU of a core: median {median(shares):.1f} %, max {max(shares):.1f} %, "
        f"together {sum(shares):.0f} %"
    )
    seconds = median(one["seconds"] for one in reports)
    calls, taken, events = Counter[str](), Counter[str](), Counter[str]()
    for one in reports:
        calls.update(one["verbs"])
        taken.update(one["verb_seconds"])
        events.update(one["events"])
    for verb, count in calls.most_common():
        spent = 1000 * taken[verb] / count
        yield f"  {verb}: {count / seconds:.1f} a second, {spent:.1f} ms each"
    yield "events: " + ", ".join(f"{name} {count}" for name, count in events.most_common())
    errors = Counter(error for one in reports for error in one["errors"])
    yield from (f"  {count} times {error}" for error, count in errors.most_common(5))

"""The workers: what their runs did, how long they took, and their settings."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, final

from attrs import frozen
from markupsafe import Markup

from bgjobs import Activity, Config, Worker
from bgjobs.web.pages.page import PageRequest, WebPage
from bgjobs.web.pages.parts import by_worker, part, portion
from bgjobs.web.present.charts import sparkline
from bgjobs.web.present.histogram import histogram
from bgjobs.web.present.numbers import duration, number
from bgjobs.web.present.text import label

MOST_COUNTED = 10_000
"""Where counting the running jobs of a worker stops."""
_LONGEST = timedelta(hours=1)
"""The highest bound of the durations that are counted."""
_MINUTE, _HOUR, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SHARES = (0.5, 0.95, 0.99)
_SCHEDULED_RETRIES = 3
"""What a scheduled job has that names no other number."""


@final
@frozen
class ListedWorker:
    """A worker, as the page shows it."""

    name: str
    worker: Worker[..., Any] | None
    """None if only runs are known."""
    hour: Activity | None
    """What it did in the last hour; None if nothing."""
    day: Activity | None
    course: Markup
    """Its runs by the hour."""
    retries: str
    running: int | None
    """How many of its jobs run, if that is limited and can be read."""

    @property
    def quantiles(self) -> Sequence[Markup | str]:
        """The times within which half, 95 % and 99 % of the runs of a day ended."""
        return [quantile_text(self.day, share) for share in _SHARES]

    @property
    def durations(self) -> Markup | None:
        """How long the runs of a day took; None if there were none."""
        if self.day is None or not any(self.day.durations):
            return None
        return histogram(f"{label(self.name, 60)}: durations in 24 hours", self.day)


async def load(page: PageRequest) -> Mapping[str, Any]:
    """Return the workers of the configuration, and those of which only runs are known."""
    configured = {one.name: one for one in page.config.all_workers()}
    hours = await part(page.client.activity(_DAY, _HOUR))
    # Another program may have written a name with NUL, which no call accepts.
    others = {one.worker for one in hours or () if "\0" not in one.worker} - {*configured}
    shown = portion(page, "/workers", [*configured, *sorted(others)])
    minutes = await part(page.client.activity(_HOUR, _MINUTE, names=shown.rows))
    days, last = by_worker(hours or ()), by_worker(minutes or ())
    courses = _courses(hours or (), page.config.clock.now())
    retries = _retries(page.config)
    rows = [
        ListedWorker(
            name=name,
            worker=configured.get(name),
            hour=last.get(name),
            day=days.get(name),
            course=_course(name, courses),
            retries=retries.get(name, "-"),
            running=await _running(page, configured.get(name)),
        )
        for name in shown.rows
    ]
    return {
        "portion": shown,
        "rows": rows,
        "at_most": MOST_COUNTED,
        "has_activity": None not in (hours, minutes),
        "limits": limit_text,
        "seconds": seconds,
    }


def _courses(hours: Sequence[Activity], now: datetime) -> Mapping[str, Sequence[int]]:
    """Return how many runs of each worker ended in each hour, the oldest first."""
    count = _DAY // _HOUR + 1
    first = now - _DAY
    start = first - (first - _EPOCH) % _HOUR
    courses: dict[str, list[int]] = {}
    for one in hours:
        values = courses.setdefault(one.worker, [0] * count)
        values[min(max(0, (one.at - start) // _HOUR), count - 1)] += one.ended
    return courses


def _course(name: str, courses: Mapping[str, Sequence[int]]) -> Markup:
    title = f"{label(name, 100)}: runs by the hour"
    return sparkline(title, courses[name]) if name in courses else Markup("-")


async def _running(page: PageRequest, worker: Worker[..., Any] | None) -> int | None:
    if worker is None or worker.cap is None or worker.cap.running is None:
        return None
    counts = await part(page.client.count([worker.name], at_most=MOST_COUNTED))
    return None if counts is None else counts.running


def _retries(config: Config) -> Mapping[str, str]:
    """Return how often the jobs of each worker are retried, which may differ by the queue."""
    found: dict[str, set[int]] = {}
    for queue in config.queues:
        for worker in queue.workers:
            own = worker.max_retries
            found.setdefault(worker.name, set()).add(queue.max_retries if own is None else own)
    for job in config.scheduled_jobs:
        given = (job.max_retries, job.worker.max_retries, _SCHEDULED_RETRIES)
        first = next(one for one in given if one is not None)
        found.setdefault(job.worker.name, set()).add(first)
    for worker in config.enqueue_only:
        if worker.max_retries is not None:
            found.setdefault(worker.name, {worker.max_retries})
    return {name: " or ".join(f"{one:,}" for one in sorted(v)) for name, v in found.items()}


def quantile_text(activity: Activity | None, share: float) -> Markup | str:
    """Return the time within which a share of the runs ended, ``-`` if none did."""
    found = None if activity is None else activity.quantile(share)
    if found is None:
        return "-"
    length = timedelta(seconds=found)
    return duration(length) + (Markup(" or more") if length >= _LONGEST else Markup(""))


def seconds(count: float) -> Markup:
    """Return a setting in seconds."""
    return duration(timedelta(seconds=count))


def limit_text(row: ListedWorker) -> Sequence[Markup]:
    """Return the limits of a worker on all nodes together."""
    cap = None if row.worker is None else row.worker.cap
    found = list[Markup]()
    if cap is not None and cap.running is not None:
        now = "-" if row.running is None else number(row.running)
        found.append(Markup("{} of {} running").format(now, number(cap.running)))
    if cap is not None and cap.rate is not None:
        allowed, period = number(cap.rate.allowed), seconds(cap.rate.period)
        found.append(Markup("{} starts in {}").format(allowed, period))
    return found


WORKERS = WebPage("/workers", "Workers", "workers.html", load, live="workers_live.html")

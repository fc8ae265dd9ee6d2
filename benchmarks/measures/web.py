"""``web``: the duration of the pages over large tables, and the cost of open browsers.

Each database gets as many waiting, succeeded and failed jobs, a week of activity, and more (see
`benchmarks.systems.site`). Each page is requested in turn, in two ways. For the ``first``
request, nothing is shared with others: all that the page shows is read from the store. The
goal bounds this one. The request ``again`` follows immediately, and shows what was read for
the first one, if the page shares it.

The page is then served over the same tables by a process, and browsers follow the overview.
After that, all jobs of a table of failed ones are retried from the page. At last, smaller
tables are drained with and without open browsers in turn: the overview counts at most 100,000
jobs of a state, so more rows would not make it slower.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import final

from attrs import frozen

from benchmarks.databases.ports import Database
from benchmarks.databases.postgres import Postgres
from benchmarks.measures.web_browsers import (
    Rest,
    browser_verdicts,
    drains_table,
    measure_drains,
    measure_rest,
    rest_figures,
    rest_table,
)
from benchmarks.measures.web_pages import GOAL, PageFigures, measure_pages, pages_table
from benchmarks.measures.web_retry import (
    Retry,
    measure_retry,
    retry_figure,
    retry_table,
    retry_verdict,
)
from benchmarks.report.figures import Figure, scale_note, write_json
from benchmarks.report.goals import Verdict, goals_table, is_missed
from benchmarks.systems.site import fill

ROUNDS, DRAINS = 2, 6
"""Rounds of requests, and of drains, which vary more."""


@final
@frozen
class Result:
    """What was measured on one database."""

    database: Database
    pages: Sequence[PageFigures]
    rest: Sequence[Rest]
    retry: Retry
    drains: Sequence[Figure]

    @property
    def report(self) -> str:
        """All tables."""
        tables = [
            pages_table(self.database, self.pages),
            rest_table(self.database, self.rest),
            retry_table(self.database, self.retry),
            drains_table(self.database, self.drains),
        ]
        return "\n\n".join(tables)

    @property
    def figures(self) -> Sequence[Figure]:
        """All figures."""
        pages = [figure for one in self.pages for figure in (one.first, one.again)]
        rest, retry = rest_figures(self.database, self.rest), self.retry
        return [*pages, *rest, retry_figure(self.database, retry), *self.drains]

    @property
    def verdicts(self) -> Sequence[Verdict]:
        """The verdicts on the cost of browsers, and on pages during an action."""
        return [
            *browser_verdicts(self.database, self.figures),
            retry_verdict(self.database, self.retry),
        ]

    @property
    def slow(self) -> Iterator[str]:
        """The pages that miss the goal."""
        return (f"{self.database.name}, {one.page}" for one in self.pages if one.is_slow)


def run(
    options: argparse.Namespace, databases: Sequence[Database], environment: Mapping[str, str]
) -> int:
    """Run the subcommand and return its exit code."""
    print(f"{options.rows:,} waiting, succeeded and failed jobs each\n")
    results = [measure(one, options) for one in databases]
    print("\n\n".join(one.report for one in results), end="\n\n")
    figures = [figure for one in results for figure in one.figures]
    write_json(options.json, environment, figures, kind="web", scale=options.scale)
    slow = [f"MISSED: {page}" for one in results for page in one.slow]
    met = f"The p95 of the first answers of each page is below {GOAL:g} ms."
    print("\n".join(slow) or met, end="\n\n")
    verdicts = [verdict for one in results for verdict in one.verdicts]
    print(goals_table(verdicts))
    print(scale_note(options.scale))
    return int(options.strict and (bool(slow) or is_missed(verdicts)))


def measure(database: Database, options: argparse.Namespace) -> Result:
    """Fill the tables and measure the pages, then the browsers."""
    backend, scale = options.backends[0], options.scale
    with ExitStack() as stack:
        if isinstance(database, Postgres):
            database = stack.enter_context(database.separate())
        with database.tables() as tables:
            fill(tables, options.rows)
            calls = (options.rounds or ROUNDS) * options.calls
            pages = measure_pages(database, tables, calls)
            rest = measure_rest(database, tables, backend, scale)
        retry = measure_retry(database, scale)
        drains = measure_drains(database, backend, options.rounds or DRAINS, scale)
    return Result(database, pages, rest, retry, drains)

"""Short chaos runs on both stores; ``nox -s chaos`` makes longer ones."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from tests.reliability.chaos import wordcount
from tests.reliability.chaos.checker.report import PhaseOutcome, lines
from tests.reliability.chaos.cluster import Cluster
from tests.reliability.chaos.digest import Trial, digest_on, example_on, make_files, run
from tests.reliability.chaos.environment import STORES, Environment, environment
from tests.reliability.chaos.faults import faults_on
from tests.reliability.chaos.phase import PhasePlan, run_phase
from tests.reliability.chaos.processes.handlers import EFFECTS

SEED = 20
PROCESS_FAULTS = (
    "kill",
    "pause",
    "kill-producers",
    "kill-points",
    "shutdown",
    "lock-contention",
)


@pytest.fixture(params=["sqlite", "postgres"])
def env(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Environment]:
    is_postgres = request.param == "postgres"
    dsn = request.getfixturevalue("postgres_dsn") if is_postgres else ""
    with environment(request.param, tmp_path, dsn) as given:
        yield given


def run_faults(env: Environment, names: Sequence[str], seconds: float) -> PhaseOutcome:
    faults = faults_on(env.store, names)
    plan = PhasePlan(name="short", faults=faults, seconds=seconds, seed=SEED)
    return run_phase(plan, env)


def has_duplicates(cluster: Cluster) -> bool:
    """Whether a job has written two effects."""
    table = cluster.settings.table(EFFECTS)
    with closing(cluster.database.connect()) as connection:
        query = f"select job from {table} group by job having count(*) > 1 limit 1"
        return connection.execute(query).fetchone() is not None


@pytest.mark.slow
def test_no_job_is_lost_or_duplicated_when_processes_are_killed_stopped_and_terminated(
    env: Environment,
) -> None:
    outcome = run_faults(env, PROCESS_FAULTS, 6.0)
    assert not outcome.violations, "\n".join(lines([outcome]))
    assert outcome.injections["kills"] > 0
    assert outcome.injections["TERM"] > 0
    assert any(what.startswith("died") for what in outcome.injections)
    assert any(what.startswith("stopped") for what in outcome.injections)


@pytest.mark.slow
def test_no_job_is_lost_or_duplicated_when_handlers_and_listeners_misbehave(
    env: Environment,
) -> None:
    outcome = run_faults(env, ["misbehaviour"], 3.0)
    assert not outcome.violations, "\n".join(lines([outcome]))
    assert any(what.startswith("misbehaved") for what in outcome.injections)


@pytest.mark.slow
def test_duplicates_are_found_without_the_fence(env: Environment) -> None:
    plan = PhasePlan(
        name="unfenced",
        faults=faults_on(env.store, ["pause"]),
        seconds=0.0,
        seed=SEED,
        unfenced=True,
        until=has_duplicates,
    )
    outcome = run_phase(plan, env)
    found = {one.kind for one in outcome.violations}
    assert "duplicated" in found, "\n".join(lines([outcome]))


@pytest.mark.slow
@pytest.mark.parametrize("store", STORES)
def test_the_digest_example_digests_each_file_once_when_it_is_killed_three_times(
    store: str, tmp_path: Path, postgres_dsn: str
) -> None:
    trial = Trial(times=3, files=100, seed=3, concurrency=2)
    lines_written: list[str] = []
    with digest_on(store, tmp_path, postgres_dsn) as digest:
        result = run(
            digest, make_files(tmp_path / "tree", trial.files), trial, lines_written.append
        )
        assert digest.count_done() == trial.files
    assert result.startswith(f"OK: {trial.files} files, each exactly once")
    assert len(lines_written) == trial.times


@pytest.mark.slow
@pytest.mark.parametrize("store", STORES)
def test_the_wordcount_example_has_the_right_total_when_it_is_killed_and_paused(
    store: str, tmp_path: Path, postgres_dsn: str
) -> None:
    trial = Trial(times=5, files=200, seed=3, concurrency=2)
    lines_written: list[str] = []
    with example_on(
        store, wordcount.SCRIPT, wordcount.TABLES, tmp_path, postgres_dsn
    ) as example:
        tree = make_files(tmp_path / "tree", trial.files)
        result = wordcount.run(example, tree, trial, lines_written.append)
        deadlocks = wordcount.deadlocks_of(example)
    assert wordcount.is_right(result, trial), result
    assert (deadlocks, len(lines_written)) == (0, trial.times)


def test_all_files_of_the_digest_tree_have_different_names(tmp_path: Path) -> None:
    files = list(make_files(tmp_path / "tree", 200).rglob("*.txt"))
    assert len(files) == 200
    assert len({file.name for file in files}) == 200

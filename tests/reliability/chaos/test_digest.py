"""The digest example outlives several kills, at whatever moment they come."""

from pathlib import Path

import pytest

from tests.reliability.chaos.digest import Trial, done, place_on, planted, run
from tests.reliability.chaos.places import STORES


@pytest.mark.slow
@pytest.mark.parametrize("store", STORES)
def test_killed_three_times_it_digests_each_file_once(
    store: str, tmp_path: Path, postgres_dsn: str
) -> None:
    trial = Trial(times=3, files=100, seed=3, concurrency=2)
    told: list[str] = []
    with place_on(store, tmp_path, postgres_dsn) as place:
        verdict = run(place, planted(tmp_path / "tree", trial.files), trial, told.append)
        assert done(place) == trial.files
    assert verdict.startswith(f"OK: {trial.files} files, each exactly once")
    assert len(told) == trial.times


def test_all_files_of_the_tree_are_different(tmp_path: Path) -> None:
    files = list(planted(tmp_path / "tree", 200).rglob("*.txt"))
    assert len(files) == 200
    assert len({file.name for file in files}) == 200

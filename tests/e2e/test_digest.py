"""The digest example, as a program that is started, killed and started again."""

import hashlib
import signal
from pathlib import Path

import pytest

from tests.e2e.digest_program import DEADLINE, Place, Row

KILLED_AFTER = 20
"""Results: far from the 400 of the tree, and `--concurrency 1` is slow."""


def expected(folder: Path) -> list[Row]:
    def row(file: Path) -> Row:
        content = file.read_bytes()
        sha256 = hashlib.sha256(content).hexdigest()
        return str(file), content.count(b"\n"), len(content), sha256

    return sorted(row(file) for file in folder.rglob("*.txt"))


def verdict(folder: Path) -> str:
    rows = expected(folder)
    size = sum(row[2] for row in rows)
    return f"OK: {len(rows):,} files, each exactly once, {size:,} bytes"


def interrupt(place: Place, folder: Path, how: signal.Signals) -> tuple[int, str]:
    """Let it do some of the work, then send it a signal; gives its exit code and output."""
    with place.started(folder, "--concurrency", "1") as process:
        place.wait_for_rows(KILLED_AFTER, process)
        process.send_signal(how)
        output, _ = process.communicate(timeout=DEADLINE)
    assert KILLED_AFTER <= len(place.rows()) < 400
    return process.returncode, output


def test_every_file_has_one_row_that_tells_what_is_in_it(place: Place, folder: Path) -> None:
    code, output, errors = place.run(folder)

    assert (code, output.splitlines()[-1]) == (0, verdict(folder)), errors
    assert f"400 files under {folder}, 0 of them digested before" in output
    assert sorted(place.rows()) == expected(folder)


@pytest.mark.slow
def test_a_finished_database_is_only_checked(place: Place, folder: Path) -> None:
    place.run(folder)
    before = place.rows()

    code, output, errors = place.run(folder)

    assert (code, output.splitlines()[-1]) == (0, verdict(folder)), errors
    assert "finished already" in output
    assert place.rows() == before


@pytest.mark.slow
def test_killed_half_way_and_started_again_it_finishes_the_rest(
    place: Place, folder: Path
) -> None:
    code, _ = interrupt(place, folder, signal.SIGKILL)
    before = len(place.rows())

    again, output, errors = place.run(folder)

    assert code == -signal.SIGKILL
    assert (again, output.splitlines()[-1]) == (0, verdict(folder)), errors
    assert f"400 files under {folder}, {before} of them digested before" in output
    assert sorted(place.rows()) == expected(folder)


def test_a_signal_stops_it_and_it_can_go_on(place: Place, folder: Path) -> None:
    code, stopped = interrupt(place, folder, signal.SIGTERM)

    again, output, errors = place.run(folder)

    assert code == 130
    assert stopped.splitlines()[-1] == "STOPPED: run the same command again to go on"
    assert (again, output.splitlines()[-1]) == (0, verdict(folder)), errors
    assert sorted(place.rows()) == expected(folder)


@pytest.mark.slow
def test_another_folder_needs_another_database(
    place: Place, folder: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    place.run(folder)
    before = place.rows()

    code, _, errors = place.run(other)

    assert code == 2
    assert f"holds the digests of {folder}, not of {other}:" in errors
    assert place.rows() == before


def test_a_folder_that_is_not_there_is_refused(on_sqlite: Place, tmp_path: Path) -> None:
    missing = tmp_path / "missing"

    code, _, errors = on_sqlite.run(missing)

    assert code == 2
    assert f"PATH: expected a folder, found none at {missing}" in errors
    assert not (tmp_path / "digest.db").exists()


def test_an_empty_folder_is_soon_done(on_sqlite: Place, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()

    code, output, _ = on_sqlite.run(empty)

    assert (code, output.splitlines()[-1]) == (0, "OK: 0 files, each exactly once, 0 bytes")


@pytest.mark.slow
def test_its_own_database_is_no_file_to_digest(on_sqlite: Place, folder: Path) -> None:
    (folder.parent / "more.txt").write_text("1\n", "utf-8")

    code, output, errors = on_sqlite.run(folder.parent)

    # 400 in the tree and the one beside it.
    assert code == 0, output + errors
    assert output.splitlines()[-1].startswith("OK: 401 files")


@pytest.mark.slow
def test_files_that_vanish_are_counted_as_unread(on_sqlite: Place, folder: Path) -> None:
    interrupt(on_sqlite, folder, signal.SIGKILL)
    digested = {path for path, *_ in on_sqlite.rows()}
    for file in folder.rglob("*.txt"):
        if str(file) not in digested:
            file.unlink()

    code, output, errors = on_sqlite.run(folder)

    assert code == 0, output + errors
    assert f"{400 - len(digested):,} of the files: gone or not readable" in output
    assert output.splitlines()[-1].startswith("OK: 400 files, each exactly once")


@pytest.mark.slow
def test_a_double_would_be_found(place: Place, folder: Path) -> None:
    place.run(folder)
    place.change(
        "insert into {table} select * from {table} where lines = 0 and path like '%ä0.txt'"
    )

    code, output, _ = place.run(folder)

    assert code == 1
    assert output.splitlines()[-1].startswith("FAILED: 1 rows too many")


@pytest.mark.slow
def test_a_file_that_changed_afterwards_is_found(on_sqlite: Place, folder: Path) -> None:
    on_sqlite.run(folder)
    (folder / "part 0" / "ä7.txt").write_text("", "utf-8")
    (folder / "new.txt").write_text("", "utf-8")

    code, output, _ = on_sqlite.run(folder)

    assert code == 1
    assert output.splitlines()[-1].startswith("FAILED: 1 files on disk without a row, 14 bytes")

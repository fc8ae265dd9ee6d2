"""The digest example as a program that is started, killed and started again."""

import hashlib
import signal
import socket
import urllib.request
from pathlib import Path

import pytest

from tests.e2e.digest_program import Row, change, rows_of
from tests.e2e.example_program import DEADLINE, ExampleProgram

KILLED_AFTER = 20
"""A number of results far below the 400 of the tree, as `--concurrency 1` is slow."""


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


def interrupt(digest: ExampleProgram, folder: Path, how: signal.Signals) -> tuple[int, str]:
    """Send a signal after some of the work is done, and return exit code and output."""
    with digest.started(folder, "--concurrency", "1") as process:
        digest.wait_until_done(KILLED_AFTER, process)
        process.send_signal(how)
        output, _ = process.communicate(timeout=DEADLINE)
    assert KILLED_AFTER <= digest.count_done() < 400
    return process.returncode, output


def test_every_file_has_one_row_with_its_digest(digest: ExampleProgram, folder: Path) -> None:
    code, output, errors = digest.run(folder)

    assert (code, output.splitlines()[-1]) == (0, verdict(folder)), errors
    assert f"400 files under {folder}, 0 of them digested before" in output
    assert sorted(rows_of(digest)) == expected(folder)


def test_the_web_page_is_served_meanwhile(on_sqlite: ExampleProgram, folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with on_sqlite.started(folder, "--concurrency", "1", "--web", address) as process:
        on_sqlite.wait_until_done(KILLED_AFTER, process)
        with urllib.request.urlopen(f"http://{address}/", timeout=DEADLINE) as answer:
            page = answer.read().decode()
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=DEADLINE)
    assert "<h1>Log in</h1>" in page
    assert f"page   http://{address}/ (name: you, password: " in output
    assert process.returncode == 130


@pytest.mark.slow
def test_a_finished_database_is_only_checked(digest: ExampleProgram, folder: Path) -> None:
    digest.run(folder)
    before = rows_of(digest)

    code, output, errors = digest.run(folder)

    assert (code, output.splitlines()[-1]) == (0, verdict(folder)), errors
    assert "finished already" in output
    assert rows_of(digest) == before


@pytest.mark.slow
def test_the_rest_is_done_when_it_is_killed_half_way_and_started_again(
    digest: ExampleProgram, folder: Path
) -> None:
    code, _ = interrupt(digest, folder, signal.SIGKILL)
    before = digest.count_done()

    again, output, errors = digest.run(folder)

    assert code == -signal.SIGKILL
    assert (again, output.splitlines()[-1]) == (0, verdict(folder)), errors
    assert f"400 files under {folder}, {before} of them digested before" in output
    assert sorted(rows_of(digest)) == expected(folder)


def test_a_signal_stops_it_and_it_can_be_continued(
    digest: ExampleProgram, folder: Path
) -> None:
    code, stopped = interrupt(digest, folder, signal.SIGTERM)

    again, output, errors = digest.run(folder)

    assert code == 130
    assert stopped.splitlines()[-1] == "STOPPED: run the same command again to go on"
    assert (again, output.splitlines()[-1]) == (0, verdict(folder)), errors
    assert sorted(rows_of(digest)) == expected(folder)


@pytest.mark.slow
def test_another_folder_needs_another_database(
    digest: ExampleProgram, folder: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    digest.run(folder)
    before = rows_of(digest)

    code, _, errors = digest.run(other)

    assert code == 2
    assert f"holds the digests of {folder}, not of {other}:" in errors
    assert rows_of(digest) == before


def test_a_missing_folder_is_refused(on_sqlite: ExampleProgram, tmp_path: Path) -> None:
    missing = tmp_path / "missing"

    code, _, errors = on_sqlite.run(missing)

    assert code == 2
    assert f"PATH: expected a folder, found none at {missing}" in errors
    assert not (tmp_path / "digest.db").exists()


def test_an_empty_folder_is_done_at_once(on_sqlite: ExampleProgram, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()

    code, output, _ = on_sqlite.run(empty)

    assert (code, output.splitlines()[-1]) == (0, "OK: 0 files, each exactly once, 0 bytes")


@pytest.mark.slow
def test_its_own_database_is_not_digested(on_sqlite: ExampleProgram, folder: Path) -> None:
    (folder.parent / "more.txt").write_text("1\n", "utf-8")

    code, output, errors = on_sqlite.run(folder.parent)

    # 400 in the tree and the one beside it.
    assert code == 0, output + errors
    assert output.splitlines()[-1].startswith("OK: 401 files")


@pytest.mark.slow
def test_deleted_files_are_counted_as_unread(on_sqlite: ExampleProgram, folder: Path) -> None:
    interrupt(on_sqlite, folder, signal.SIGKILL)
    digested = {path for path, *_ in rows_of(on_sqlite)}
    for file in folder.rglob("*.txt"):
        if str(file) not in digested:
            file.unlink()

    code, output, errors = on_sqlite.run(folder)

    assert code == 0, output + errors
    assert f"{400 - len(digested):,} of the files: gone or not readable" in output
    assert output.splitlines()[-1].startswith("OK: 400 files, each exactly once")


@pytest.mark.slow
def test_a_duplicate_is_found(digest: ExampleProgram, folder: Path) -> None:
    digest.run(folder)
    change(
        digest,
        "insert into {table} select * from {table} where lines = 0 and path like '%ä0.txt'",
    )

    code, output, _ = digest.run(folder)

    assert code == 1
    assert output.splitlines()[-1].startswith("FAILED: 1 rows too many")


@pytest.mark.slow
def test_a_file_that_changed_afterwards_is_found(
    on_sqlite: ExampleProgram, folder: Path
) -> None:
    on_sqlite.run(folder)
    (folder / "part 0" / "ä7.txt").write_text("", "utf-8")
    (folder / "new.txt").write_text("", "utf-8")

    code, output, _ = on_sqlite.run(folder)

    assert code == 1
    assert output.splitlines()[-1].startswith("FAILED: 1 files on disk without a row, 14 bytes")

"""`bgjobs jobs export` and `import`: private files, refused lines, and a round trip."""

import io
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import bgjobs
from tests.cli.conftest import Call


def test_exported_jobs_can_be_imported_again(shop: Path, call: Call) -> None:
    before = call("jobs", "list", "--failed", "--json").json

    exported = call("jobs", "export", "failed.jsonl")
    again = call("jobs", "export", "failed.jsonl")
    call("jobs", "prune", "--failed-for", "0", "--yes")
    tried = call("jobs", "import", "failed.jsonl", "--dry-run")
    imported = call("jobs", "import", "failed.jsonl", "--yes")
    skipped = call("jobs", "import", "failed.jsonl", "--yes", "--json")

    assert exported.err == "exported 2 to failed.jsonl\n"
    assert (again.code, again.line) == (
        2,
        "failed.jsonl: the file exists; add --force to replace it",
    )
    assert call("jobs", "export", "failed.jsonl", "--force").code == 0
    assert tried.out == "would import up to 2 failed jobs\n"
    assert imported.out == "imported 2, skipped 0\n"
    assert skipped.json == {"imported": 0, "skipped": 2, "refused": 0, "errors": []}
    assert call("jobs", "list", "--failed", "--json").json == before
    assert call("jobs", "export").out == (shop / "failed.jsonl").read_text("utf-8")


def test_a_line_that_is_no_job_is_reported_with_its_number(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"{}\n"), "utf-8"))

    answer = call("jobs", "import", "-", "--yes")

    assert answer.code != 0
    assert "line 1" in answer.line


def test_refused_lines_are_reported_and_the_others_are_imported(shop: Path, call: Call) -> None:
    call("jobs", "export", "failed.jsonl")
    first, second = (shop / "failed.jsonl").read_bytes().splitlines()
    long = b"x" * (2**23 + 5)
    lines = [first, b"no json", b"", second.replace(b'"send"', b'"se\xffnd"'), long, second]
    (shop / "some.jsonl").write_bytes(b"\n".join(lines))
    call("jobs", "prune", "--failed-for", "0", "--yes")

    stopped = call("jobs", "import", "some.jsonl", "--yes")
    answer = call("jobs", "import", "some.jsonl", "--yes", "--skip-bad")
    again = call("jobs", "import", "some.jsonl", "--yes", "--skip-bad", "--json")

    problems = [
        (2, "expected a JSON object, found something else"),
        (4, "name: expected text without NUL and lone surrogates, found one"),
        (5, "expected at most 4,194,304 characters, found more"),
    ]
    assert (stopped.code, stopped.line) == (1, f"line 2: {problems[0][1]}")
    assert (answer.code, answer.out) == (1, "imported 2, skipped 0, refused 3\n")
    assert answer.err.splitlines() == [f"line {number}: {why}" for number, why in problems]
    assert again.code == 1
    assert again.json == {
        "imported": 0,
        "skipped": 2,
        "refused": 3,
        "errors": [{"line": number, "reason": why} for number, why in problems],
    }


def test_of_many_refused_lines_some_are_shown_and_all_are_counted(
    shop: Path, call: Call
) -> None:
    (shop / "some.jsonl").write_text("no json\n" * 130, "utf-8")
    answer = call("jobs", "import", "some.jsonl", "--yes", "--skip-bad")
    assert answer.out == "imported 0, skipped 0, refused 130\n"
    message = answer.err.splitlines()
    assert message[19].startswith("line 20: ")
    assert message[20:] == ["refused 110 more"]
    as_json = call("jobs", "import", "some.jsonl", "--yes", "--skip-bad", "--json").json
    assert (as_json["refused"], len(as_json["errors"])) == (130, 100)


def mode(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


@pytest.mark.parametrize("mask", [0, 0o22, 0o77])
def test_only_the_owner_may_read_an_export(mask: int, shop: Path, call: Call) -> None:
    before = os.umask(mask)
    try:
        assert call("jobs", "export", "new.jsonl").code == 0
        Path("old.jsonl").write_text("old\n", "utf-8")
        Path("old.jsonl").chmod(0o666)
        assert call("jobs", "export", "old.jsonl", "--force").code == 0
    finally:
        os.umask(before)

    assert mode(shop / "new.jsonl") == mode(shop / "old.jsonl") == 0o600
    assert len((shop / "old.jsonl").read_text("utf-8").splitlines()) == 2
    assert sorted(one.name for one in shop.glob("*.jsonl*")) == ["new.jsonl", "old.jsonl"]


@pytest.mark.parametrize("force", [[], ["--force"]])
@pytest.mark.parametrize("target", ["kept.txt", "nowhere"])
def test_a_symbolic_link_is_refused(
    target: str, force: list[str], shop: Path, call: Call
) -> None:
    (shop / "kept.txt").write_text("kept", "utf-8")
    (shop / "failed.jsonl").symlink_to(target)

    answer = call("jobs", "export", "failed.jsonl", *force)

    assert answer.code == 2
    assert answer.line == f"failed.jsonl: expected a file, found a link to {target}"
    assert (shop / "kept.txt").read_text("utf-8") == "kept"
    assert not (shop / "nowhere").exists()


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(28, "No space left")])
def test_an_interrupted_export_leaves_existing_files_unchanged(
    error: BaseException, shop: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    (shop / "failed.jsonl").write_text("kept", "utf-8")

    async def cut_off(*_: object, **__: object) -> object:
        yield "{}"
        raise error

    monkeypatch.setattr(bgjobs.Admin, "export_failed", cut_off)
    for arguments in (["failed.jsonl", "--force"], ["new.jsonl"]):
        answer = call("jobs", "export", *arguments)
        if isinstance(error, KeyboardInterrupt):
            message = f"interrupted after 1; {arguments[0]} is unchanged"
            assert (answer.code, answer.line) == (130, message)
        else:
            assert answer.code == 1
            assert "No space left" in answer.line

    assert (shop / "failed.jsonl").read_text("utf-8") == "kept"
    assert [one.name for one in shop.iterdir() if ".jsonl" in one.name] == ["failed.jsonl"]


def test_a_file_created_during_the_export_is_not_replaced(
    shop: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def late(*_: object, **__: object) -> object:
        (shop / "failed.jsonl").write_text("theirs", "utf-8")
        yield "{}"

    monkeypatch.setattr(bgjobs.Admin, "export_failed", late)
    answer = call("jobs", "export", "failed.jsonl")

    assert answer.code == 2
    assert answer.line == "failed.jsonl: the file exists; add --force to replace it"
    assert (shop / "failed.jsonl").read_text("utf-8") == "theirs"


def test_a_missing_folder_is_an_error(call: Call) -> None:
    answer = call("jobs", "export", "no/failed.jsonl")

    assert (answer.code, answer.line) == (1, "no/failed.jsonl: No such file or directory")


def test_a_device_is_written_to(shop: Path, call: Call) -> None:
    os.mkfifo("pipe")
    with subprocess.Popen(["cat", "pipe"], stdout=subprocess.PIPE, text=True) as reader:
        assert call("jobs", "export", "pipe", "--force").code == 0
        out, _ = reader.communicate(timeout=60)

    assert len(out.splitlines()) == 2
    assert call("jobs", "export", "/dev/null", "--force").code == 0

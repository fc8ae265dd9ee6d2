"""`bgjobs jobs export FILE`: private, whole or not there, and never through a link."""

import os
import stat
import subprocess
from pathlib import Path

import pytest

import bgjobs
from tests.cli.conftest import Call


def mode(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


@pytest.mark.parametrize("mask", [0, 0o22, 0o77])
def test_an_export_is_for_its_owner_alone(mask: int, shop: Path, call: Call) -> None:
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
def test_a_link_is_not_followed(target: str, force: list[str], shop: Path, call: Call) -> None:
    (shop / "kept.txt").write_text("kept", "utf-8")
    (shop / "failed.jsonl").symlink_to(target)

    answer = call("jobs", "export", "failed.jsonl", *force)

    assert answer.code == 2
    assert answer.line == f"failed.jsonl: expected a file, found a link to {target}"
    assert (shop / "kept.txt").read_text("utf-8") == "kept"
    assert not (shop / "nowhere").exists()


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(28, "No space left")])
def test_what_is_there_stays_when_an_export_is_truncated_off(
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
            told = f"interrupted after 1; {arguments[0]} is unchanged"
            assert (answer.code, answer.line) == (130, told)
        else:
            assert answer.code == 1
            assert "No space left" in answer.line

    assert (shop / "failed.jsonl").read_text("utf-8") == "kept"
    assert [one.name for one in shop.iterdir() if ".jsonl" in one.name] == ["failed.jsonl"]


def test_a_file_that_comes_meanwhile_is_not_replaced(
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


def test_a_folder_that_is_not_there_is_named(call: Call) -> None:
    answer = call("jobs", "export", "no/failed.jsonl")

    assert (answer.code, answer.line) == (1, "no/failed.jsonl: No such file or directory")


def test_a_device_is_written_to(shop: Path, call: Call) -> None:
    os.mkfifo("pipe")
    with subprocess.Popen(["cat", "pipe"], stdout=subprocess.PIPE, text=True) as reader:
        assert call("jobs", "export", "pipe", "--force").code == 0
        out, _ = reader.communicate(timeout=60)

    assert len(out.splitlines()) == 2
    assert call("jobs", "export", "/dev/null", "--force").code == 0

"""Who may read the file, what the file of another user may do, and the warnings about it."""

import fcntl
import logging
import os
import sqlite3
import stat
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from bgjobs.errors import StoreError, StoreUnavailableError
from bgjobs.stores.sqlite import SQLiteStore
from bgjobs.testing.contract.steps import enqueued, put_one
from tests.fixtures.stores import opened

LOGGER = "bgjobs.stores.sqlite"


@pytest.fixture(params=[0o000, 0o022, 0o077], ids=oct)
def umask(request: pytest.FixtureRequest) -> Generator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def use(path: Path) -> SQLiteStore:
    store = SQLiteStore(path)
    store.open()
    store.migrate()
    put_one(store)
    return store


def modes(folder: Path) -> dict[str, int]:
    return {one.name: stat.S_IMODE(one.lstat().st_mode) for one in folder.iterdir()}


def test_the_files_are_private_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    store = use(tmp_path / "jobs.db")
    names = ["jobs.db", "jobs.db-shm", "jobs.db-wal", ".jobs.db.lock"]
    assert modes(tmp_path) == dict.fromkeys(names, 0o600)
    store.close()


def test_a_file_behind_a_link_is_private(tmp_path: Path, umask: int) -> None:
    """A link to a file that is not there yet was followed by SQLite, which asks the umask."""
    data = tmp_path / "data"
    data.mkdir()
    link = tmp_path / "jobs.db"
    link.symlink_to(data / "real.db")
    store = use(link)
    assert link.is_symlink()
    names = ["real.db", "real.db-shm", "real.db-wal", ".real.db.lock"]
    assert modes(data) == dict.fromkeys(names, 0o600)
    store.close()


def test_a_link_to_a_file_that_exists_leads_there(tmp_path: Path) -> None:
    use(tmp_path / "real.db").close()
    link = tmp_path / "jobs.db"
    link.symlink_to(tmp_path / "real.db")
    with opened(SQLiteStore(link)) as store:
        assert len(enqueued(store)) == 1


def with_mode(path: Path, mode: int) -> Path:
    """Make an empty file of this mode, which the umask does not narrow."""
    path.touch()
    path.chmod(mode)
    return path


def warnings_of(path: Path, caplog: pytest.LogCaptureFixture) -> list[str]:
    caplog.clear()
    with caplog.at_level(logging.WARNING, logger=LOGGER), opened(SQLiteStore(path)):
        pass
    return caplog.messages


@pytest.mark.parametrize("mode", [0o666, 0o602])
def test_a_file_that_everybody_may_write_is_told(
    mode: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = with_mode(tmp_path / "jobs.db", mode)
    [warning] = warnings_of(path, caplog)
    assert warning == f"SQLite {path}: any user of this machine may write to {path}"


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o660, 0o644])
def test_a_file_that_its_owner_shares_is_fine(
    mode: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = with_mode(tmp_path / "jobs.db", mode)
    assert warnings_of(path, caplog) == []


@pytest.mark.parametrize(("mode", "is_told"), [(0o777, True), (0o1777, False), (0o775, False)])
def test_a_folder_in_which_everybody_may_replace_the_file_is_told(
    mode: int, is_told: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Unless it is sticky, as /tmp is: then the file is its owner's."""
    folder = shared(tmp_path / "data", mode)
    found = warnings_of(folder / "jobs.db", caplog)
    assert found == (told(folder / "jobs.db", folder) if is_told else [])


def shared(folder: Path, mode: int = 0o777) -> Path:
    """Make a folder of this mode, which the umask does not narrow."""
    folder.mkdir()
    folder.chmod(mode)
    return folder


def told(path: Path, place: Path) -> list[str]:
    return [f"SQLite {path}: any user of this machine may write to {place}"]


def test_a_link_in_a_folder_that_everybody_may_write_to_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Anybody may lead it to another file, wherever the file itself lies."""
    data = shared(tmp_path / "data", 0o700)
    open_to_all = shared(tmp_path / "shared")
    to_file, to_folder = open_to_all / "jobs.db", open_to_all / "data"
    to_file.symlink_to(data / "jobs.db")
    to_folder.symlink_to(data)
    between = tmp_path / "between"
    between.symlink_to("shared/data")
    assert warnings_of(to_file, caplog) == told(to_file, open_to_all)
    assert warnings_of(to_folder / "jobs.db", caplog) == told(
        to_folder / "jobs.db", open_to_all
    )
    assert warnings_of(between / "jobs.db", caplog) == told(between / "jobs.db", open_to_all)
    assert warnings_of(data / "jobs.db", caplog) == []


def test_a_relative_link_and_a_way_back_are_followed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = shared(tmp_path / "data", 0o700)
    open_to_all = shared(tmp_path / "shared")
    (open_to_all / "link.db").symlink_to("../data/jobs.db")
    (data / "outer.db").symlink_to("../shared/link.db")
    monkeypatch.chdir(data)
    for name in ("outer.db", "../data/outer.db", "../shared/../data/outer.db"):
        found = warnings_of(Path(name), caplog)
        assert [one.rpartition(" ")[2] for one in found] == [str(open_to_all)]
    assert warnings_of(Path("jobs.db"), caplog) == []


def test_a_folder_further_up_in_which_everybody_may_replace_the_next_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = shared(shared(tmp_path / "shared") / "data", 0o700)
    assert warnings_of(data / "jobs.db", caplog) == told(data / "jobs.db", tmp_path / "shared")


def test_a_link_of_another_user_in_a_sticky_folder_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    sticky, link = shared(tmp_path / "sticky", 0o1777), tmp_path / "sticky" / "jobs.db"
    link.symlink_to(tmp_path / "real.db")
    assert warnings_of(sticky / "jobs.db", caplog) == []
    owner = link.lstat().st_uid
    if owner == 0:  # whom all trust
        owner = 65534
        os.chown(link, owner, -1, follow_symlinks=False)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    assert warnings_of(link, caplog)[-1] == (
        f"SQLite {link}: user {owner} may lead the link {link} to another file"
    )


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o660])
def test_who_may_use_the_file_may_use_its_lock(mode: int, tmp_path: Path) -> None:
    path = with_mode(tmp_path / "jobs.db", mode)
    use(path).close()
    assert modes(tmp_path) == {"jobs.db": mode, ".jobs.db.lock": mode}


def test_a_link_in_the_place_of_the_lock_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / ".jobs.db.lock").symlink_to(victim)
    with pytest.raises(StoreUnavailableError, match=r"\.jobs\.db\.lock: Too many levels"):
        SQLiteStore(tmp_path / "jobs.db").open()
    assert victim.read_text() == "mine"


@pytest.mark.parametrize("text", ["", "x", "[" * 9000, "-1", "9" * 9000, "\0\xff"])
def test_what_another_user_wrote_to_the_lock_is_not_believed(text: str, tmp_path: Path) -> None:
    (tmp_path / ".jobs.db.lock").write_text(text)
    use(tmp_path / "jobs.db").close()


def test_a_lock_that_another_program_keeps_is_an_outage(tmp_path: Path) -> None:
    with (tmp_path / ".jobs.db.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        store = SQLiteStore(tmp_path / "jobs.db", busy_timeout=0.01)
        with pytest.raises(StoreUnavailableError, match=r"\.jobs\.db\.lock: another process"):
            store.open()
    store.open()
    store.close()


def test_a_file_of_another_user_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "jobs.db"
    path.touch()
    owner = path.stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    if owner == 0:
        assert warnings_of(path, caplog) == []  # root may do all anyway
        os.chown(path, 65534, -1)
    [warning] = warnings_of(path, caplog)
    assert warning == f"SQLite {path}: it belongs to user {path.stat().st_uid}, not to this one"


def connections(store: SQLiteStore) -> list[sqlite3.Connection]:
    roles: Any = store._executor.connections
    return [roles.writer.raw, roles.reader.raw, roles.heartbeat.raw]


@pytest.mark.parametrize("path", ["jobs.db", ":memory:"])
def test_no_connection_trusts_the_schema_or_loads_extensions(path: str, tmp_path: Path) -> None:
    with opened(SQLiteStore(path if path == ":memory:" else tmp_path / path)) as store:
        for raw in connections(store):
            assert raw.execute("pragma trusted_schema").fetchone() == (0,)
            with pytest.raises(sqlite3.OperationalError, match="not authorized"):
                raw.execute("select load_extension('/nowhere.so')")


def test_a_trigger_in_the_file_cannot_call_what_the_schema_may_not(tmp_path: Path) -> None:
    """A trigger is as untrusted as the rest of the file."""
    path = tmp_path / "jobs.db"
    use(path).close()
    with sqlite3.connect(path) as raw:
        raw.execute(
            "create trigger evil after insert on bgjobs_jobs begin"
            " select load_extension('/tmp/evil.so'); end"
        )
    raw.close()
    with opened(SQLiteStore(path)) as store, pytest.raises(StoreError):
        put_one(store)


@pytest.mark.parametrize("name", ["./file:jobs.db?mode=memory", "a?b#c", "a b'c\"d;--"])
def test_a_path_is_a_path(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No part of it is read as a URL's, or as SQL."""
    monkeypatch.chdir(tmp_path)
    with opened(SQLiteStore(name)):
        assert (tmp_path / name).stat().st_size > 0


@pytest.mark.parametrize("setting", ["OFF", "full", "FULL; drop table x", "0", None])
def test_an_unknown_synchronous_is_refused(setting: Any, tmp_path: Path) -> None:
    """It is part of a statement, and SQLite takes unknown values for others."""
    with pytest.raises(ValueError, match="synchronous: expected NORMAL, FULL or EXTRA, found"):
        SQLiteStore(tmp_path / "jobs.db", synchronous=setting)


def test_a_path_with_nul_is_refused(tmp_path: Path) -> None:
    with pytest.raises((ValueError, StoreError), match="null"):
        SQLiteStore(f"{tmp_path}/a\0b").open()


def test_a_process_that_may_write_the_file_may_change_and_delete_everything(
    tmp_path: Path,
) -> None:
    store = use(tmp_path / "jobs.db")
    stranger = sqlite3.connect(tmp_path / "jobs.db")
    try:
        with stranger:
            stranger.execute("update bgjobs_jobs set payload = '[]'")
        [waiting] = enqueued(store)
        assert waiting.payload == "[]"
        with stranger:
            stranger.execute("drop table bgjobs_jobs")
        with pytest.raises(StoreError):
            put_one(store)
    finally:
        stranger.close()
        store.close()

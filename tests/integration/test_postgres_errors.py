"""Lost connections, refused statements, forks, and what error messages may say."""

import os
import subprocess
import sys
from collections.abc import Callable, Generator
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg_pool import ConnectionPool

from bgjobs._core.requests import JobRequest
from bgjobs.errors import ForkedStoreError, StoreError, StoreUnavailableError
from bgjobs.stores.change_source import ChangeSource
from bgjobs.stores.postgres import PostgresStore
from bgjobs.stores.postgres.errors import as_store_error, retry_rolled_back
from bgjobs.stores.postgres.source import with_defaults
from bgjobs.stores.types import NewJob, Notice
from bgjobs.testing.contract.nonblocking_steps import answer, connected_reserver
from tests.fixtures.postgres import fresh_postgres_store, schema_of
from tests.fixtures.postgres_jobs import LEASE, enqueue, open_owner, requests, reserve_one
from tests.fixtures.stores import opened

_SECRET = "s3cr3t-pass"
_NOWHERE = f"postgresql://someone:{_SECRET}@127.0.0.1:1/nowhere?connect_timeout=2"


_NAME = f"bgjobs-test-{os.getpid()}"


@pytest.fixture
def store(postgres_dsn: str) -> Generator[PostgresStore]:
    dsn = make_conninfo(postgres_dsn, application_name=_NAME)
    with fresh_postgres_store(dsn) as store:
        yield store


def _kill_connections(dsn: str) -> None:
    """End every session of the test's stores and wait for their end."""
    kill = "select pg_terminate_backend(pid, 10000) from pg_stat_activity"
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(f"{kill} where application_name = '{_NAME}'".encode())


def test_killed_connections_are_replaced(store: PostgresStore, postgres_dsn: str) -> None:
    owner = open_owner(store)
    store.heartbeat([owner], LEASE)
    for _ in range(3):
        _kill_connections(postgres_dsn)
        enqueue(store, *requests(1))
        assert store.heartbeat([owner], LEASE).alive == {owner}
    assert store.count().waiting == 3


def test_a_whole_pool_of_killed_connections(store: PostgresStore, postgres_dsn: str) -> None:
    dsn = make_conninfo(postgres_dsn, application_name=_NAME)
    with ConnectionPool(dsn, min_size=4, open=True) as pool:
        pool.wait()
        with opened(PostgresStore(pool, schema=schema_of(store))) as other:
            _kill_connections(postgres_dsn)
            enqueue(other, *requests(1))
            assert other.count().waiting == 1


def test_a_connection_killed_inside_a_verb(store: PostgresStore, postgres_dsn: str) -> None:
    job = reserve_one(store)

    def work(connection: psycopg.Connection[Any]) -> None:
        _kill_connections(postgres_dsn)
        with pytest.raises(psycopg.OperationalError):
            connection.execute("select 1")

    with pytest.raises(StoreUnavailableError):
        store.complete(job.reservation, work)
    assert store.find(job.id) == job


def test_a_connection_killed_before_the_commit(store: PostgresStore, postgres_dsn: str) -> None:
    job = reserve_one(store)
    with pytest.raises(StoreUnavailableError):
        store.complete(job.reservation, lambda _: _kill_connections(postgres_dsn))
    assert store.find(job.id) == job


def _set_read_only(connection: psycopg.Connection[Any]) -> None:
    connection.execute("set session characteristics as transaction read only")


def test_a_session_that_became_read_only_is_not_used_again(postgres_dsn: str) -> None:
    with fresh_postgres_store(postgres_dsn, pool_size=1) as store:
        job = reserve_one(store)
        assert store.complete(job.reservation, _set_read_only)
        with pytest.raises(StoreUnavailableError, match="25006"):
            enqueue(store, *requests(1))
        assert len(enqueue(store, *requests(1))) == 1


def test_a_session_of_the_heartbeat_that_became_read_only_is_not_used_again(
    store: PostgresStore,
) -> None:
    owner = open_owner(store)
    with store._database.live.heartbeat(60) as connection:  # pyright: ignore[reportPrivateUsage] - only it knows the session
        _set_read_only(connection)
    with pytest.raises(StoreUnavailableError, match="25006"):
        store.heartbeat([owner], LEASE)
    assert store.heartbeat([owner], LEASE).alive == {owner}


def test_a_write_refused_as_read_only_closes_all_sessions(store: PostgresStore) -> None:
    job, watcher = reserve_one(store), store.watch()
    assert watcher is not None
    live = store._database.live  # pyright: ignore[reportPrivateUsage] - only it knows the sessions
    with live.borrowed() as one, live.borrowed() as another:
        before = {one.info.backend_pid, another.info.backend_pid}
    assert store.complete(job.reservation, _set_read_only)
    with pytest.raises(StoreUnavailableError, match="25006"):
        enqueue(store, *requests(1))
    with live.borrowed() as one, live.borrowed() as another:
        assert before.isdisjoint({one.info.backend_pid, another.info.backend_pid})
    with pytest.raises(StoreUnavailableError):
        _poll_for_ever(watcher)
    watcher.close()


def test_repeated_refusals_do_not_close_new_sessions(postgres_dsn: str) -> None:
    dsn = make_conninfo(postgres_dsn, options="-c default_transaction_read_only=on")
    with fresh_postgres_store(postgres_dsn) as writable:
        store = PostgresStore(dsn, schema=writable.label.split()[-1])
        store.open()
        for _ in range(3):
            with pytest.raises(StoreUnavailableError, match="25006"):
                enqueue(store, *requests(1))
            assert store.count().waiting == 0
        watcher = store.watch()
        assert watcher is not None
        with pytest.raises(StoreUnavailableError, match="25006"):
            enqueue(store, *requests(1))
        assert watcher.poll() == Notice()
        watcher.close()
        store.close()


@pytest.mark.parametrize(
    ("conninfo", "wanted"),
    [
        ("host=a,b dbname=x", "read-write"),
        ("postgresql://a:1,b:2/x", "read-write"),
        ("hostaddr=127.0.0.1,127.0.0.2", "read-write"),
        ("host=a,b target_session_attrs=any", "any"),
        ("host=a dbname=x", None),
        ("dbname=x", None),
    ],
)
def test_of_several_servers_one_that_takes_writes_is_used(
    conninfo: str, wanted: str | None
) -> None:
    found = conninfo_to_dict(with_defaults(conninfo))
    assert found.get("target_session_attrs") == wanted


def test_a_killed_listener_raises(store: PostgresStore, postgres_dsn: str) -> None:
    watcher = store.watch()
    assert watcher is not None
    _kill_connections(postgres_dsn)
    with pytest.raises(StoreUnavailableError):
        _poll_for_ever(watcher)
    watcher.close()


def _poll_for_ever(watcher: ChangeSource) -> None:
    while True:
        watcher.poll()


def _catch(connection: psycopg.Connection[Any]) -> None:
    with pytest.raises(psycopg.Error):
        connection.execute("select 1 / 0")


def _commit_by_sql(connection: psycopg.Connection[Any]) -> None:
    connection.execute("commit")


@pytest.mark.parametrize(
    ("work", "found"), [(_catch, "INERROR"), (_commit_by_sql, "IDLE")], ids=["failed", "ended"]
)
def test_work_that_leaves_no_transaction_is_not_a_success(
    store: PostgresStore, work: Callable[[psycopg.Connection[Any]], None], found: str
) -> None:
    job = reserve_one(store)
    with pytest.raises(StoreError, match=f"expected an open transaction, found {found}"):
        store.complete(job.reservation, work)
    assert store.count().waiting == 0


@pytest.mark.parametrize(
    "error", [psycopg.OperationalError("x"), psycopg.Rollback(), KeyError()]
)
def test_what_work_raises_is_raised_as_it_is(store: PostgresStore, error: Exception) -> None:
    job = reserve_one(store)

    def work(_: object) -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        store.complete(job.reservation, work)
    assert caught.value is error
    assert store.find(job.id) == job


def test_the_password_is_in_no_label_and_no_error() -> None:
    store = PostgresStore(_NOWHERE)
    assert store.label == "postgresql://127.0.0.1:1/nowhere schema bgjobs"
    with pytest.raises(StoreUnavailableError) as caught:
        store.open()
    for text in (str(caught.value), repr(store), str(caught.value.__cause__)):
        assert _SECRET not in text
    store.close()


def test_a_string_that_is_no_conninfo_is_not_quoted() -> None:
    with pytest.raises(ValueError, match="expected a PostgreSQL connection string") as caught:
        PostgresStore(f"host=somewhere {_SECRET}")
    assert _SECRET not in str(caught.value)
    assert caught.value.__suppress_context__


def test_an_error_does_not_quote_a_payload(store: PostgresStore) -> None:
    request = JobRequest("work", '"my secret"')
    object.__setattr__(request, "name", "")  # otherwise it would be refused earlier
    with pytest.raises(StoreError) as caught:
        enqueue(store, request)
    assert "my secret" not in str(caught.value)
    assert "23514" in str(caught.value)
    assert not isinstance(caught.value, StoreUnavailableError)


@pytest.mark.parametrize("name", ["\0", "\ud800"])
def test_text_that_the_database_cannot_store(store: PostgresStore, name: str) -> None:
    with pytest.raises(StoreError):
        store.find_unique(name, "k")


@pytest.mark.parametrize(
    "schema", ['x"; drop schema public; --', "", "Upper", "a" * 42, "1a", "a.b", "a\n"]
)
def test_a_schema_that_is_no_plain_name_is_refused(schema: str) -> None:
    with pytest.raises(ValueError, match="schema: expected"):
        PostgresStore("dbname=x", schema=schema)


@pytest.mark.parametrize(
    ("state", "passing"),
    [
        ("40001", True),
        ("40P01", True),
        ("25006", True),
        ("57P01", True),
        ("53300", True),
        ("55P03", True),
        ("53100", True),
        ("54000", False),
        ("23505", False),
        ("42501", False),
    ],
)
def test_which_errors_are_temporary(state: str, *, passing: bool) -> None:
    error = psycopg.errors.lookup(state)("said the server\nwith details")
    found = as_store_error("store", error)
    assert isinstance(found, StoreUnavailableError) == passing
    assert str(found) == f"store: said the server ({state})"


def test_calls_of_a_store_that_is_not_open(postgres_dsn: str) -> None:
    store = PostgresStore(postgres_dsn)
    store.close()
    for verb in (store.count, store.migrate, store.watch):
        with pytest.raises(StoreError, match="not open"):
            verb()


def test_opening_twice(store: PostgresStore) -> None:
    with pytest.raises(StoreError, match="open already"):
        store.open()


def test_a_transaction_that_the_server_rolled_back_is_run_again() -> None:
    tries: list[int] = []

    def work() -> str:
        tries.append(1)
        if len(tries) < 3:
            raise StoreUnavailableError("x") from psycopg.errors.SerializationFailure()
        return "done"

    assert retry_rolled_back(work) == "done"


@pytest.mark.parametrize("module", ["psycopg", "psycopg_pool"])
def test_without_the_driver_the_error_names_what_to_install(module: str) -> None:
    program = (
        f"import sys; sys.modules['{module}'] = None\n"
        "import bgjobs\n"
        "try:\n"
        "    import bgjobs.stores.postgres\n"
        "except ImportError as error:\n"
        "    print(error)"
    )
    command = [sys.executable, "-c", program]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "pip install 'bgjobs[postgres]'" in said


def test_bgjobs_itself_does_not_import_the_driver() -> None:
    program = "import bgjobs, sys; sys.exit('psycopg' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)


def _in_fork(work: Callable[[], object]) -> int:
    """Run `work` in a forked child and return its exit status, 0 on success."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        except BaseException:  # noqa: BLE001 - whatever it is, the child must end here
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_a_fork_is_refused_and_leaves_the_parent_alone(store: PostgresStore) -> None:
    """Also the connection of a reservation in progress."""
    owner = open_owner(store)
    store.heartbeat([owner], LEASE)
    reserver = connected_reserver(store)
    assert reserver.begin(owner, ["work"], 1)

    def child() -> None:
        for verb in (store.count, store.watch, store.open, store.migrate):
            with pytest.raises(ForkedStoreError):
                verb()
        with pytest.raises(ForkedStoreError):
            store.heartbeat([owner], LEASE)
        store.close()
        store.close()
        store.open()
        assert store.count().waiting == 0
        again = connected_reserver(store)
        assert again.begin(owner, ["work"], 1)
        assert list(answer(again)) == []
        store.close()

    assert _in_fork(child) == 0
    assert list(answer(reserver)) == []
    assert store.heartbeat([owner], LEASE).alive == {owner}
    enqueue(store, *requests(1))
    assert store.count().waiting == 1


def test_an_ended_job_is_not_stored_again(store: PostgresStore) -> None:
    job = reserve_one(store)
    assert store.complete(job.reservation, lambda _: None)
    repeated = NewJob(job.id, JobRequest("work", "[]"), repeated=True)
    [again] = store.write([repeated]).jobs
    assert again.id == job.id
    assert store.count().waiting == 0
    assert store.prune("succeeded", timedelta(0), limit=10) == 1

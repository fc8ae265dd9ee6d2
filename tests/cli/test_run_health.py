"""`bgjobs run --health`: what it answers to an orchestrator, from the start to the end."""

import re
import signal
import socket
from pathlib import Path

import httpx2
import pytest

from bgjobs.cli import server
from tests.cli.conftest import Call
from tests.cli.terminal import BGJOBS, Terminal, terminal
from tests.cli.test_run import enqueue_slow

URL = re.compile(r"http://(?:127\.0\.0\.1|\[::1\]):\d+")


def url_of(session: Terminal) -> str:
    found = URL.search(session.until("answering at", "/ready"))
    assert found is not None
    return found[0]


@pytest.mark.parametrize("backend", ["trio", "asyncio"])
def test_run_is_ready_until_it_is_stopped(backend: str, shop: Path) -> None:
    command = ("run", "--backend", backend, "--health", "127.0.0.1:0")
    enqueue_slow(3_600)
    with terminal(*BGJOBS, *command, cwd=shop) as session:
        url = url_of(session)
        session.until("begun")
        while (ready := httpx2.get(f"{url}/ready")).status_code != 200:
            continue  # another queue may have no lease yet
        session.signal(signal.SIGTERM)
        session.until("stopping: handlers have 10 s to finish")
        stopping, live = httpx2.get(f"{url}/ready"), httpx2.get(f"{url}/live")
        session.signal(signal.SIGTERM)  # this cancels the handler
        code, rest = session.end()

    assert ready.text == "ok\n"
    assert (stopping.status_code, stopping.text) == (503, "the application is stopping\n")
    assert (live.status_code, live.text) == (200, "ok\n")
    assert "server" not in live.headers
    assert code == 0
    assert rest.endswith("stopped\n")
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(f"{url}/live")


@pytest.mark.parametrize("backend", ["trio", "asyncio"])
def test_an_open_connection_does_not_delay_the_end(backend: str, shop: Path) -> None:
    command = ("run", "--backend", backend, "--health", "127.0.0.1:0")
    with terminal(*BGJOBS, *command, cwd=shop) as session, httpx2.Client() as client:
        assert client.get(f"{url_of(session)}/live").status_code == 200
        session.signal(signal.SIGTERM)
        code, rest = session.end()

    assert code == 0
    assert rest.endswith("stopped\n")
    assert "rror" not in rest


def test_an_address_in_use_is_one_line_and_nothing_starts(call: Call) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        answer = call("run", "--health", f"127.0.0.1:{port}")

    assert answer.code == 1
    assert answer.line == f"cannot listen on 127.0.0.1, port {port}: Address already in use"


@pytest.mark.parametrize(
    "wrong", ["", "8080", ":8080", "localhost", "localhost:", "a:b", "a:-1", "a:70000", "a: 80"]
)
def test_an_address_that_is_none_is_one_line(wrong: str, call: Call) -> None:
    answer = call("run", "--health", wrong)

    assert answer.code == 2
    assert answer.line == (
        f"--health: expected HOST:PORT, such as 127.0.0.1:8080, found {wrong!r}"
    )


def test_without_the_extra_the_error_names_what_to_install(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "find_spec", lambda name: None if name == "hypercorn" else name)

    answer = call("run", "--health", "127.0.0.1:0")

    assert answer.code == 1
    assert answer.line == "--health needs hypercorn: pip install 'bgjobs[web]'"

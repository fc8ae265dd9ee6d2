"""`bgjobs web`: its link, its options, and how signals end it."""

import re
import signal
import socket
from pathlib import Path

import httpx2
import pytest

from bgjobs.cli import server
from tests.cli.conftest import Call
from tests.cli.terminal import BGJOBS, CTRL_C, Terminal, terminal

URL = re.compile(r"http://127\.0\.0\.1:\d+/\S*")


def url_of(session: Terminal) -> str:
    found = URL.search(session.until("; Ctrl-C stops it"))
    assert found is not None
    return found[0]


@pytest.mark.parametrize("event_loop", ["trio", "asyncio"])
def test_the_link_opens_the_page_once_on_either_event_loop(event_loop: str, shop: Path) -> None:
    (shop / "loop.py").write_text(
        f"import attrs, shop\nconfig = attrs.evolve(shop.config, event_loop={event_loop!r})\n",
        "utf-8",
    )
    with terminal(*BGJOBS, "--app", "loop:config", "web", "--port", "0", cwd=shop) as session:
        url = url_of(session)
        with httpx2.Client(follow_redirects=True) as browser:
            answer = browser.get(url)
            assert browser.get(answer.url).status_code == 200
        again = httpx2.get(url)
        session.signal(signal.SIGTERM)
        code, _ = session.end()

    assert code == 0
    assert answer.status_code == 200
    assert "token" not in str(answer.url)
    assert '>failed</a></dt><dd><span class="number">2</span></dd>' in answer.text
    assert again.status_code == 401
    assert "server" not in answer.headers


def test_ctrl_c_ends_it(shop: Path) -> None:
    with terminal(*BGJOBS, "web", "--port", "0", cwd=shop) as session:
        url_of(session)
        session.type(CTRL_C)
        code, _ = session.end()

    assert code == 0


AWAY = """
import bgjobs, shop
from bgjobs.errors import StoreUnavailableError


class Away:
    listeners = ()

    def __init__(self, store):
        self.store = store

    def __getattr__(self, name):
        return getattr(self.store, name)

    def check_schema(self):
        print("away", flush=True)
        raise StoreUnavailableError("away")


config = bgjobs.Config(store=Away(shop.config.store), queues=shop.config.queues)
"""


def test_a_signal_ends_it_while_it_waits_for_the_store(shop: Path) -> None:
    (shop / "away.py").write_text(AWAY, "utf-8")
    with terminal(*BGJOBS, "--app", "away:config", "web", "--port", "0", cwd=shop) as session:
        session.until("away")
        session.signal(signal.SIGTERM)
        code, rest = session.end()

    assert code == 0
    assert "http://" not in rest


def test_users_of_the_application_log_in(shop: Path) -> None:
    (shop / "users.py").write_text(
        "from bgjobs import web\nauth = web.BasicAuth({'ada': web.hash_password('secret')})\n",
        "utf-8",
    )
    command = ("web", "--port", "0", "--auth", "users:auth", "--read-only")
    with terminal(*BGJOBS, *command, cwd=shop) as session:
        url = url_of(session)
        answer = httpx2.get(url, follow_redirects=True)
        session.signal(signal.SIGTERM)
        code, _ = session.end()

    assert code == 0
    assert url.endswith("/")
    assert answer.url.path == "/login"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "jobs.example.org"])
def test_without_users_other_machines_cannot_reach_it(host: str, call: Call) -> None:
    answer = call("web", "--host", host)

    assert answer.code == 2
    assert answer.line == (
        f"--host: other machines can reach {host}: name the users with --auth module:name"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--auth shop", "--auth: expected module:name, such as shop.jobs:auth, found 'shop'"),
        ("--auth nothing:auth", "--auth: no module 'nothing' in this folder or installed"),
        ("--auth shop:auth", "--auth: module 'shop' has no 'auth'"),
        ("--auth shop:config", "app: auth: expected web.BasicAuth({...}), or a function of"),
        ("--allow-host *", "allowed_hosts: expected host names without a port, such as"),
        ("--port 70000", "web: invalid value for '--port': 70000 is not in the range"),
    ],
)
def test_wrong_options_are_one_line(options: str, message: str, call: Call) -> None:
    answer = call("web", *options.split())

    assert answer.code == 2
    assert answer.line.startswith(message)


def test_a_port_that_is_taken_is_one_line(call: Call) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        answer = call("web", "--port", str(port))

    assert answer.code == 1
    assert answer.line == f"cannot listen on 127.0.0.1, port {port}: Address already in use"


def test_without_the_extra_the_error_names_what_to_install(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "find_spec", lambda name: None if name == "hypercorn" else name)

    answer = call("web")

    assert answer.code == 1
    assert answer.line == "the web page needs hypercorn: pip install 'bgjobs[web]'"

"""The shop of examples/shop, in two processes as its README starts them."""

import json
import re
import signal
import sys
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from time import monotonic, sleep

import httpx2
import pytest

from tests.cli.terminal import BGJOBS, DEADLINE, terminal

EXAMPLES = Path(__file__).parents[2] / "examples"
PAUSE = 0.05
"""Seconds between two requests of a page that waits for a job."""


class Warehouse(BaseHTTPRequestHandler):
    """Refuses the first request for each parcel, and then gives it a number."""

    asked: set[str]

    def do_PUT(self) -> None:
        is_new = self.path not in self.asked
        self.asked.add(self.path)
        self.send_response(503 if is_new else 200)
        self.end_headers()
        if not is_new:
            self.wfile.write(json.dumps({"parcel": f"W{self.path}"}).encode())

    def log_message(self, *_: object) -> None:
        """Write nothing."""


@pytest.fixture
def warehouse() -> Iterator[str]:
    """The address of a warehouse."""
    handler = type("Handler", (Warehouse,), {"asked": set[str]()})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def until(
    is_right: Callable[[httpx2.Response], bool], get: Callable[[], httpx2.Response]
) -> str:
    """Ask until the answer is right, and return its text."""
    began = monotonic()
    while not is_right(answer := get()):
        assert monotonic() < began + DEADLINE, answer.text
        sleep(PAUSE)
    return answer.text


@pytest.mark.slow
def test_orders_are_shipped_and_a_report_shows_its_result(
    tmp_path: Path, warehouse: str
) -> None:
    env = {
        "PYTHONPATH": str(EXAMPLES),
        "SHOP_FILE": str(tmp_path / "shop.db"),
        "WAREHOUSE_URL": warehouse,
    }
    serve = (sys.executable, "-m", "uvicorn", "shop.web:app", "--port", "0")
    with terminal(*BGJOBS, "--app", "shop.jobs:config", "run", cwd=tmp_path, env=env) as worker:
        worker.until("running queue shop")
        with terminal(*serve, cwd=tmp_path, env=env) as web:
            found = web.until("http://127.0.0.1:", "(Press CTRL+C to quit)")
            [port] = re.findall(r"http://127\.0\.0\.1:(\d+)", found)
            with httpx2.Client(base_url=f"http://127.0.0.1:{port}") as client:
                buy_and_report(client)
            web.signal(signal.SIGTERM)
            web.end()
        worker.signal(signal.SIGTERM)
        code, _ = worker.end()
    assert code == 0


def buy_and_report(client: httpx2.Client) -> None:
    for customer, cents in (("ada", 1999), ("grace", 500), ("ada", 1)):
        answer = client.post("/orders", params={"customer": customer, "cents": cents})
        assert answer.status_code == 201, answer.text
    shipped = until(
        lambda answer: answer.json()["parcel"] is not None, lambda: client.get("/orders/1")
    )
    assert json.loads(shipped) == {"customer": "ada", "parcel": "W/parcels/1"}

    begun = client.post("/reports")
    assert begun.status_code == 303
    page = begun.headers["location"]
    assert "3 orders, 25.00 euros in all" in until(
        lambda answer: "refresh" not in answer.text, lambda: client.get(page)
    )
    assert client.get("/reports/00000000-0000-7000-8000-000000000000").status_code == 404

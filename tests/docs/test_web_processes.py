"""The two processes of docs/guide/web.md, started as the page says."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.terminal import BGJOBS, terminal
from tests.docs.documents import ROOT, blocks

REQUEST = """
from fastapi.testclient import TestClient

from shop import app

with TestClient(app) as client:
    answer = client.post("/users/ada")
    assert answer.status_code == 202, answer.text
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A folder with the first program of the page."""
    [program, *_] = blocks(ROOT / "docs" / "guide" / "web.md")
    (tmp_path / "shop.py").write_text(program.code, "utf-8")
    return tmp_path


def test_the_web_process_enqueues_and_the_worker_process_runs(shop: Path) -> None:
    with terminal(*BGJOBS, "--app", "shop:config", "run", cwd=shop) as worker:
        worker.until("running queue mail")
        subprocess.run([sys.executable, "-c", REQUEST], cwd=shop, check=True)
        worker.until("welcome to ada")
        worker.signal(signal.SIGTERM)
        code, _ = worker.end()

    assert code == 0

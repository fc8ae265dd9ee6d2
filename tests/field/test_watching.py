"""`bgjobs watch` while the server of its database stops and starts again."""

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Generator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.cli.conftest import SHOP
from tests.cli.steady import settled
from tests.cli.terminal import BGJOBS, CTRL_C, STYLE, Terminal, terminal
from tests.fixtures.debian import Cluster, started_cluster

APP = """
import logging, os, sys
from attrs import evolve
import bgjobs, shop

logging.basicConfig(stream=sys.stderr, level="INFO")
config = evolve(
    shop.config,
    store=bgjobs.PostgresStore(os.environ["SHOP_DSN"]),
    listeners=[bgjobs.log_listener],
)
"""


@pytest.fixture
def cluster(tmp_path: Path) -> Generator[Cluster]:
    """A server with the schema of the shop."""
    shutil.copy(SHOP, tmp_path)
    (tmp_path / "app.py").write_text(APP, "utf-8")
    with started_cluster() as started:
        with watching(tmp_path, started, "migrate", "up") as there:
            assert there.end()[0] == 0
        yield started


def watching(
    folder: Path, cluster: Cluster, *arguments: str
) -> AbstractContextManager[Terminal]:
    environment = {"SHOP_DSN": cluster.dsn, "BGJOBS_APP": "app:config"}
    return terminal(*BGJOBS, *arguments, cwd=folder, env=environment, columns=200)


def test_the_frame_shows_the_outage_without_a_log_line(
    tmp_path: Path, cluster: Cluster
) -> None:
    with watching(tmp_path, cluster, "watch", "--interval", "0.2") as there:
        seen = there.until("0.0 succeeded/s")
        cluster.crash()
        seen += there.until("no answer from the database since ", "last snapshot: ")
        seen += there.until("no answer from the database since ", "default ")
        there.type(CTRL_C)
        code, rest = there.end()

    picture = settled(STYLE.sub("", seen + rest))
    assert code == 0
    assert not re.search("INFO|WARNING|ERROR", seen + rest)
    assert picture.count("no answer from the database since ") == 1
    assert re.search(r"^no answer .*, [\d.]+ s ago .* postgresql://", picture)
    assert re.search(r"^default +active", picture, re.MULTILINE)


def test_lines_show_the_outage_and_the_command_ends(tmp_path: Path, cluster: Cluster) -> None:
    command = [*BGJOBS, "watch", "--json", "--interval", "0.2", "--count", "200"]
    environment = {**os.environ, "SHOP_DSN": cluster.dsn, "BGJOBS_APP": "app:config"}
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as watch:
        assert watch.stdout is not None
        assert watch.stderr is not None
        first = json.loads(watch.stdout.readline())
        cluster.crash()
        while "error" not in (found := json.loads(watch.stdout.readline())):
            continue
        again = json.loads(watch.stdout.readline())
        watch.send_signal(signal.SIGINT)
        code, told = watch.wait(60), watch.stderr.read()

    assert (code, told) == (0, b"")
    assert "jobs" in first
    assert found["error"]
    assert found["unreachable_since"] == again["unreachable_since"] < again["at"]

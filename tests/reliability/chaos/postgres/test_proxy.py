"""The proxy injects each fault, heals, and leaves no thread behind."""

import socket
import threading
from collections.abc import Generator
from contextlib import suppress
from time import monotonic

import pytest

from tests.reliability.chaos.postgres.proxy import Proxy

PATIENCE = 10.0
"""Seconds to wait for an answer."""
SILENCE = 0.2
"""Seconds after which no answer is expected."""


class Echo:
    """A server that sends back what it receives, and records its connections."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.place: tuple[str, int] = self.listener.getsockname()
        self.connections: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._serve)]
        self._threads[0].start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                one, _ = self.listener.accept()
                self.connections.append(one)
                self._threads.append(threading.Thread(target=self._answer, args=[one]))
                self._threads[-1].start()

    def _answer(self, one: socket.socket) -> None:
        with one, suppress(OSError):
            while data := one.recv(1 << 16):
                one.sendall(data)

    def end(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for one in self.connections:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()


@pytest.fixture
def echo() -> Generator[Echo]:
    server = Echo()
    yield server
    server.end()


@pytest.fixture
def proxy(echo: Echo) -> Generator[Proxy]:
    with Proxy(echo.place) as proxy:
        yield proxy


def connect(proxy: Proxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), PATIENCE)


def answer(client: socket.socket, text: bytes, patience: float = PATIENCE) -> bytes:
    client.settimeout(patience)
    client.sendall(text)
    said = b""
    while len(said) < len(text):
        chunk = client.recv(1 << 16)
        if not chunk:
            break
        said += chunk
    return said


def test_bytes_pass_in_their_order(proxy: Proxy) -> None:
    text = bytes(range(256)) * 1000
    with connect(proxy) as one, connect(proxy) as other:
        assert answer(one, text) == text
        assert answer(other, b"hello") == b"hello"
        assert proxy.connections == 2


def test_the_end_of_one_connection_is_passed_to_the_other(proxy: Proxy, echo: Echo) -> None:
    with connect(proxy) as client:
        answer(client, b"hello")
        echo.connections[0].shutdown(socket.SHUT_RDWR)
        assert client.recv(1) == b""


def test_bytes_are_delayed_in_both_directions(proxy: Proxy) -> None:
    with connect(proxy) as client:
        answer(client, b"hello")
        proxy.delay(0.1)
        begun = monotonic()
        assert answer(client, b"slowly") == b"slowly"
        assert monotonic() - begun >= 0.2
        proxy.heal()
        assert answer(client, b"as ever") == b"as ever"


def test_dropped_connections_are_reset_and_new_ones_refused(proxy: Proxy) -> None:
    with connect(proxy) as client:
        answer(client, b"hello")
        proxy.drop()
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    with pytest.raises(ConnectionRefusedError):
        connect(proxy)
    proxy.heal()
    with connect(proxy) as client:
        assert answer(client, b"again") == b"again"


def test_discarding_connections_stay_open_without_an_answer(proxy: Proxy, echo: Echo) -> None:
    with connect(proxy) as before:
        answer(before, b"hello")
        proxy.discard()
        with connect(proxy) as after:
            for client in (before, after):
                with pytest.raises(TimeoutError):
                    answer(client, b"hello again", SILENCE)
        assert len(echo.connections) == 1


def test_a_connection_that_has_lost_bytes_is_reset_by_healing(proxy: Proxy) -> None:
    with connect(proxy) as silent, connect(proxy) as lost:
        answer(silent, b"hello")
        answer(lost, b"hello")
        proxy.discard()
        with pytest.raises(TimeoutError):
            answer(lost, b"hello again", SILENCE)
        proxy.discard()  # again: the proxy has read all earlier bytes when this call returns
        proxy.heal()
        with pytest.raises(ConnectionResetError):
            lost.recv(1)
        assert answer(silent, b"still here") == b"still here"


def test_the_bytes_of_existing_connections_alone_can_be_discarded(proxy: Proxy) -> None:
    with connect(proxy) as before:
        answer(before, b"hello")
        proxy.discard(new=False)
        with connect(proxy) as after:
            assert answer(after, b"hello") == b"hello"
        with pytest.raises(TimeoutError):
            answer(before, b"hello again", SILENCE)


def test_a_client_that_does_not_read_delays_no_other(proxy: Proxy) -> None:
    with connect(proxy) as lazy, connect(proxy) as eager:
        lazy.setblocking(False)
        with pytest.raises(BlockingIOError):
            while True:
                lazy.send(bytes(1 << 16))
        assert answer(eager, b"hello") == b"hello"


def test_a_client_is_reset_when_the_server_is_down(echo: Echo) -> None:
    unused = socket.socket()
    unused.bind(("127.0.0.1", 0))
    reset = pytest.raises(ConnectionResetError)
    # The reset may be there before the client has seen that it is connected.
    with unused, Proxy(unused.getsockname()) as proxy, reset, connect(proxy) as client:
        client.recv(1)


def test_no_thread_is_left(echo: Echo) -> None:
    before = threading.active_count()
    with Proxy(echo.place) as proxy, connect(proxy) as client:
        answer(client, b"hello")
        assert threading.active_count() > before
    echo.connections[0].close()
    assert not [one for one in threading.enumerate() if one.name == "proxy"]


def test_a_connection_string_keeps_its_other_parameters(proxy: Proxy) -> None:
    said = proxy.dsn("postgresql://me@/there?host=/tmp&application_name=x")
    assert said == f"user=me dbname=there host=127.0.0.1 application_name=x port={proxy.port}"

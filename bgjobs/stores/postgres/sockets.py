"""Whether a connection that lay idle is still good, at no cost where it is."""

import select
from typing import Any

import psycopg
from psycopg_pool import ConnectionPool


def is_alive(connection: psycopg.Connection[Any]) -> bool:
    """Look whether anything has come in unasked, such as the server's good-bye.

    Only then the server is asked, which costs a round trip.
    """
    if connection.closed:
        return False
    if _is_quiet(connection.fileno()):
        return True
    try:
        ConnectionPool.check_connection(connection)
    except psycopg.Error:
        return False
    return True


def _is_quiet(descriptor: int) -> bool:
    looking = select.poll()
    looking.register(descriptor, select.POLLIN)
    return not looking.poll(0)

"""Whether a connection that lay idle is still good, at no cost where it is."""

import select
from typing import Any

import psycopg
from psycopg.pq import ExecStatus


def is_alive(connection: psycopg.Connection[Any]) -> bool:
    """Look whether anything has come in unasked, such as the server's good-bye.

    Only then the server is asked, which costs a round trip.
    """
    if connection.closed:
        return False
    if _is_quiet(connection.fileno()):
        return True
    try:
        # Below the driver's cursors, which would prepare it where it is asked often.
        answer = connection.pgconn.exec_(b"")
    except psycopg.Error:
        return False
    return answer.status == ExecStatus.EMPTY_QUERY


def _is_quiet(descriptor: int) -> bool:
    looking = select.poll()
    looking.register(descriptor, select.POLLIN)
    return not looking.poll(0)

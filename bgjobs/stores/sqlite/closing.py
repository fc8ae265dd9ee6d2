"""Closing a connection whose files were replaced, without writing to what took their place."""

import sqlite3
import sys

if sys.version_info >= (3, 12):

    def close_without_checkpoint(raw: sqlite3.Connection) -> None:
        """Close, and leave the log as it is.

        The last connection that is closed copies its log into the database, and deletes the
        log at its path. By now that one is the log of other processes.
        """
        raw.setconfig(sqlite3.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, True)
        raw.close()

else:

    def close_without_checkpoint(raw: sqlite3.Connection) -> None:
        """Leave it open until the process ends: Python 3.11 cannot ask for no checkpoint.

        The last connection that is closed copies its log into the database, and deletes the
        log at its path. By now that one is the log of other processes.
        """
        from ctypes import py_object, pythonapi  # noqa: PLC0415 - Python may lack it

        pythonapi.Py_IncRef(py_object(raw))

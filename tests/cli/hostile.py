"""An application, and a store in which every text has control and invisible characters."""

import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path

from bgjobs._core.text import is_visible

BLINK = "\x1b[5;41m"
HOSTILE = (
    f"{BLINK}\x1b]0;owned\x07\x1b]52;c;cm0gLXJmIC8=\x07\x1b[2J\n FORGED \r\nFORGED\r"
    "\b\t\v\f\x01\x7f\x80\x85\x90\x9b2J\x9d\x9c\u202eevil\u202c\u2066\u2067\u2068\u2069\u200e\u200f\u061c"
    "\u200b\u200c\u200d\u2060\ufeff\xad\u2028FORGED\u2029\ue000\ufe0f\u3164[red]"
)
DEEPER = f"{HOSTILE}\0\ud800"
"""Characters that JSON can hold, in a payload or on the command line."""
PLAUSIBLE = "\u202e\u200b\ufeff\u2066\ufe0f"
"""Characters that the name of a worker may hold."""

APPLICATION = f"""
import bgjobs
from shop import greet, slow, purge

@bgjobs.worker(name="declared{PLAUSIBLE}")
async def declared(text: str) -> None:
    raise ValueError(text)

config = bgjobs.Config(
    store=bgjobs.SQLiteStore({"shop" + BLINK + PLAUSIBLE + ".db"!a}),
    queues=[
        bgjobs.Queue("default", workers=[greet, slow], poll_interval=0.1),
        bgjobs.Queue("mail", workers=[declared], max_retries=0, poll_interval=0.1),
    ],
    scheduled_jobs=[bgjobs.ScheduledJob(purge, bgjobs.every(hours=6), name="cleaning")],
)
"""

_ESCAPES_OF_RICH = re.compile(r"\x1b\[[0-9;]*m|\x1b\[2K|\x1b\[1A|\x1b\[\?25[lh]|\r|\n")


def prepare(shop: Path) -> None:
    """Turn the shop of the other tests into such a store."""
    (shop / "shop.db").rename(shop / f"shop{BLINK}{PLAUSIBLE}.db")
    (shop / "hostile.py").write_text(APPLICATION, "utf-8")
    with closing(sqlite3.connect(shop / f"shop{BLINK}{PLAUSIBLE}.db")) as database:
        _spoil(database)
        database.commit()


def _spoil(database: sqlite3.Connection) -> None:
    at = "2030-01-01T00:00:00+00:00"
    metadata = json.dumps({f"meta-key{HOSTILE}": f"meta-value{HOSTILE}"})
    errors = json.dumps([[1, at, f"earlier-error{HOSTILE}", at]])
    payload = json.dumps({f"argument{DEEPER}": f"value{DEEPER}"})
    for table in ("bgjobs_jobs", "bgjobs_jobs_succeeded", "bgjobs_jobs_failed"):
        database.execute(
            f"update {table} set metadata = ?, errors = ?, payload = ?, name = 'worker' || ?,"
            " unique_key = 'key' || id || ?",
            (metadata, errors, payload, HOSTILE, HOSTILE),
        )
    database.execute("update bgjobs_jobs_failed set error = 'last-error' || ?", (HOSTILE,))
    database.execute(
        "update bgjobs_jobs set occurrence ="
        " json_set(occurrence, '$.name', 'plan' || ?, '$.schedule', 'words' || ?)"
        " where occurrence is not null",
        (HOSTILE, HOSTILE),
    )
    owner = "01890000-0000-7000-8000-000000000001"
    database.execute(
        "insert into bgjobs_owners (id, name, node, opened_at, lease_expires_at)"
        " values (?, 'owner' || ?, 'node' || ?, 1, ?)",
        (owner, HOSTILE, HOSTILE, 4 * 10**15),
    )
    database.execute(
        "insert into bgjobs_paused_queues (name, paused_at) values ('paused' || ?, 1)",
        (HOSTILE,),
    )
    database.execute(
        "insert into bgjobs_audit (id, at, author, action, subject)"
        " values (?, 1, 'author' || ?, 'action' || ?, 'subject' || ?)",
        (owner, HOSTILE, BLINK, HOSTILE),
    )
    database.execute(
        "insert into bgjobs_jobs (id, name, priority, reservations, created_at, available_at,"
        " reserved_at, reserved_by, payload, errors, metadata) values"
        " ('01890000-0000-7000-8000-000000000002', 'worker' || ?, 0, 1, 1, 1, 1, ?, ?, ?, ?)",
        (HOSTILE, owner, payload, errors, metadata),
    )


def raw(written: str) -> set[str]:
    """Return the characters that a terminal would execute or not show."""
    left = {one for one in _ESCAPES_OF_RICH.sub("", written) if not is_visible(one)}
    return left | ({BLINK} if BLINK in written else set())


def forged(written: str) -> bool:
    """Whether a stored text has begun a line of its own."""
    return re.search(r"^ ?FORGED", written, re.MULTILINE) is not None

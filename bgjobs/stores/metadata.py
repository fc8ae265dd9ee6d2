"""The metadata of a job as the JSON text that both databases keep in one column."""

import json
import logging
from collections.abc import Mapping
from typing import Any

_log = logging.getLogger("bgjobs.stores")


def dump_metadata(metadata: tuple[tuple[str, str], ...]) -> str | None:
    """Write it as a JSON object; None when there is none."""
    if not metadata:
        return None
    return json.dumps(dict(metadata), ensure_ascii=False, separators=(",", ":"))


def load_metadata(text: str | None) -> Mapping[str, str]:
    """Read what `dump_metadata` wrote; nothing, with a warning, when it cannot be read.

    It says nothing about what the job does, so the job runs without it.
    """
    if text is None:
        return {}
    try:
        values: dict[Any, Any] = dict(json.loads(text))
    except (ValueError, TypeError) as error:
        _log.warning("the metadata of a job cannot be read (%s)", type(error).__name__)
        return {}
    return {str(key): str(value) for key, value in values.items()}

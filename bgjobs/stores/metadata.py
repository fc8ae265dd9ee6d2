"""The metadata of a job as the JSON text that both databases keep in one column."""

import json
from collections.abc import Mapping

from bgjobs.stores.json_columns import as_object, as_text, parsed


def dump_metadata(metadata: tuple[tuple[str, str], ...]) -> str | None:
    """Write it as a JSON object; None when there is none."""
    if not metadata:
        return None
    return json.dumps(dict(metadata), ensure_ascii=False, separators=(",", ":"))


def load_metadata(text: str | None) -> Mapping[str, str]:
    """Read what `dump_metadata` wrote; `ValueError` for anything else."""
    if text is None:
        return {}
    values = as_object(parsed(text))
    return {as_text(key): as_text(value) for key, value in values.items()}

"""Metadata as text of a column."""

import pytest

from bgjobs.stores.json_columns import dump_metadata, load_metadata


def test_none_is_null() -> None:
    assert (dump_metadata(()), load_metadata(None)) == (None, {})


@pytest.mark.parametrize("text", ["{", "1", '["a"]', "", '{"a":1}', '{"a":null}', "[" * 90_000])
def test_invalid_metadata_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected|Expecting"):
        load_metadata(text)


def test_lone_surrogates_are_no_text() -> None:
    with pytest.raises(ValueError, match="expected a text"):
        load_metadata('{"a":"\\ud800"}')

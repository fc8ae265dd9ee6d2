"""Metadata as text of a column."""

import logging

import pytest

from bgjobs.stores.metadata import dump_metadata, load_metadata


def test_none_is_null() -> None:
    assert (dump_metadata(()), load_metadata(None)) == (None, {})


@pytest.mark.parametrize("text", ["{", "1", '["a"]', ""])
def test_what_cannot_be_read_costs_the_metadata_and_no_job(
    text: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert load_metadata(text) == {}
    assert "the metadata of a job cannot be read (" in caplog.text


def test_values_of_another_program_are_texts() -> None:
    assert load_metadata('{"a":1}') == {"a": "1"}

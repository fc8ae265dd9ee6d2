"""The encoder that is made once, and the one of the standard library where it is missing."""

import json
from typing import Any

import pytest

from bgjobs._core.payloads import json_text

VALUE = {"i": 1, "texts": ["é", '"', "\n"], "nested": {"none": None, "float": 2.5, "on": True}}
TEXT = '{"i":1,"texts":["é","\\"","\\n"],"nested":{"none":null,"float":2.5,"on":true}}'


def refuse(*_: Any) -> None:
    raise TypeError("takes other arguments")


@pytest.mark.parametrize("make", [None, refuse])
def test_python_without_the_encoder_in_c_writes_the_same(
    monkeypatch: pytest.MonkeyPatch, make: Any
) -> None:
    assert json_text.text_of(VALUE) == TEXT
    monkeypatch.setattr(json.encoder, "c_make_encoder", make)
    encode = json_text._encoder()
    monkeypatch.undo()
    assert encode(VALUE) == TEXT
    assert "lambda" not in encode.__qualname__

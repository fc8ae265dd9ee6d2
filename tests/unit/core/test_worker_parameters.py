"""The parameters of a worker and their defaults, as tools for operators show them."""

from datetime import timedelta
from enum import Enum
from inspect import Parameter
from typing import Any, cast

import attrs

import bgjobs


class Colour(Enum):
    RED = "red"


@attrs.frozen
class Mail:
    to: str


@bgjobs.worker
async def send(
    context: bgjobs.JobContext, to: "str", /, *more: int, colour: Colour = Colour.RED
) -> None: ...


def test_parameters_have_evaluated_annotations_and_no_context() -> None:
    found = [(one.name, one.kind, one.annotation) for one in send.parameters]

    assert found == [
        ("to", Parameter.POSITIONAL_ONLY, str),
        ("more", Parameter.VAR_POSITIONAL, int),
        ("colour", Parameter.KEYWORD_ONLY, Colour),
    ]


def test_defaults_are_texts_of_json_as_in_a_payload() -> None:
    @bgjobs.worker
    async def work(
        n: int,
        mail: Mail = Mail("a"),
        wait: timedelta = timedelta(seconds=3),
        text: str = "\u00e4",
        odd: int = cast("Any", None),
    ) -> None: ...

    assert work.encode_defaults() == {"mail": '{"to":"a"}', "wait": "3", "text": '"\u00e4"'}
    assert send.encode_defaults() == {"colour": '"red"'}

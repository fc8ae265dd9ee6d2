"""Requests as Python and as commands."""

import datetime as dt
import decimal
import json
import pathlib
import shlex
import uuid
from enum import Flag
from typing import Any

import attrs
import pytest

import bgjobs
from bgjobs.cli.commands.jobs.enqueue import request as from_json
from bgjobs.web.present.request_text import command_text, python_text
from tests.unit.web.actions.workers import Card, Colour, Point, Rights, Size, pay, stars

NAMES: dict[str, Any] = {
    "datetime": dt,
    "Decimal": decimal.Decimal,
    "UUID": uuid.UUID,
    "PosixPath": pathlib.PosixPath,
    "Card": Card,
    "Size": Size,
    "Point": Point,
    "Rights": Rights,
    "Colour": Colour,
}
DAY = dt.datetime(2030, 1, 31, 8, tzinfo=dt.UTC)


@bgjobs.worker
async def work(
    text: str,
    moment: dt.datetime = DAY,
    *,
    colours: frozenset[Colour] = frozenset(),
    rights: Rights | None = None,
    sizes: "dict[str, Size] | None" = None,
    point: tuple[Point] | None = None,
    share: decimal.Decimal = decimal.Decimal(1),
    numbers: set[int] | None = None,
    place: pathlib.PosixPath | None = None,
) -> None: ...


PLAIN = work.request("it's \u00e4 $HOME `x` \u202e\n\"")
REQUESTS = [
    PLAIN,
    PLAIN.available_in(minutes=5).priority(-3).unique("it's", on_conflict="raise"),
    PLAIN.available_in(seconds=90).unique("k"),
    PLAIN.available_at(DAY).with_metadata(**{"a b": "c'", "class": "d", "tenant": "7"}),
    work.request(
        "",
        DAY,
        colours=frozenset((Colour.BLUE,)),
        rights=Rights.READ | Rights.WRITE,
        sizes={"a": Size(1, 2)},
        point=(Point(1, 2),),
        share=decimal.Decimal("0.1"),
        numbers=set(),
        place=pathlib.PosixPath("/a b"),
    ),
]


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda one: str(REQUESTS.index(one)))
def test_python_makes_the_same_request(request_: bgjobs.JobRequest) -> None:
    text = python_text(work, request_)
    # A test may evaluate its own texts.
    assert eval(text, {**NAMES, "work": work}) == request_


def test_python_is_written_as_users_write_it() -> None:
    wanted = stars.request(1, key="x").available_in(minutes=5).priority(2).unique("k")
    assert python_text(stars, wanted) == (
        "stars.request(1, key='x').available_in(minutes=5).priority(2).unique('k')"
    )
    more = stars.request(1, 2, 3, key="k", **{"a b": 4, "c": 5})
    assert python_text(stars, more) == "stars.request(1, 2, 3, key='k', c=5, **{'a b': 4})"


def options(command: str) -> tuple[str, dict[str, list[str]]]:
    """Return the name of the worker, and the values of each option of a command."""
    *words, name = shlex.split(command)
    assert words[:3] == ["bgjobs", "jobs", "enqueue"]
    words = words[3:-1] if words[-1] == "--" else words[3:]
    found: dict[str, list[str]] = {}
    for option, value in zip(words[::2], words[1::2], strict=True):
        found.setdefault(option, []).append(value)
    return name, found


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda one: str(REQUESTS.index(one)))
def test_a_command_has_the_same_arguments(request_: bgjobs.JobRequest) -> None:
    command = command_text(work, request_)
    name, found = options(command)
    args, kwargs = found.get("--args", ["[]"])[0], found.get("--kwargs", ["{}"])[0]

    assert name == "work"
    assert command.isprintable()
    assert from_json(work, json.loads(args), json.loads(kwargs)).payload == request_.payload


def test_a_command_has_the_options_of_the_request() -> None:
    first = options(command_text(work, REQUESTS[1]))[1]
    delayed = options(command_text(work, REQUESTS[2]))[1]
    dated = options(command_text(work, REQUESTS[3]))[1]

    assert {name: first[name] for name in ("--in", "--priority", "--unique")} == {
        "--in": ["5m"],
        "--priority": ["-3"],
        "--unique": ["it's"],
    }
    assert delayed["--in"] == ["90.0s"]
    assert dated["--at"] == ["2030-01-31T08:00:00+00:00"]
    assert dated["--metadata"] == ["a b=c'", "class=d", "tenant=7"]


def test_hostile_names_of_workers_are_one_word_and_no_option() -> None:
    @bgjobs.worker(name="--version; rm -rf '$HOME'")
    async def odd() -> None: ...

    command = command_text(odd, odd.request())
    assert command == "bgjobs jobs enqueue -- '--version; rm -rf '\"'\"'$HOME'\"'\"''"
    assert shlex.split(command)[-2:] == ["--", odd.name]


def test_private_fields_are_masked_so_that_neither_text_can_be_used() -> None:
    wanted = pay.request(Card("Ada", "4111"))
    python, command = python_text(pay, wanted), command_text(pay, wanted)

    assert python == "pay.request(Card(holder='Ada', number=<hidden>))"
    assert command == (
        """bgjobs jobs enqueue --args '[{"holder": "Ada", "number": <hidden>}]' 'pay card'"""
    )
    with pytest.raises(json.JSONDecodeError):
        json.loads(options(command)[1]["--args"][0])


def test_arguments_with_the_name_of_a_private_field_are_masked_too() -> None:
    @bgjobs.worker
    async def charge(number: str, cards: dict[str, Card], *holder: str) -> None: ...

    @attrs.frozen
    class Secret:
        rest: str = attrs.field(repr=False)

    @bgjobs.worker
    async def keep(secret: Secret, *rest: int, **more: int) -> None: ...

    charged = charge.request("4111", {"number": Card("Ada", "4222")}, "x")
    kept = keep.request(Secret("4333"), 4444, rest=4555)

    assert python_text(charge, charged) == (
        "charge.request(<hidden>, {'number': <hidden>}, 'x')"
    )
    assert (
        python_text(keep, kept)
        == "keep.request(Secret(rest=<hidden>), <hidden>, rest=<hidden>)"
    )
    for text in (command_text(charge, charged), command_text(keep, kept)):
        assert "4" not in text


def test_a_flag_without_a_name_is_written_by_its_number() -> None:
    class Modes(Flag):
        A = 1
        B = 4

    @bgjobs.worker
    async def use(modes: Modes) -> None: ...

    assert python_text(use, use.request(Modes.A)) == "use.request(Modes.A)"
    assert python_text(use, use.request(Modes.A | Modes.B)) == "use.request(Modes(5))"

"""`bgjobs jobs enqueue` over SQLite."""

import io
import sys

import pytest

from tests.cli.conftest import Call, ids


def test_arguments_are_converted_to_the_annotated_types(call: Call) -> None:
    arguments = ("--kwargs", '{"mail": {"to": "a@b", "copies": 2}}')

    job = call("jobs", "enqueue", "send", *arguments, "--priority", "5", "--json").json

    assert (job["state"], job["priority"]) == ("waiting", 5)
    shown = call("jobs", "show", job["id"], "--payload", "--json").json
    assert shown["payload"] == {"mail": {"to": "a@b", "copies": 2}}


def test_a_job_can_be_enqueued_with_a_delay(call: Call) -> None:
    later = call("jobs", "enqueue", "greet", "--args", '["Ada"]', "--in", "1h", "--json").json

    assert later["id"] in ids(call, "--delayed")
    assert (later["state"], later["is_new"]) == ("delayed", True)


def test_a_job_with_a_taken_key_is_not_reported_as_enqueued(call: Call) -> None:
    unique = ("jobs", "enqueue", "greet", "--args", '["Ada"]', "--unique", "ada")
    first, second, third = call(*unique), call(*unique), call(*unique, "--in", "1h", "--json")

    job = first.out.removeprefix("enqueued ").rstrip()
    assert (second.code, second.out) == (
        0,
        f"nothing was enqueued: job {job} has this key\n",
    )
    found = third.json
    assert (found["id"], found["is_new"], found["state"]) == (job, False, "waiting")


def test_metadata_are_stored_with_the_job(call: Call) -> None:
    pairs = ("--metadata", "tenant=7", "--metadata", "self=a=b")
    job = call("jobs", "enqueue", "greet", "--args", '["Ada"]', *pairs, "--json").json

    assert job["metadata"] == {"tenant": "7", "self": "a=b"}


def test_a_time_is_given_with_its_zone(call: Call) -> None:
    job = call(
        *("jobs", "enqueue", "greet", "--args", '["Ada"]', "--at", "2090-01-01T01:00+01:00"),
        "--json",
    ).json
    moved = call("jobs", "reschedule", job["id"], "--at", "2091-01-01T00:00Z")

    assert (job["state"], job["available_at"]) == ("delayed", "2090-01-01T00:00:00Z")
    assert moved.code == 0
    shown = call("jobs", "show", job["id"], "--json").json
    assert shown["available_at"] == "2091-01-01T00:00:00Z"


def test_arguments_are_read_from_stdin(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO('{"name": "Ada"}'))

    job = call("jobs", "enqueue", "greet", "--kwargs", "-", "--json").json

    shown = call("jobs", "show", job["id"], "--payload", "--json").json
    assert shown["payload"]["name"] == "Ada"


@pytest.mark.parametrize(
    ("worker", "arguments", "message"),
    [
        (
            "greet",
            {"--args": "lambda name: name"},
            (
                "--args: expected a JSON array such as '[\"Ada\", 3]', "
                "found no JSON at character 1"
            ),
        ),
        (
            "greet",
            {"--kwargs": "{'name': 'Ada'}"},
            (
                '--kwargs: expected a JSON object such as \'{"name": "Ada"}\', '
                "found no JSON at character 2"
            ),
        ),
        (
            "greet",
            {"--args": '{"name": "Ada"}'},
            "--args: expected a JSON array such as '[\"Ada\", 3]', found an object",
        ),
        (
            "greet",
            {},
            (
                "worker 'greet': missing a required argument: 'name'; "
                "it takes (name: str, times: int = 1)"
            ),
        ),
        (
            "greet",
            {"--kwargs": '{"nmae": "Ada"}'},
            (
                "worker 'greet': missing a required argument: 'name'; "
                "it takes (name: str, times: int = 1)"
            ),
        ),
        (
            "greet",
            {"--args": '["Ada", "often"]'},
            "payload of worker 'greet': times: expected int, found str",
        ),
        (
            "send",
            {"--kwargs": '{"mail": {"too": "a@b"}}'},
            (
                "payload of worker 'send': mail: missing field 'to'; "
                "mail: found 1 unexpected field, expected only 'to', 'copies'"
            ),
        ),
        (
            "greet",
            {"--args": '["Ada"]', "--priority": "99999"},
            "jobs enqueue: invalid value for '--priority'",
        ),
        ("greet", {"--args": '["Ada"]', "--unique": ""}, "unique key: expected 1 to"),
        ("greet", {"--args": "[NaN]"}, "payload of worker 'greet': expected JSON, found NaN"),
    ],
)
def test_arguments_that_do_not_match_are_an_error(
    worker: str, arguments: dict[str, str], message: str, call: Call
) -> None:
    options = [part for pair in arguments.items() for part in pair]

    answer = call("jobs", "enqueue", worker, *options)

    assert answer.code == 2
    assert answer.line.startswith(message)

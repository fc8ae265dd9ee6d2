"""No text of the library shows the value of a field with `repr=False`."""

import dataclasses
import logging
import traceback
from collections.abc import Callable
from typing import Any, Literal

import attrs
import pytest
import trio

import bgjobs
from bgjobs._core.requests import JobRequest
from bgjobs.errors import PayloadError
from bgjobs.logs import log_listener
from tests.fixtures.databases import Database

SECRET = "hunter2"


@attrs.frozen
class Inner:
    pin: int = 0
    parts: dict[str, int] = attrs.field(factory=dict[str, int])


@attrs.frozen
class Login:
    user: str
    password: str = attrs.field(repr=False, default="")
    masked: str = attrs.field(repr=lambda _: "***", default="")
    inner: Inner = attrs.field(repr=False, factory=Inner)
    named: dict[str, int] = attrs.field(repr=False, factory=dict[str, int])
    rows: list[dict[str, int]] = attrs.field(repr=False, factory=list[dict[str, int]])
    either: int | dict[str, int] | None = attrs.field(repr=False, default=None)


@dataclasses.dataclass
class Account:
    name: str
    token: dict[str, str] = dataclasses.field(repr=False, default_factory=dict[str, str])
    login: Login | None = None


@bgjobs.worker
def visit(account: Account, others: list[Account] | None = None) -> None: ...


@bgjobs.worker
def enter(login: Login) -> None: ...


def error_text(call: Callable[[], object]) -> str:
    """Return the texts and the arguments of the raised error and of its chain."""
    with pytest.raises(PayloadError) as caught:
        call()
    error: BaseException | None = caught.value
    texts = ["".join(traceback.format_exception(caught.value))]
    while error is not None:
        texts += [str(error), repr(error), repr(vars(error))]
        error = error.__cause__ or error.__context__
    return "\n".join(texts)


WRONG: dict[str, Any] = {
    "password": {SECRET: 1},
    "masked": [SECRET],
    "inner": Inner(parts={SECRET: "x"}),  # type: ignore[dict-item]
    "named": {SECRET: "x"},
    "rows": [{SECRET: "x"}],
    "either": {SECRET: "x"},
}


@pytest.mark.parametrize("field", WRONG)
def test_a_value_of_another_type_is_not_shown_when_written(field: str) -> None:
    text = error_text(lambda: enter.request(Login("ada", **{field: WRONG[field]})))
    assert SECRET not in text
    assert f"login.{field}: expected " in text
    assert "not shown" in text


JSON: dict[str, str] = {
    "password": '{"hunter2":1}',
    "masked": '["hunter2"]',
    "inner": '{"hunter2":1}',
    "inner.parts": '{"parts":{"hunter2":"x"}}',
    "named": '{"hunter2":"x"}',
    "rows": '[{"hunter2":"x"}]',
    "either": '{"hunter2":"x"}',
}


@pytest.mark.parametrize("field", JSON)
def test_a_value_of_another_type_is_not_shown_when_read(field: str) -> None:
    name = field.partition(".")[0]
    payload = f'{{"login":{{"user":"ada","{name}":{JSON[field]}}}}}'
    text = error_text(lambda: enter.decode(payload))
    assert SECRET not in text
    assert f"login.{name}: expected " in text


UNSTORABLE = ("hunter2\0", "hunter2\ud800")


@pytest.mark.parametrize("bad", UNSTORABLE, ids=ascii)
def test_a_value_that_cannot_be_stored_is_not_shown_when_written(bad: str) -> None:
    for login in (
        Login("ada", password=bad),
        Login("ada", named={bad: 1}),
        Login("ada", inner=Inner(parts={bad: 1})),
        Login("ada", rows=[{bad: 1}]),
        Login("ada", either={bad: 1}),
    ):
        text = error_text(lambda login=login: enter.request(login))  # type: ignore[misc]
        assert SECRET not in text
        assert "login." in text
    assert SECRET not in error_text(
        lambda: visit.request(Account("x", token={"k": bad, bad: "v"}))
    )


def test_nesting_below_is_not_shown() -> None:
    @attrs.frozen
    class Deep:
        next: "dict[str, Deep]" = attrs.field(repr=False, factory=dict[str, "Deep"])

    @bgjobs.worker
    def go(deep: Deep) -> None: ...

    deep = Deep()
    for _ in range(70):
        deep = Deep({SECRET: deep})
    text = error_text(lambda: go.request(deep))
    assert SECRET not in text
    assert "nested deeper than 64 levels" in text


@pytest.mark.parametrize("escape", ["\\u0000", "\\ud800"])
def test_a_value_that_cannot_be_stored_is_not_shown_when_read(escape: str) -> None:
    for part in (
        f'"password":"hunter2{escape}"',
        f'"named":{{"hunter2{escape}":1}}',
        f'"inner":{{"parts":{{"hunter2{escape}":1}}}}',
        f'"rows":[{{"hunter2{escape}":1}}]',
    ):
        text = error_text(lambda part=part: enter.decode(f'{{"login":{{"user":"a",{part}}}}}'))  # type: ignore[misc]
        assert SECRET not in text
        assert "login" in text


def test_fields_below_lists_and_unions_are_hidden_too() -> None:
    wrong = Account("x", login=Login("ada", named={SECRET: "x"}))  # type: ignore[dict-item]
    text = error_text(lambda: visit.request(Account("y"), [Account("z"), wrong]))
    assert SECRET not in text
    assert "others[1].login.named: expected " in text


def test_errors_show_the_values_of_other_fields() -> None:
    text = error_text(lambda: enter.request(Login({"a": 1}, password="x")))  # type: ignore[arg-type]
    assert "login.user: expected str, found dict" in text


def test_hidden_fields_are_stored_and_read_like_others() -> None:
    login = Login("ada", SECRET, "m", Inner(5, {"a": 1}), {"b": 2}, [{"c": 3}], {"d": 4})
    account = Account("x", {"t": SECRET}, login)
    assert visit.decode(visit.request(account).payload)[1] == {"account": account}


def test_classes_with_hidden_fields_are_discriminated() -> None:
    @attrs.frozen
    class Cat:
        kind: Literal["cat"] = attrs.field(repr=False)

    @attrs.frozen
    class Dog:
        kind: Literal["dog"] = attrs.field(repr=False)

    @bgjobs.worker
    def feed(pet: Cat | Dog) -> None: ...

    assert feed.decode(feed.request(Dog("dog")).payload)[1] == {"pet": Dog("dog")}


def test_the_text_of_a_validator_that_quotes_the_value_is_not_shown() -> None:
    def check(instance: object, attribute: object, value: str) -> None:
        raise ValueError(f"no such password: {value}")

    @attrs.define
    class Checked:
        password: str = attrs.field(repr=False, validator=check)

    @bgjobs.worker
    def take(checked: Checked) -> None: ...

    payload = f'{{"checked":{{"password":"{SECRET}"}}}}'
    assert SECRET not in error_text(lambda: take.decode(payload))


def test_a_payload_that_no_longer_fits_leaves_no_secret_anywhere(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    """Not in the stored error, in events, in log lines or in a repr."""
    payloads = [f'{{"login":{{"user":"ada","{n.partition(".")[0]}":{JSON[n]}}}}}' for n in JSON]
    seen: list[str] = []

    def note(event: bgjobs.Event) -> None:
        seen.append(f"{event!r} {getattr(event, 'error', '')}")

    config = bgjobs.Config(
        store=database.store(),
        queues=[bgjobs.Queue("q", workers=[enter], max_retries=0)],
        listeners=[note, log_listener],
    )

    async def main() -> list[bgjobs.FailedJob]:
        with trio.fail_after(60):
            async with bgjobs.run(config) as bg:
                await bg.enqueue_many(JobRequest("enter", one) for one in payloads)
                await bg.drain()
                return await bg.list(bgjobs.JobFilter("failed"))

    with caplog.at_level(logging.DEBUG):
        failed = trio.run(main)
    assert len(failed) == len(payloads)
    for text in (caplog.text, *seen, *map(repr, failed), *(one.error for one in failed)):
        assert SECRET not in text
    for job in failed:
        assert SECRET not in "".join(one.error for one in job.errors)


def test_keys_in_messages_are_short() -> None:
    """A key of a mebibyte is cut."""

    @bgjobs.worker
    def take(values: dict[str, str]) -> None: ...

    text = error_text(lambda: take.request({"x" * 100_000: "\0"}))
    assert len(text) < 10_000

"""A worker knows the fields that pages do not show."""

import attrs

from bgjobs._core.workers import worker


@attrs.frozen
class Key:
    id: int
    text: str = attrs.field(repr=False)


@attrs.frozen
class Account:
    name: str
    pin: int = attrs.field(repr=lambda _: "***")
    keys: dict[str, Key] = attrs.field(factory=dict[str, Key])


def test_a_worker_names_the_hidden_fields_of_its_arguments_and_its_result() -> None:
    @worker(keep_result=True)
    def opened(accounts: list[Account | None]) -> Key | None:
        return None

    @worker(keep_result=True)
    def made() -> Key:
        return Key(1, "")

    @worker
    def plain(name: str) -> Key:
        return Key(1, name)

    assert opened.redacted == {"pin", "text"}
    assert made.redacted == {"text"}
    assert plain.redacted == frozenset()

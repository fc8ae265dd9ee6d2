"""Hashes of passwords, and the users of `BasicAuth`."""

from typing import Any

import pytest

from bgjobs import web
from bgjobs.web.auth.passwords import PasswordHash


def test_a_hash_has_its_own_salt_and_names_its_cost() -> None:
    first, second = web.hash_password("secret"), web.hash_password("secret")

    assert first != second
    assert first.startswith("scrypt$15$8$3$")
    parsed = PasswordHash.parse(first)
    assert parsed is not None
    assert parsed.text() == first
    assert parsed.matches("secret")
    assert not parsed.matches("Secret")


def test_any_text_can_be_compared(password_hash: str) -> None:
    parsed = PasswordHash.parse(password_hash)
    assert parsed is not None
    assert not any(parsed.matches(text) for text in ("", "\0", "\ud800", "x" * 100_000))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "secret",
        "scrypt$1$8$1$AAAAAAAAAAAAAAAAAAAAAA==$" + "A" * 43 + "=",
        "scrypt$40$8$1$AAAAAAAAAAAAAAAAAAAAAA==$" + "A" * 43 + "=",
        "scrypt$14$8$1$AA==$" + "A" * 43 + "=",
        "scrypt$14$8$1$AAAAAAAAAAAAAAAAAAAAAA==$AAAA",
        "scrypt$14$8$1$" + "A" * 23 + "$" + "A" * 43 + "=",
        "scrypt$14$8$1$AAAAAAAAAAAAAAAAAAAAAA==$" + "A" * 43 + "=\n",
        "$argon2id$v=19$m=65536",
    ],
)
def test_a_text_that_is_no_hash_is_refused_and_not_quoted(text: str) -> None:
    with pytest.raises(ValueError) as caught:
        web.BasicAuth({"ada": text})

    assert str(caught.value) == (
        "BasicAuth: passwords['ada']: expected a text of web.hash_password, found another"
    )


@pytest.mark.parametrize(
    ("passwords", "options", "error"),
    [
        (None, {}, "BasicAuth: passwords: expected a mapping of texts, found None"),
        ({}, {}, "BasicAuth: passwords: expected a user, found none"),
        ({"ada": 5}, {}, "BasicAuth: passwords: value: expected str, found int"),
        ({5: "x"}, {}, "BasicAuth: passwords: key: expected str, found int"),
        (
            ...,
            {"may_act": ["adda"]},
            "BasicAuth: may_act: no user 'adda'; known users: 'ada', did you mean 'ada'?",
        ),
        (
            ...,
            {"may_act": "ada"},
            "BasicAuth: may_act: expected a collection of names, found str",
        ),
        (
            ...,
            {"may_act": None},
            "BasicAuth: may_act: expected a collection of names, found None",
        ),
        (
            ...,
            {"may_see_arguments": ["x"]},
            "BasicAuth: may_see_arguments: no user 'x'; known users: 'ada'",
        ),
    ],
)
def test_wrong_users_are_refused(
    passwords: Any, options: dict[str, Any], error: str, password_hash: str
) -> None:
    users = {"ada": password_hash} if passwords is ... else passwords
    with pytest.raises((TypeError, ValueError)) as caught:
        web.BasicAuth(users, **options)
    assert str(caught.value) == error


def test_a_name_that_no_login_accepts_is_refused(password_hash: str) -> None:
    with pytest.raises(ValueError, match="expected names of at most 200 characters, found 201"):
        web.BasicAuth({"a" * 201: password_hash})
    with pytest.raises(ValueError, match="User: name: expected a name, found ' '"):
        web.BasicAuth({" ": password_hash})


@pytest.mark.parametrize(
    ("password", "error"),
    [
        ("", "hash_password: password: expected a password, found an empty text"),
        (None, "hash_password: password: expected str, found None"),
        (b"secret", "hash_password: password: expected str, found bytes"),
    ],
)
def test_what_is_no_password_is_refused(password: Any, error: str) -> None:
    with pytest.raises((TypeError, ValueError)) as caught:
        web.hash_password(password)
    assert str(caught.value) == error


def test_users_have_the_rights_that_name_them(basic: web.BasicAuth) -> None:
    assert basic.find("ada", "correct horse") == web.User(
        "ada", may_act=True, may_see_arguments=True
    )
    assert basic.find("grace", "correct horse") == web.User("grace")
    assert basic.find("grace", "wrong") is None
    assert basic.find("nothing", "correct horse") is None


def test_no_repr_shows_a_hash(basic: web.BasicAuth, password_hash: str) -> None:
    digest = password_hash.rpartition("$")[2]
    parsed = PasswordHash.parse(password_hash)

    assert parsed is not None
    assert digest not in repr(basic)
    assert str(parsed.digest) not in repr(parsed)


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"name": ""}, "User: name: expected a name, found ''"),
        ({"name": None}, "User: name: expected str, found None"),
        ({"name": "ada", "may_act": 1}, "User: may_act: expected True or False, found int"),
        (
            {"name": "ada", "may_read": None},
            "User: may_read: expected True or False, found None",
        ),
    ],
)
def test_a_wrong_user_is_refused(values: dict[str, Any], error: str) -> None:
    with pytest.raises((TypeError, ValueError)) as caught:
        web.User(**values)
    assert str(caught.value) == error

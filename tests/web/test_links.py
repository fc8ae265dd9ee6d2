"""Addresses of pages, of hostile paths too."""

import pytest

from bgjobs.web.links import Links, base_of, own_path, requested, requested_path, with_query


def scope(path: str, root_path: str = "", query: bytes = b"") -> dict[str, object]:
    return {"path": path, "root_path": root_path, "query_string": query}


@pytest.mark.parametrize(
    ("root_path", "base"),
    [
        ("", ""),
        ("/", ""),
        ("/jobs", "/jobs"),
        ("/jobs/", "/jobs"),
        ("//evil.example", "/evil.example"),
        ("/a b\r\n;", "/a%20b%0D%0A%3B"),
    ],
)
def test_the_base_is_a_path_of_this_host(root_path: str, base: str) -> None:
    assert base_of(scope("/", root_path)) == base


@pytest.mark.parametrize(
    ("path", "root_path", "below"),
    [
        ("/jobs/a", "/jobs", "/a"),
        ("/jobs/a b\r\n", "/jobs", "/a%20b%0D%0A"),
        ("/jobs//evil.example", "/jobs", "/"),
        ("//evil.example", "", "/"),
        ("/\\evil.example", "", "/%5Cevil.example"),
        ("/jobsearch", "/jobs", "/jobsearch"),
        ("/jobs", "/jobs", "/"),
    ],
)
def test_the_requested_path_is_one_of_this_host(path: str, root_path: str, below: str) -> None:
    assert requested_path(scope(path, root_path)) == below


def test_the_requested_query_is_kept() -> None:
    assert requested(scope("/", query=b"state=failed&x=%0a")) == "/?state=failed&x=%0a"
    assert requested(scope("/", query=b"\xff")) == "/"


def test_addresses_of_pages_are_below_the_base_and_the_system() -> None:
    links = Links("/admin", "/shop")
    assert links.top("/logout") == "/admin/logout"
    assert links.page("/") == "/admin/shop/"


def test_a_query_is_encoded() -> None:
    assert with_query("/login", next="/?a=b&c=d e") == "/login?next=%2F%3Fa%3Db%26c%3Dd+e"


@pytest.mark.parametrize("text", ["/", "/a/b?c=d&e=%2F", "/a//b", "/~x"])
def test_a_path_of_this_page_is_kept(text: str) -> None:
    assert own_path(text) == text

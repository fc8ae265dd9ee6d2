"""The style sheet and the script: files of the package, read once."""

from collections.abc import Mapping
from hashlib import sha256
from importlib.resources import files
from typing import final

from attrs import frozen
from starlette.requests import Request
from starlette.responses import Response

_TYPES = {"css": "text/css", "js": "text/javascript"}


@final
@frozen
class Asset:
    """One file, as it is sent."""

    content: bytes
    type: str
    etag: str

    def answer(self, request: Request) -> Response:
        """Return the file, or 304 if the browser has it."""
        headers = {"ETag": self.etag, "Cache-Control": "no-cache"}
        if request.headers.get("if-none-match") == self.etag:
            return Response(status_code=304, headers=headers)
        return Response(self.content, media_type=self.type, headers=headers)


def read_assets() -> Mapping[str, Asset]:
    """Return all files by their names; a request can name no other file."""
    folder = files("bgjobs.web") / "static"
    return {one.name: _asset(one.name, one.read_bytes()) for one in folder.iterdir()}


def _asset(name: str, content: bytes) -> Asset:
    kind = _TYPES[name.rpartition(".")[2]]
    return Asset(content, kind, f'"{sha256(content).hexdigest()[:32]}"')

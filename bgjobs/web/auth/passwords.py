"""Hashes of passwords by scrypt, as texts with their salt and their cost."""

import binascii
import re
import secrets
from base64 import b64decode, b64encode
from hashlib import scrypt
from hmac import compare_digest
from typing import final

from attrs import evolve, field, frozen

from bgjobs._core.arguments import check_text

_COST, _BLOCK, _PARALLEL = 15, 8, 3
"""One of the settings that OWASP recommends: 32 MiB, for some tenths of a second."""
_SALT, _DIGEST = 16, 32
_TEXT = re.compile(
    r"scrypt\$(?P<cost>1[4-9]|20)\$(?P<block>8|16|32)\$(?P<parallel>[1-9]|1[0-6])"
    r"\$(?P<salt>[A-Za-z0-9+/]{22,88}={0,2})\$(?P<digest>[A-Za-z0-9+/]{43}=)"
)
"""The lower bounds refuse hashes that are cheap to guess; the upper ones, those that fill the
memory."""


@final
@frozen
class PasswordHash:
    """What is stored of a password."""

    cost: int
    """The logarithm of the number of rounds, to the base 2."""
    block: int
    parallel: int
    salt: bytes = field(repr=False)
    digest: bytes = field(repr=False)

    @classmethod
    def new(cls, password: str) -> "PasswordHash":
        """Return the hash of a password, with a new salt."""
        salt = secrets.token_bytes(_SALT)
        return cls(_COST, _BLOCK, _PARALLEL, salt, digest=b"").of(password)

    def unguessable(self) -> "PasswordHash":
        """Return a hash that costs as much to compare as this one, and that none equals."""
        return evolve(self, digest=secrets.token_bytes(_DIGEST))

    @classmethod
    def parse(cls, text: str) -> "PasswordHash | None":
        """Return the hash in a text of `hash_password`; None if it is none."""
        found = _TEXT.fullmatch(text)
        if found is None:
            return None
        try:
            salt = b64decode(found["salt"], validate=True)
            digest = b64decode(found["digest"], validate=True)
        except binascii.Error:
            return None
        cost, block, parallel = (int(found[part]) for part in ("cost", "block", "parallel"))
        return cls(cost, block, parallel, salt, digest)

    def matches(self, password: str) -> bool:
        """Whether it is the hash of this password, compared in constant time."""
        return compare_digest(self.of(password).digest, self.digest)

    def text(self) -> str:
        """Return the text that `parse` reads."""
        salt, digest = (b64encode(one).decode() for one in (self.salt, self.digest))
        return f"scrypt${self.cost}${self.block}${self.parallel}${salt}${digest}"

    def of(self, password: str) -> "PasswordHash":
        """Return the hash of a password with the same salt and cost."""
        rounds = 2**self.cost
        digest = scrypt(
            password.encode("utf-8", "surrogatepass"),
            salt=self.salt,
            n=rounds,
            r=self.block,
            p=self.parallel,
            maxmem=256 * rounds * self.block,
            dklen=_DIGEST,
        )
        return evolve(self, digest=digest)


def hash_password(password: str) -> str:
    """Return the hash of a password, for `BasicAuth`: scrypt, with a salt of its own.

    It takes some tenths of a second and 32 MiB, so that stolen hashes are expensive to guess.
    Keep the text like a secret.

    Raises:
        TypeError: The password is no text.
        ValueError: It is empty.
    """
    check_text("hash_password: password", password)
    if not password:
        raise ValueError("hash_password: password: expected a password, found an empty text")
    return PasswordHash.new(password).text()

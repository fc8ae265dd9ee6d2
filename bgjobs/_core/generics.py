"""Type variables with defaults, which only type checkers see.

`typing.TypeVar` has no defaults before Python 3.13, and type checkers bring the stubs of
`typing_extensions` with them; see https://peps.python.org/pep-0696/.
"""

from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    R_co = TypeVar("R_co", covariant=True, default=object)
    Resources_co = TypeVar("Resources_co", covariant=True, default=object)
else:
    from typing import TypeVar

    R_co = TypeVar("R_co", covariant=True)
    Resources_co = TypeVar("Resources_co", covariant=True)


@final
class NotKept:
    """The static type of the results of a worker that keeps none; there are no instances."""

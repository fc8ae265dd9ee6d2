"""`User`: a person at the page, and their rights."""

from typing import final

from attrs import frozen

from bgjobs._core.arguments import check_flag, check_name


@final
@frozen
class User:
    """A person who uses the page, and what they may do.

    Raises:
        TypeError: A value has another type.
        ValueError: The name is empty, or no database can store it.
    """

    name: str
    """It is shown on every page, and stored with what the user does to jobs."""
    may_read: bool = True
    """Whether the user may see jobs, without their arguments."""
    may_act: bool = False
    """Whether the user may change jobs and queues."""
    may_see_arguments: bool = False
    """Whether the user may see the arguments of jobs, which may be private."""

    def __attrs_post_init__(self) -> None:
        check_name("User: name", self.name)
        if not self.name.strip():
            raise ValueError(f"User: name: expected a name, found {self.name!r}")
        check_flag("User: may_read", self.may_read)
        check_flag("User: may_act", self.may_act)
        check_flag("User: may_see_arguments", self.may_see_arguments)

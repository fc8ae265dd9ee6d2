"""The error that stands for what a handler has raised and that ends its queue."""

from bgjobs.errors import BgJobsError


class HandlerCrashedError(BgJobsError):
    """A handler raised neither an `Exception` nor `SystemExit`; this ends its queue."""

    def __init__(self, worker: str, error: BaseException) -> None:
        self.worker = worker
        super().__init__(f"handler of worker {worker!r} raised {type(error).__name__}")

"""Print the payloads of a fixed sample, for processes to be compared."""

import sys

from hypothesis import HealthCheck, Phase, given, settings

from bgjobs.errors import PayloadError, WorkerDefinitionError
from bgjobs.workers import Worker, worker
from tests.unit.payloads.cases.calls import Call, calls, calls_with_sets
from tests.unit.payloads.cases.samples import evenly


def payload_of(call: Call) -> str:
    try:
        made: Worker[..., None] = worker(call.handler())
    except WorkerDefinitionError:
        return "cannot be declared"
    args, kwargs = call.given()
    try:
        return made.request(*args, **kwargs).payload
    except PayloadError:
        return "refused"


@settings(
    max_examples=150,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(evenly(calls_with_sets, calls))
def print_payload(call: Call) -> None:
    sys.stdout.write(f"{payload_of(call)}\n")


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]  # a text stream here
    print_payload()

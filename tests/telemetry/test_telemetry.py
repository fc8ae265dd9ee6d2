"""Import without OpenTelemetry, and with its API alone."""

import subprocess
import sys

import bgjobs
from bgjobs.telemetry import Telemetry

MISSING = """
import sys
sys.modules["opentelemetry"] = None
import bgjobs
try:
    import bgjobs.telemetry
except ImportError as error:
    print(error)
"""


def test_without_the_extra_one_error_says_what_to_install() -> None:
    done = subprocess.run(
        [sys.executable, "-c", MISSING], capture_output=True, text=True, check=True
    )
    wanted = "bgjobs.telemetry needs opentelemetry-api: pip install 'bgjobs[otel]'\n"
    assert done.stdout == wanted


def test_importing_bgjobs_does_not_import_it() -> None:
    program = "import sys, bgjobs; print('opentelemetry' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"


def test_a_configuration_is_instrumented_without_changing_it() -> None:
    def listener(event: bgjobs.Event) -> None: ...

    telemetry = Telemetry()
    store = bgjobs.SQLiteStore("jobs.db")
    config = bgjobs.Config(store=store, listeners=[listener], lease=8.0)
    instrumented = telemetry.instrument(config)
    assert config.listeners == (listener,)
    assert instrumented.listeners == (telemetry, listener)
    assert instrumented.before_enqueue == telemetry.stamp
    assert (instrumented.store, instrumented.lease) == (store, 8.0)

"""What libraries log is kept from a terminal for a while, and not for longer."""

import logging

import pytest

from bgjobs.cli.output.terminal import library_logs_disabled

NAMES = ("bgjobs", "bgjobs.stores.sqlite", "psycopg", "psycopg.pool")


@pytest.mark.parametrize("name", NAMES)
def test_libraries_are_quiet_within_and_heard_behind(
    name: str, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    logger = logging.getLogger(name)
    own = logging.StreamHandler()
    logger.addHandler(own)

    try:
        with library_logs_disabled():
            logger.error("within")
            logging.getLogger(f"{name}.made_later").error("within")
            logging.getLogger("shop").error("of the application")
        logger.error("behind")
    finally:
        logger.removeHandler(own)

    assert caplog.messages == ["of the application", "behind"]
    assert "within" not in capsys.readouterr().err

from __future__ import annotations

import json
import logging

import pytest

from workers.logs import StderrHandler, configure_logging


@pytest.fixture(autouse=True)
def root_logger_as_it_was():
    root = logging.getLogger()
    level = root.level
    yield
    for handler in [found for found in root.handlers if isinstance(found, StderrHandler)]:
        root.removeHandler(handler)
    root.setLevel(level)


def test_text_shows_level_place_message_and_identifiers(capsys):
    configure_logging("INFO", "text")
    logging.getLogger("workers.ingest.source").warning("lost", extra={"stream_id": "s1"})
    assert capsys.readouterr().err.strip().endswith("WARNING ingest.source: lost (stream_id=s1)")


def test_json_is_one_object_a_line_with_identifiers_as_fields(capsys):
    configure_logging("INFO", "json")
    logging.getLogger("workers.x").info("two\nlines %d", 7, extra={"stream_id": "s1", "lag": 2})
    (line,) = capsys.readouterr().err.splitlines()
    entry = json.loads(line)
    assert (entry["message"], entry["stream_id"], entry["lag"]) == ("two\nlines 7", "s1", 2)
    assert (entry["level"], entry["logger"]) == ("INFO", "workers.x")


@pytest.mark.parametrize("format", ["text", "json"])
def test_credentials_of_messages_extras_and_exceptions_never_show(capsys, format):
    configure_logging("INFO", format)
    url = "rtsp://u:hunter2@host/cam?token=hunter2"
    try:
        raise ConnectionError(url)
    except ConnectionError:
        logging.getLogger("a.library").exception("open %s", url, extra={"address": url})
    shown = capsys.readouterr().err
    assert "hunter2" not in shown
    assert "host/cam" in shown


def test_configuring_again_replaces_the_handler(capsys):
    configure_logging("INFO", "text")
    configure_logging("WARNING", "text")
    logging.getLogger("x").info("quiet")
    logging.getLogger("x").warning("once")
    assert capsys.readouterr().err.count("once") == 1

"""Logging of a process: one handler on stderr, text for people or JSON for machines.

Only commands call this. Identifiers go into `extra`; both formats show them, and both pass the
whole line through `redacted`, so that a library's message gives no credentials away either.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Final, Literal

from workers.redaction import redacted

LogFormat = Literal["text", "json"]
_STANDARD_FIELDS: Final = frozenset(logging.LogRecord("", 0, "", 0, "", None, None).__dict__) | {
    "message",
    "asctime",
}


def configure_logging(level: str, format: LogFormat) -> None:
    """Sends the log of the whole process to stderr.

    Args:
        level: Name of the lowest level shown, such as `INFO`.
        format: `text` for people, `json` for one object a line.
    """
    handler = StderrHandler()
    handler.setFormatter(JsonFormatter() if format == "json" else TextFormatter())
    root = logging.getLogger()
    for old in [found for found in root.handlers if isinstance(found, StderrHandler)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level)
    # kafka-python tells of every connection at INFO; only its warnings concern an operator.
    logging.getLogger("kafka").setLevel(max(logging.getLevelName(level), logging.WARNING))


class StderrHandler(logging.Handler):
    """Writes to the `sys.stderr` of the moment, which a live display replaces while it runs."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            sys.stderr.write(self.format(record) + "\n")
            sys.stderr.flush()
        except Exception:
            self.handleError(record)


class TextFormatter(logging.Formatter):
    """`12:03:04.120 WARNING ingest.source: message (stream_id=s1)`."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created).strftime("%H:%M:%S.%f")[:-3]
        origin = record.name.removeprefix("workers.")
        line = f"{moment} {record.levelname:<7} {origin}: {record.getMessage()}"
        if extra := _extra(record):
            line += " (" + ", ".join(f"{name}={value}" for name, value in extra.items()) + ")"
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return redacted(line)


class JsonFormatter(logging.Formatter):
    """One JSON object: time, level, logger, message, the identifiers, the exception if any."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, tz=UTC).isoformat(),
            "level": record.levelname,
            "logger": record.name,
            "message": redacted(record.getMessage()),
        }
        entry |= {name: _json_safe(value) for name, value in _extra(record).items()}
        if record.exc_info:
            entry["exception"] = redacted(self.formatException(record.exc_info))
        return json.dumps(entry, ensure_ascii=False)


def _extra(record: logging.LogRecord) -> dict[str, object]:
    return {
        name: value
        for name, value in record.__dict__.items()
        if name not in _STANDARD_FIELDS and not name.startswith("_")
    }


def _json_safe(value: object) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    return redacted(str(value))

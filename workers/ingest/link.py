"""The pipe between `flagpost ingest` and the process of one stream: status and log up, stop down.

The pipe's end is the other side's death: an orphaned stream stops by itself.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection

from workers.ingest.status import StreamStatus

STOP = "stop"


@dataclass(frozen=True, slots=True)
class LogLine:
    """A log record, ready to be logged again elsewhere."""

    logger: str
    level: int
    message: str
    extra: dict[str, str]

    def log(self) -> None:
        logging.getLogger(self.logger).log(self.level, "%s", self.message, extra=self.extra)


Report = StreamStatus | LogLine


class Link:
    """The stream's end of the pipe. Safe for several threads."""

    def __init__(self, connection: Connection, stopping: threading.Event) -> None:
        self._connection = connection
        self._stopping = stopping
        self._lock = threading.Lock()
        threading.Thread(target=self._listen, name="link", daemon=True).start()

    def report(self, status: StreamStatus) -> None:
        """Sends a copy of the status."""
        self.send(replace(status, dropped=dict(status.dropped)))

    def send(self, report: Report) -> None:
        """Sends; a parent that is gone is told nothing."""
        with self._lock:
            try:
                self._connection.send(report)
            except OSError:
                self._stopping.set()

    def _listen(self) -> None:
        # A parent that is gone is the same as being asked to stop.
        with contextlib.suppress(EOFError, OSError):
            self._connection.recv()
        self._stopping.set()


class LinkHandler(logging.Handler):
    """Sends log records to the parent, which owns the screen."""

    def __init__(self, link: Link) -> None:
        super().__init__()
        self._link = link

    def emit(self, record: logging.LogRecord) -> None:
        names = ("stream_id", "session_id")
        extra = {name: str(getattr(record, name)) for name in names if hasattr(record, name)}
        message = record.getMessage()
        if record.exc_info:
            message += "\n" + (
                record.exc_text or logging.Formatter().formatException(record.exc_info)
            )
        self._link.send(LogLine(record.name, record.levelno, message, extra))

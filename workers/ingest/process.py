"""The process of one stream: media that crashes a demuxer takes nothing else down."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import traceback
from multiprocessing.connection import Connection

from workers.errors import BrokerUnavailable
from workers.ingest.backoff import Backoff
from workers.ingest.link import Link, LinkHandler
from workers.ingest.plan import StreamPlan
from workers.ingest.sinks import FrameSink, open_sink
from workers.ingest.status import StreamState, StreamStatus
from workers.ingest.stream import StreamRunner
from workers.lifecycle import EXIT_FAILED, EXIT_OK
from workers.redaction import redacted

log = logging.getLogger(__name__)


def run_stream(plan: StreamPlan, connection: Connection, level: str) -> None:
    """Runs a stream until it ends or the parent asks to stop; exits 0 then, else `EXIT_FAILED`."""
    # The parent decides when to stop: a Ctrl-C reaches the whole group.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    stopping = threading.Event()
    link = Link(connection, stopping)
    logging.getLogger().addHandler(LinkHandler(link))
    logging.getLogger().setLevel(level)
    sink = _sink(plan, stopping, link)
    if sink is None:
        return
    runner = StreamRunner(plan, sink, stopping, link.report)
    ending = (runner, sink, stopping)
    threading.Thread(target=_end_without_source, args=ending, name="end", daemon=True).start()
    try:
        runner.run()
    except Exception as error:
        # Outermost: the text of an unforeseen error may hold the address with its credentials.
        log.error(
            "unforeseen: %s",
            redacted("".join(traceback.format_exception(error))),
            extra={"stream_id": plan.stream_id},
        )
        sys.exit(EXIT_FAILED)
    finally:
        sink.close()


def _end_without_source(runner: StreamRunner, sink: FrameSink, stopping: threading.Event) -> None:
    """Ends the process where a stop was asked for and its source keeps it waiting."""
    stopping.wait()
    if runner.stops_without_source():
        sink.close()
        os._exit(EXIT_OK)  # the main thread is held by FFmpeg until its time is over


def _sink(plan: StreamPlan, stopping: threading.Event, link: Link) -> FrameSink | None:
    """The sink, once it answers; None when asked to stop before."""
    backoff = Backoff(plan.settings.backoff_min, plan.settings.backoff_max)
    status = StreamStatus(plan.stream_id, plan.address.shown, state=StreamState.WAITING)
    while True:
        try:
            return open_sink(plan.kafka, plan.output)
        except BrokerUnavailable as error:
            status.error = str(error)
            link.report(status)
            log.warning("%s", error, extra={"stream_id": plan.stream_id})
        if stopping.wait(backoff.next_s()):
            status.state = StreamState.STOPPED
            link.report(status)
            return None

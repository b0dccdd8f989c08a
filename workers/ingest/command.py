"""`flagpost ingest`: cuts live streams and recordings into messages on Kafka."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final, TypedDict, Unpack

import click
from pydantic import ValidationError
from rich.console import Console

from schemas.frames import FrameMessage, StreamMetadata, capture_time
from workers.errors import BrokerUnavailable, ConfigurationRejected, EvidenceUnavailable
from workers.ingest.address import SourceAddress, default_stream_id, source_address
from workers.ingest.display import StreamsDisplay, summary, summary_lines
from workers.ingest.messages import SegmentStore
from workers.ingest.plan import StreamPlan
from workers.ingest.sinks import open_sink
from workers.ingest.status import StreamState, StreamStatus
from workers.ingest.supervisor import Supervisor
from workers.lifecycle import EXIT_FAILED, EXIT_OK, EXIT_TRY_AGAIN, stop_on_signals
from workers.logs import configure_logging
from workers.operations.cluster import require_topics
from workers.settings import IngestSettings, KafkaSettings, read_settings

_HEADER_ROOM: Final = 64 * 1024
_DRAIN_ROOM: Final = timedelta(seconds=5)
_EPILOG: Final = """\b
Examples:
  flagpost ingest rtmp://media.example/live/arena1 --title "Arena 1" --language en
  flagpost ingest clips/ --loop --realtime --stream-id arena
  flagpost ingest https://cdn.example/live.m3u8 --keyframes --segment-store s3://media/segments
  flagpost ingest match.mp4 --output messages/      # look at the messages, without Kafka

\b
Exit codes: 0 all streams ended, or ingest was asked to stop; 1 a source can not be read;
3 configuration; 75 a live source did not come back, or Kafka does not answer: try again later.
"""


class _Options(TypedDict):
    """What the command line says of all streams."""

    keyframes: bool
    segment_store: str | None
    output: Path | None
    realtime: bool
    loop: bool
    give_up_after: float


@click.command(epilog=_EPILOG)
@click.argument("urls", metavar="URL...", nargs=-1, required=True)
@click.option("--stream-id", "stream_ids", multiple=True, help="Name on Kafka; once per URL.")
@click.option("--title", help="Title of the stream.")
@click.option("--category", help="Category or game.")
@click.option("--device", help="What films it.")
@click.option("--language", help="Language tag, such as en or pt-BR.")
@click.option("--viewers", type=click.IntRange(min=0), help="How many watch.")
@click.option("--keyframes", is_flag=True, help="Send single keyframes, not segments.")
@click.option(
    "--segment-store",
    metavar="DIR_OR_URL",
    help="With --keyframes: keep the segments there, and send their address with the keyframe.",
)
@click.option("--realtime", is_flag=True, help="Play recordings at 1x, not as fast as possible.")
@click.option("--loop", is_flag=True, help="Play recordings again and again; implies --realtime.")
@click.option(
    "--give-up-after",
    type=click.FloatRange(min=0),
    default=300.0,
    show_default=True,
    metavar="SECONDS",
    help="How long a silent live source is tried again; 0: for ever.",
)
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write messages to this directory instead of Kafka.",
)
@click.option("--config", type=click.Path(path_type=Path), help="File of NAME=value settings.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object as the last line of stdout.")
def ingest(
    urls: tuple[str, ...],
    stream_ids: tuple[str, ...],
    config: Path | None,
    as_json: bool,
    title: str | None,
    category: str | None,
    device: str | None,
    language: str | None,
    viewers: int | None,
    **options: Unpack[_Options],
) -> None:
    """Cut streams into segments on Kafka, without transcoding.

    URL is a file, a directory of clips, http(s):// (a file, a stream or HLS), rtsp(s)://,
    rtmp(s):// or a webcam (v4l2:/dev/video0). Several URLs are several streams, each in a process
    of its own. Settings: FLAGPOST_INGEST_* and FLAGPOST_KAFKA_*.
    """
    settings = read_settings(IngestSettings, config)
    configure_logging(settings.log_level, settings.log_format)
    metadata = _metadata(
        title=title, category=category, device=device, language=language, viewers=viewers
    )
    plans = _plans(
        _named(urls, stream_ids), metadata, settings, read_settings(KafkaSettings, config), options
    )
    stopping = threading.Event()
    stop_on_signals(stopping)
    try:
        _check(plans[0])
    except BrokerUnavailable as error:
        click.echo(f"flagpost: {error}", err=True)
        sys.exit(EXIT_TRY_AGAIN)
    sys.exit(_run(plans, settings, stopping, as_json))


def _run(
    plans: list[StreamPlan], settings: IngestSettings, stopping: threading.Event, as_json: bool
) -> int:
    began_s = time.monotonic()
    supervisor = Supervisor(
        plans, settings.log_level, stopping, settings.read_timeout + _DRAIN_ROOM
    )
    with StreamsDisplay(Console(stderr=True)) as display:
        statuses = supervisor.run(display.show)
    if as_json:
        click.echo(json.dumps(summary(statuses, time.monotonic() - began_s)))
    else:
        for line in summary_lines(statuses):
            click.echo(line)
    return exit_code(statuses)


def exit_code(statuses: Sequence[StreamStatus]) -> int:
    """What the command's end says about its streams; see its help."""
    states = {status.state for status in statuses}
    if StreamState.FAILED in states:
        return EXIT_FAILED
    return EXIT_TRY_AGAIN if StreamState.LOST in states else EXIT_OK


def _check(plan: StreamPlan) -> None:
    """Finds out before the first stream starts whether messages and segments have a place."""
    if plan.kafka is not None:
        require_topics(plan.kafka, {plan.kafka.frames_topic: "flagpost topics create"})
    open_sink(plan.kafka, plan.output).close()
    if plan.segment_store is not None:
        try:
            SegmentStore(plan.segment_store).check()
        except (EvidenceUnavailable, ImportError, ValueError) as error:
            raise ConfigurationRejected(f"--segment-store {plan.segment_store}: {error}") from error


def _named(urls: tuple[str, ...], stream_ids: tuple[str, ...]) -> dict[str, SourceAddress]:
    if stream_ids and len(stream_ids) != len(urls):
        raise click.UsageError(
            f"--stream-id: got {len(stream_ids)} for {len(urls)} URLs, expected one for each"
        )
    addresses = [source_address(url) for url in urls]
    names = stream_ids or tuple(default_stream_id(address) for address in addresses)
    doubled = [name for name, count in Counter(names).items() if count > 1]
    if doubled:
        raise click.UsageError(
            f"two streams would be called {doubled[0]!r}; name them with --stream-id, once per URL"
        )
    return dict(zip(names, addresses, strict=True))


def _metadata(**fields: object) -> StreamMetadata:
    try:
        return StreamMetadata.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise click.UsageError(f"--{first['loc'][0]}: {first['msg']}") from error


def _plans(
    named: dict[str, SourceAddress],
    metadata: StreamMetadata,
    settings: IngestSettings,
    kafka: KafkaSettings,
    options: _Options,
) -> list[StreamPlan]:
    give_up_s = options["give_up_after"]
    if options["segment_store"] and not options["keyframes"]:
        raise click.UsageError("--segment-store: goes with --keyframes")
    for name in named:
        _check_name(name)
    return [
        StreamPlan(
            address=address,
            stream_id=name,
            metadata=metadata,
            settings=settings,
            kafka=None if options["output"] else kafka,
            output=options["output"],
            keyframes_only=options["keyframes"],
            segment_store=options["segment_store"],
            realtime=options["realtime"] or options["loop"],
            loop=options["loop"],
            give_up_after=timedelta(seconds=give_up_s) if give_up_s else None,
            limit_bytes=kafka.max_message_bytes - _HEADER_ROOM,
        )
        for name, address in named.items()
    ]


def _check_name(name: str) -> None:
    try:
        FrameMessage(
            event_type="org.flagpost.end-of-stream.v1",
            source="ingest",
            stream_id=name,
            session_id="0",
            sequence=0,
            captured_at=capture_time(0),
        )
    except ValidationError as error:
        raise click.UsageError(
            f"--stream-id {name!r}: {error.errors(include_url=False)[0]['msg']}"
        ) from error

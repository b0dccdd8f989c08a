"""`flagpost schema`: the contracts as JSON Schema, examples, and one message to try them with."""

from __future__ import annotations

import json
import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import click

from schemas.examples import example as example_of
from schemas.examples import frame_message
from schemas.frames import ContentType, FrameMessage
from schemas.published import PUBLISHED, json_schema
from workers.errors import ConfigurationRejected
from workers.frames_topic import FramePublisher
from workers.settings import KafkaSettings, read_settings

CONTENT_TYPES: Final = {
    ".ts": ContentType.MPEG_TS,
    ".mp4": ContentType.FRAGMENTED_MP4,
    ".h264": ContentType.H264,
    ".h265": ContentType.HEVC,
    ".obu": ContentType.AV1,
    ".jpg": ContentType.JPEG,
    ".jpeg": ContentType.JPEG,
    ".png": ContentType.PNG,
    ".webp": ContentType.WEBP,
}
EXAMPLES: Final = """\b
Examples:
  flagpost schema flag > flag.schema.json
  flagpost schema frames --example
  flagpost schema frames --send segment.ts
"""


@click.command(epilog=EXAMPLES)
@click.argument("name", type=click.Choice(list(PUBLISHED)), default="frames")
@click.option(
    "--example", "wants_example", is_flag=True, help="An example that fits the schema instead."
)
@click.option(
    "--send",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Publish a media file as a frame message and print it.",
)
@click.option("--stream", help="Stream of the message that is sent; a new one if not given.")
def schema(name: str, wants_example: bool, send: Path | None, stream: str | None) -> None:
    """Print the JSON Schema of a contract, or an example of it, as JSON.

    The schema of `frames` describes the headers of a record: its value is the media itself.
    """
    if send is not None and name != "frames":
        raise click.UsageError(f"--send: got {name}, only a frame message can be sent")
    if send is not None:
        shown: dict[str, Any] = _sent(send, stream)
    elif wants_example:
        shown = _record(frame_message()) if name == "frames" else example_of(name)
    else:
        shown = json_schema(name)
    click.echo(json.dumps(shown, indent=2))


def _sent(file: Path, stream: str | None) -> dict[str, Any]:
    """Publishes a file as the only message of a session and waits for the broker."""
    content_type = CONTENT_TYPES.get(file.suffix.lower())
    if content_type is None:
        raise ConfigurationRejected(
            f"{file}: got a name ending in {file.suffix!r}, expected one of "
            f"{', '.join(CONTENT_TYPES)}"
        )
    message = FrameMessage(
        source="urn:flagpost:schema",
        stream_id=stream or f"example-{uuid4().hex[:8]}",
        session_id=uuid4().hex,
        sequence=0,
        captured_at=datetime.now(UTC),
        content_type=content_type,
        data=file.read_bytes(),
    )
    settings = read_settings(KafkaSettings)
    publisher = FramePublisher(settings, settings.frames_topic)
    try:
        publisher.publish(message)
        publisher.flush()
    finally:
        publisher.close()
    return _record(message, str(file))


def _record(message: FrameMessage, file: str = "segment.ts") -> dict[str, Any]:
    """A Kafka record as JSON, and a command that produces it."""
    headers = {name: text.decode() for name, text in message.headers()}
    return {
        "key": message.stream_id,
        "headers": headers,
        "value": f"the bytes of {file}",
        "command": kcat_command(message.stream_id, headers, file),
    }


def kcat_command(key: str, headers: dict[str, str], file: str) -> str:
    """A shell line that produces a record with kcat."""
    words = ["kcat", "-P", "-b", "127.0.0.1:9092", "-t", "flagpost.frames", "-k", key]
    for name, text in headers.items():
        words += ["-H", f"{name}={text}"]
    return shlex.join([*words, file])

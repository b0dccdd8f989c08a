"""Where messages go: Kafka, or a directory for looking at them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Final, Protocol

from schemas.frames import ContentType, FrameMessage
from workers.errors import ConfigurationRejected
from workers.frames_topic import FramePublisher
from workers.settings import KafkaSettings

_SUFFIXES: Final = {
    ContentType.MPEG_TS: ".ts",
    ContentType.FRAGMENTED_MP4: ".mp4",
    ContentType.H264: ".h264",
    ContentType.HEVC: ".hevc",
    ContentType.AV1: ".obu",
    ContentType.JPEG: ".jpg",
    ContentType.PNG: ".png",
    ContentType.WEBP: ".webp",
}


class FrameSink(Protocol):
    """Takes messages in order. `FramePublisher` is one."""

    def publish(self, message: FrameMessage) -> None:
        """Takes a message; raises RecordRefused or BrokerUnavailable where it can not."""
        ...

    def flush(self) -> None:
        """Returns when all messages are safe."""
        ...

    def close(self) -> None: ...


class DirectorySink:
    """Writes each message as a media file and a `.json` of its headers.

    They lie in `DIRECTORY/<stream>/<session>/<sequence>.*` and can be played and read as they are.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigurationRejected(f"--output {directory}: {error.strerror}") from error

    def publish(self, message: FrameMessage) -> None:
        folder = self._directory / _file_name(message.stream_id) / message.session_id
        folder.mkdir(parents=True, exist_ok=True)
        stem = f"{message.sequence:08}"
        if message.content_type is not None and message.data:
            (folder / (stem + _SUFFIXES[message.content_type])).write_bytes(message.data)
        headers = {name: text.decode() for name, text in message.headers()}
        # The headers come last: who finds them finds the media too.
        (folder / f"{stem}.json").write_text(json.dumps(headers, indent=1, ensure_ascii=False))

    def flush(self) -> None:
        """Every message is on disk when `publish` returns."""

    def close(self) -> None:
        """Holds nothing open."""


def open_sink(kafka: KafkaSettings | None, directory: Path | None) -> FrameSink:
    """The sink that an operator named.

    Raises:
        BrokerUnavailable: Kafka does not answer.
        ConfigurationRejected: The directory can not be made.
    """
    if directory is not None:
        return DirectorySink(directory)
    settings = kafka or KafkaSettings()
    return FramePublisher(settings, settings.frames_topic)


def _file_name(stream_id: str) -> str:
    return re.sub(r"[^\w.-]+", "_", stream_id)

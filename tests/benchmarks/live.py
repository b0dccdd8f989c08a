"""Publishes N live streams, paced, from a process of its own: `-m tests.benchmarks.live CONFIG`."""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from schemas.frames import ContentType, FrameMessage
from tests.servers import kafka_settings
from workers.frames_topic import FramePublisher

SEGMENT_S = 2.0
SEGMENTS_SHOWN = 6
"""Of one clip, before the next: long enough for a violent one to open a flag."""


def main(argument: str) -> None:
    address, topic, directory, streams, seconds, client, inline = json.loads(argument)
    media = [
        path.read_bytes() for path in sorted(Path(directory).glob("*.h264" if inline else "*.ts"))
    ]
    publisher = FramePublisher(kafka_settings(address, client=client), topic)
    start_s = time.monotonic()
    latest_s = 0.0
    for number in range(int(streams * seconds / SEGMENT_S)):
        # Streams are spread evenly: one segment each `SEGMENT_S / streams`.
        due_s = start_s + number * SEGMENT_S / streams
        while (wait_s := due_s - time.monotonic()) > 0:
            time.sleep(wait_s)
        latest_s = max(latest_s, time.monotonic() - due_s)
        publisher.publish(message(number, streams, media, inline, directory))
    publisher.flush()
    publisher.close()
    sys.stdout.write(json.dumps({"latest_s": latest_s}) + "\n")


def clip_shown(stream: int, sequence: int, clips: int) -> int:
    """Each stream shows a clip for some seconds, then the next; streams change at other times."""
    return (stream * (SEGMENTS_SHOWN + 1) + sequence) // SEGMENTS_SHOWN % clips


def message(
    number: int, streams: int, media: list[bytes], inline: bool, directory: str
) -> FrameMessage:
    stream, sequence = number % streams, number // streams
    index = clip_shown(stream, sequence, len(media))
    return FrameMessage(
        source="bench",
        # Runs with other numbers of streams follow on the same topic: these are not their streams,
        # or their sequence numbers would be duplicates, which cost nothing.
        stream_id=f"s{streams}-{stream}",
        session_id="a",
        sequence=sequence,
        captured_at=datetime.now(UTC),
        duration=timedelta(seconds=SEGMENT_S),
        content_type=ContentType.H264 if inline else ContentType.MPEG_TS,
        dataref=f"{directory}/{index:03}.ts" if inline else None,
        data=media[index],
    )


if __name__ == "__main__":
    main(sys.argv[1])

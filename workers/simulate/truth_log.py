"""Where the truth of live streams is told: a JSONL file and a Kafka topic."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final, Protocol

from workers.errors import Fatal
from workers.simulate.channel import Truth
from workers.simulate.truth import Rule

FILE_SCHEMA: Final = "flagpost.truth-file/1"


class TruthTopic(Protocol):
    """Where truth is published; keyed by stream, so that one stream's truth stays in order."""

    def publish_record(self, key: str, value: bytes) -> None: ...


class TruthLog:
    """Tells each truth once to the file and to the topic, where given; a context manager.

    The file's first line is `{"schema", "rule"}`; each other line is a truth.
    """

    def __init__(self, file: Path | None, topic: TruthTopic | None) -> None:
        self._topic = topic
        self._file = None
        if file is not None:
            try:
                self._file = file.open("w", buffering=1)
            except OSError as error:
                raise Fatal(f"--truth {file}: cannot be written: {error.strerror}") from error
            header = {"schema": FILE_SCHEMA, "rule": Rule().model_dump()}
            self._file.write(json.dumps(header) + "\n")

    def tell(self, truth: Truth) -> None:
        text = truth.model_dump_json()
        if self._file is not None:
            self._file.write(text + "\n")
        if self._topic is not None:
            self._topic.publish_record(truth.stream_id, text.encode())

    def __enter__(self) -> TruthLog:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._file is not None:
            self._file.close()

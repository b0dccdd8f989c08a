"""One example of each contract: valid, always the same, and shown by `flagpost schema`."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from schemas.bundles import (
    BundleCard,
    GoldenFrame,
    InputGeometry,
    Interval,
    ModelFile,
    ModelIdentity,
    OperatingPoint,
)
from schemas.decisions import Decision, Reason, Verdict
from schemas.flags import Clip, Evidence, Flag, Picture, ScorePoint, Severity, flag_id_for
from schemas.frames import ContentType, FrameMessage, StreamMetadata
from schemas.truth import TrueIncident

AT: Final = datetime(2026, 3, 1, 12, 0, 4, tzinfo=UTC)
STREAM: Final = "channel-4711"
SESSION: Final = "2026-03-01T12:00:00Z"
DIGEST: Final = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


def frame_message() -> FrameMessage:
    """A two-second segment of a stream; put the media's bytes in place of `data`."""
    return FrameMessage(
        event_id="7d4c2f",
        source="urn:example:ingest-1",
        stream_id=STREAM,
        session_id=SESSION,
        sequence=2,
        captured_at=AT,
        duration=timedelta(seconds=2),
        content_type=ContentType.MPEG_TS,
        metadata=StreamMetadata(title="Friday night", category="shooter", viewers=812),
        data=b"<segment.ts>",
    )


def flag() -> Flag:
    return Flag(
        flag_id=flag_id_for(STREAM, "violence", "flagpost.frames/3/1207/1", AT),
        stream_id=STREAM,
        session_id=SESSION,
        severity=Severity.HIGH,
        onset_at=AT - timedelta(seconds=1),
        opened_at=AT,
        last_at=AT + timedelta(seconds=5),
        looks=12,
        score=0.94,
        peak=0.97,
        threshold=0.8,
        model="gameplay-s0",
        model_version="1",
        metadata=frame_message().metadata,
        evidence=Evidence(
            pictures=(Picture(key="2026/03/01/x/00.jpg", at=AT, score=0.95, sha256=DIGEST),),
            clip=Clip(
                key="2026/03/01/x/clip.mp4",
                starts_at=AT - timedelta(seconds=6),
                ends_at=AT + timedelta(seconds=2),
                sha256=DIGEST,
            ),
        ),
        scores=(
            ScorePoint(at=AT - timedelta(seconds=1), score=0.71),
            ScorePoint(at=AT - timedelta(seconds=0.5), score=0.86),
            ScorePoint(at=AT, score=0.95),
        ),
        topic="flagpost.frames",
        partition=3,
        offset=1207,
    )


def decision() -> Decision:
    return Decision(
        flag_id=flag().flag_id,
        request_id="b2f0",
        reviewer="ana",
        epoch=1,
        verdict=Verdict.NOT_VIOLENT,
        reason=Reason.GAME,
        note="Cut scene.",
        decided_at=AT + timedelta(minutes=3),
    )


def bundle() -> BundleCard:
    return BundleCard(
        model=ModelIdentity(
            name="gameplay-s0",
            version="1",
            architecture="MobileOne-S0",
            trained_at=AT,
            code_digest="0123abcd",
            data_digest="4567cdef",
            licences=("Apache-2.0",),
            summary="Knows one game.",
        ),
        input=InputGeometry(),
        decision=OperatingPoint(
            median_of=3, open_threshold=0.8, close_threshold=0.5, max_gap_s=5.0, cooldown_s=10.0
        ),
        files=(
            ModelFile(
                file="model.fp32.onnx", sha256=DIGEST, size_bytes=4_300_000, precision="fp32"
            ),
        ),
        golden=(GoldenFrame(file="golden/0.png", sha256=DIGEST, logits={"fp32": 2.25}),),
        tolerance={"fp32": 0.01},
        metrics={"recall": Interval(value=0.93, low=0.9, high=0.96)},
    )


def truth() -> TrueIncident:
    return TrueIncident(
        stream_id=STREAM,
        session_id=SESSION,
        starts_at=AT,
        ends_at=AT + timedelta(seconds=7),
        kills=2,
        damage_dealt=140,
        damage_taken=15,
    )


def example(name: str) -> dict[str, Any]:
    """The example of one contract as JSON; of `frames`, its headers by name."""
    if name == "frames":
        return {header: text.decode() for header, text in frame_message().headers()}
    made = {"flag": flag, "decision": decision, "bundle": bundle, "truth": truth}[name]()
    document: dict[str, Any] = json.loads(made.model_dump_json())
    return document

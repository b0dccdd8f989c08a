"""Writes the bundle directory: card, graphs, golden frames and the model card for people."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from PIL import Image

from schemas.bundles import (
    BundleCard,
    GoldenFrame,
    InputGeometry,
    Interval,
    ModelFile,
    ModelIdentity,
    OperatingPoint,
)
from training.errors import GateFailed
from training.evaluate import LoggedTake, Scorer, runtime_session, scorer_of
from training.frame_cache import Pixels
from training.gameplay import CALM, VIOLENT

LIMIT_BYTES = 6_000_000
TOLERANCE = {"fp32": 0.02, "bf16": 0.5, "int8": 0.5}
"""Backends fuse and round differently; a wrong graph or picture is off by far more."""
SAME_FILE = {"bf16": "fp32"}
"""A precision that runs another's file is expected to give that file's logits."""
LICENCES = ("Apache-2.0 (weights)", "BSD-3-Clause (Freedoom pictures)")


@dataclass(frozen=True, slots=True)
class BundleParts:
    """What a bundle is made of, once trained and measured.

    Attributes:
        graphs: Path of the graph by precision, already inside the bundle's directory.
        golden: Frames [n, 224, 224, 3] whose logits are recorded.
        metrics: Results on unseen data.
        card_text: CARD.md.
    """

    name: str
    version: str
    summary: str
    data_digest: str
    graphs: dict[str, Path]
    golden: Pixels
    point: OperatingPoint
    metrics: dict[str, Interval]
    card_text: str


def write_bundle(parts: BundleParts, directory: Path) -> BundleCard:
    """Writes golden frames, `CARD.md` and `bundle.json` beside the graphs.

    Raises:
        GateFailed: The bundle is larger than LIMIT_BYTES.
    """
    card = BundleCard(
        model=ModelIdentity(
            name=parts.name,
            version=parts.version,
            architecture="mobileone-s0",
            trained_at=datetime.now(UTC).replace(microsecond=0),
            code_digest=code_digest(),
            data_digest=parts.data_digest,
            licences=LICENCES,
            summary=parts.summary,
        ),
        input=InputGeometry(),
        decision=parts.point,
        files=tuple(
            ModelFile.model_validate(
                {
                    "file": path.name,
                    "sha256": file_digest(path),
                    "size_bytes": path.stat().st_size,
                    "precision": precision,
                }
            )
            for precision, path in parts.graphs.items()
        ),
        golden=_golden(parts, directory),
        tolerance={
            precision: allowed
            for precision, allowed in TOLERANCE.items()
            if SAME_FILE.get(precision, precision) in parts.graphs
        },
        metrics=parts.metrics,
    )
    (directory / "CARD.md").write_text(parts.card_text)
    (directory / "bundle.json").write_text(card.model_dump_json(indent=1) + "\n")
    size = sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
    if size > LIMIT_BYTES:
        raise GateFailed(f"{directory}: {size} bytes, allowed {LIMIT_BYTES}; drop golden frames")
    return card


def _golden(parts: BundleParts, directory: Path) -> tuple[GoldenFrame, ...]:
    (directory / "golden").mkdir(parents=True, exist_ok=True)
    scorers: dict[str, Scorer] = {
        precision: scorer_of(runtime_session(path)) for precision, path in parts.graphs.items()
    }
    frames = []
    for index, pixels in enumerate(parts.golden):
        path = directory / "golden" / f"{index}.png"
        Image.fromarray(pixels).save(path, optimize=True)
        logits = {p: round(float(score(pixels[None])[0]), 6) for p, score in scorers.items()}
        logits |= {p: logits[file] for p, file in SAME_FILE.items() if file in logits}
        frames.append(
            GoldenFrame.model_validate(
                {"file": f"golden/{index}.png", "sha256": file_digest(path), "logits": logits}
            )
        )
    return tuple(frames)


def golden_frames(takes: Sequence[LoggedTake]) -> Pixels:
    """Four frames that a person can check: two clearly violent, two clearly calm."""
    rows = [
        (take.logits[i], take.cached.labels[look], take, look)
        for take in takes
        for i, look in enumerate(take.looks)
    ]
    violent = sorted((r for r in rows if r[1] == VIOLENT), key=lambda r: -r[0])
    calm = sorted((r for r in rows if r[1] == CALM), key=lambda r: r[0])
    picked = [
        half[int(len(half) * share)] for half in (violent, calm) if half for share in (0.05, 0.3)
    ]
    return np.stack([np.asarray(take.cached.frames[look]) for _, _, take, look in picked])


def file_digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def code_digest() -> str:
    """sha256 over the sources of this package, sorted by name."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()

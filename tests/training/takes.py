"""Takes with known truth, and frames in which violence is a colour, for tests of training."""

from __future__ import annotations

import json
from pathlib import Path

import av
import numpy as np

from training.frame_cache import CachedTake
from training.gameplay import Take, labels_at


def take(name: str = "t", place: str = "map01", **changes: object) -> Take:
    facts: dict[str, object] = {
        "take": name,
        "wad": "freedoom2",
        "map": place,
        "scenario": None,
        "split": "train",
        "seed": 1,
        "fps": 4.0,
        "duration_s": 10.0,
        "incidents": [{"start_s": 2.0, "end_s": 4.0}],
        "ambiguous": [[4.0, 5.5]],
    }
    return Take.model_validate(facts | changes)


def red_when_violent(
    name: str = "t", place: str = "map01", seed: int = 0, frames: int = 40, side: int = 224
) -> CachedTake:
    """Noise that is redder while an incident runs."""
    rng = np.random.default_rng(seed)
    truth = take(name, place, duration_s=frames / 4)
    times = np.arange(frames) / 4.0
    labels = labels_at(truth, times)
    pixels = rng.integers(0, 120, (frames, side, side, 3), dtype=np.uint8)
    pixels[labels == 1, :, :, 0] += 100
    return CachedTake(truth, pixels, times, labels)


def write_take(pool: Path, truth: Take, colours: list[tuple[int, int, int]], fps: int = 4) -> None:
    """A `.ts` of one flat colour a frame, with its truth beside it."""
    pool.mkdir(parents=True, exist_ok=True)
    with av.open(str(pool / f"{truth.take}.ts"), "w") as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        stream.options = {"g": "1", "preset": "ultrafast"}
        for colour in colours:
            picture = np.full((180, 320, 3), colour, dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    facts = truth.model_dump(mode="json", exclude={"video"})
    (pool / f"{truth.take}.json").write_text(json.dumps(facts))

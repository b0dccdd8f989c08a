"""From a pool of play to the demo's bundle, in one command.

python -m training.demo POOL --work WORK -o engines/bundles/gameplay-s0

POOL holds the folders train, validation and test as `flagpost simulate` renders them. WORK keeps
decoded frames and the run; the same command goes on from there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import torch

from schemas.bundles import BundleCard
from training.bundle_model import BundleParts, golden_frames, write_bundle
from training.calibrate import Calibration, calibrated
from training.card import CardFacts, card_text
from training.evaluate import (
    LoggedTake,
    frames_of,
    logged,
    measured,
    runtime_session,
    scored,
    scorer_of,
)
from training.export import deployed, onnx_from_classifier
from training.frame_cache import CachedTake, Pixels, cached_takes
from training.gameplay import CALM, VIOLENT, check_disjoint, data_digest, takes_from_pool
from training.int8_gate import best_int8
from training.mobileone import MobileOneS0
from training.operating_point import candidates, chosen
from training.quantize import Int8Plan
from training.train import PHASES, TrainingPlan, places_of, run_training

LOOKS_PER_SECOND = 2.0
FALSE_PER_HOUR = 2.0
CALIBRATION_FRAMES = 128
INT8_PLANS = (Int8Plan("percentile", 1, 99.999), Int8Plan("percentile", 0, 99.999))
SUMMARY = (
    "Knows one game: violence in simulated play of Freedoom (ViZDoom). Shows the machine; "
    "must not moderate real streams."
)


@dataclass(frozen=True, slots=True)
class Splits:
    """Cached takes by split; no map is in two of them."""

    train: list[CachedTake]
    validation: list[CachedTake]
    test: list[CachedTake]


def splits_from_pool(pool: Path, cache: Path) -> Splits:
    """Reads, checks and decodes the three folders of a pool."""
    takes = {name: takes_from_pool(pool / name) for name in ("train", "validation", "test")}
    check_disjoint(takes)
    return Splits(**{name: cached_takes(part, cache / name) for name, part in takes.items()})


def calibrated_graph(
    net: MobileOneS0, validation: Sequence[CachedTake], path: Path
) -> list[LoggedTake]:
    """Exports with a calibration fitted on validation; returns validation scored by that graph."""
    onnx_from_classifier(deployed(net, Calibration()), path)
    raw = [frames_of(take) for take in _logged(validation, path)]
    calibration = calibrated(
        np.concatenate([f.scores for f in raw]), np.concatenate([f.violent for f in raw])
    )
    onnx_from_classifier(deployed(net, calibration), path)
    return _logged(validation, path)


def _logged(takes: Sequence[CachedTake], path: Path) -> list[LoggedTake]:
    return logged(takes, scorer_of(runtime_session(path)), LOOKS_PER_SECOND)


def calibration_frames(takes: Sequence[CachedTake], count: int) -> Pixels:
    """Training frames for INT8, half of them violent where there are that many."""
    rng = np.random.default_rng(0)
    places = [places_of(takes, label) for label in (VIOLENT, CALM)]
    rows = np.concatenate([p[rng.permutation(len(p))[: count // 2]] for p in places])
    return np.stack([takes[take].frames[frame] for take, frame in rows])


def bundle_from_net(
    net: MobileOneS0, splits: Splits, output: Path, version: str, training: str
) -> BundleCard:
    """Calibrates, exports, chooses the operating point, quantises, measures and writes."""
    output.mkdir(parents=True, exist_ok=True)
    model = output / "model.onnx"
    validation = calibrated_graph(net, splits.validation, model)
    point, _ = chosen([scored(take) for take in validation], candidates(), FALSE_PER_HOUR)
    calibration = calibration_frames(splits.train, CALIBRATION_FRAMES)
    int8, verdicts = best_int8(INT8_PLANS, model, calibration, validation, point)
    graphs = {"fp32": model} | ({"int8": int8} if int8 else {})
    results = {f"{p}, test": measured(_logged(splits.test, g), point) for p, g in graphs.items()}
    results["fp32, validation"] = measured(validation, point)
    facts = CardFacts(
        name=output.name,
        version=version,
        size=", ".join(f"{g.stat().st_size / 1e6:.1f} MB as {p}" for p, g in graphs.items()),
        training=training,
        data_digest=data_digest(take.take for take in splits.train),
        looks=LOOKS_PER_SECOND,
        budget=FALSE_PER_HOUR,
        point=point,
        int8="\n".join(f"- {verdict.text()}" for verdict in verdicts),
    )
    parts = BundleParts(
        name=output.name,
        version=version,
        summary=SUMMARY,
        data_digest=facts.data_digest,
        graphs=graphs,
        golden=golden_frames(validation),
        point=point,
        metrics=results["fp32, test"],
        card_text=card_text(facts, results),
    )
    return write_bundle(parts, output)


def training_text(splits: Splits, plan: TrainingPlan) -> str:
    """The card's paragraph on data and recipe."""
    parts = {"training": splits.train, "validation": splits.validation, "test": splits.test}
    played = ", ".join(
        f"{sum(take.take.duration_s for take in part) / 3600:.1f} h of {name}"
        for name, part in parts.items()
    )
    phases = ", then ".join(f"{steps} steps at {side} px" for side, steps in plan.phases)
    return (
        f"Simulated play: {played}. AdamW, cosine from {plan.peak_rate:g}, batches of {plan.batch} "
        f"({plan.violent_share:.0%} violent), {phases}; label smoothing {plan.smoothing:g}; crops, "
        f"flips and colour noise; moving average of the weights ({plan.average:g}); seed "
        f"{plan.seed}. Branches of each convolution are merged in kernel space while training."
    )


@click.command()
@click.argument("pool", type=click.Path(path_type=Path, exists=True))
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True)
@click.option("--work", type=click.Path(path_type=Path), required=True, help="Frames and the run.")
@click.option("--phases", type=PHASES, default=TrainingPlan().phases, help="<side>x<steps>,...")
@click.option("--version", default="1", show_default=True)
@click.option("--threads", default=2, show_default=True)
def main(
    pool: Path,
    output: Path,
    work: Path,
    phases: tuple[tuple[int, int], ...],
    version: str,
    threads: int,
) -> None:
    """Trains on POOL and writes the bundle.

    Example: python -m training.demo pool --work work -o engines/bundles/gameplay-s0
    """
    torch.set_num_threads(threads)
    splits = splits_from_pool(pool, work / "frames")
    plan = TrainingPlan(phases=phases)
    run = run_training(splits.train, work / "run", plan)
    card = bundle_from_net(run.average, splits, output, version, training_text(splits, plan))
    for name, interval in card.metrics.items():
        click.echo(f"{name}: {interval.value:.4g} ({interval.low:.4g} to {interval.high:.4g})")


if __name__ == "__main__":
    main()

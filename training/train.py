"""The training loop: balanced batches, growing picture size, moving average, resumable."""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from training.augment import training_batch
from training.errors import PoolRejected
from training.frame_cache import CachedTake
from training.gameplay import CALM, VIOLENT, data_digest
from training.mobileone import MobileOneS0

Progress = Callable[[int, float, float], None]
"""Called with step, mean loss and seconds since the last call."""


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """What a run does; saved beside its weights.

    Attributes:
        phases: (side in pixels, steps) one after another.
        batch: Frames a step.
        peak_rate: Highest learning rate; cosine to zero after the warm-up.
        violent_share: Share of violent frames in a batch; calibration undoes the prior.
        smoothing: Label smoothing: onsets are not sharp to the frame.
        average: Decay of the moving average of the weights, which is what is evaluated.
    """

    phases: tuple[tuple[int, int], ...] = ((128, 6000), (160, 2000), (224, 800))
    batch: int = 64
    peak_rate: float = 2e-3
    weight_decay: float = 0.05
    warm_up: int = 200
    violent_share: float = 0.4
    smoothing: float = 0.05
    average: float = 0.998
    seed: int = 7
    bfloat16: bool = True
    report_every: int = 100

    @property
    def steps(self) -> int:
        return sum(steps for _, steps in self.phases)

    def side_at(self, step: int) -> int:
        """Picture side of a step."""
        for side, steps in self.phases:
            if step < steps:
                return side
            step -= steps
        return self.phases[-1][0]

    def rate_at(self, step: int) -> float:
        """Learning rate of a step: linear warm-up, then a cosine to zero."""
        if step < self.warm_up:
            return self.peak_rate * (step + 1) / self.warm_up
        done = (step - self.warm_up) / max(1, self.steps - self.warm_up)
        return 0.5 * self.peak_rate * (1 + math.cos(math.pi * min(1.0, done)))


class FramePicker:
    """Draws balanced batches; the batch of a step depends on seed and step only."""

    def __init__(self, takes: Sequence[CachedTake], violent_share: float, seed: int) -> None:
        self._takes, self._share, self._seed = takes, violent_share, seed
        self._violent = places_of(takes, VIOLENT)
        self._calm = places_of(takes, CALM)
        if not len(self._violent) or not len(self._calm):
            raise PoolRejected(
                f"training needs violent and calm frames, got {len(self._violent)} and "
                f"{len(self._calm)}; render more takes"
            )

    def batch(self, step: int, size: int, side: int) -> tuple[Tensor, Tensor]:
        """Pictures [size, 3, side, side] and labels [size, 1]."""
        rng = np.random.default_rng((self._seed, step))
        violent = round(size * self._share)
        rows = np.concatenate(
            [
                self._violent[rng.integers(0, len(self._violent), violent)],
                self._calm[rng.integers(0, len(self._calm), size - violent)],
            ]
        )
        frames = [self._takes[take].frames[frame] for take, frame in rows]
        labels = (np.arange(size) < violent).astype(np.float32)[:, None]
        return training_batch(frames, side, rng), torch.from_numpy(labels)


def places_of(takes: Sequence[CachedTake], label: int) -> npt.NDArray[np.int64]:
    """(take, frame) of every frame with this label, [n, 2]."""
    parts = [
        np.stack([np.full(len(frames), index), frames], axis=1)
        for index, take in enumerate(takes)
        for frames in [np.flatnonzero(take.labels == label)]
    ]
    return np.concatenate(parts) if parts else np.empty((0, 2), dtype=np.int64)


@dataclass
class TrainingState:
    """All that a run needs to go on: the net, its average, the optimiser and the step."""

    net: MobileOneS0
    average: MobileOneS0
    optimiser: torch.optim.AdamW
    step: int = 0

    @classmethod
    def fresh(cls, plan: TrainingPlan) -> TrainingState:
        torch.manual_seed(plan.seed)
        net = MobileOneS0().to(memory_format=torch.channels_last)
        average = copy.deepcopy(net).eval().requires_grad_(False)
        return cls(net, average, torch.optim.AdamW(_groups(net, plan.weight_decay)))

    def save(self, path: Path) -> None:
        """Writes a checkpoint in one move, so that a kill leaves the last whole one."""
        parts = {
            "net": self.net.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
        }
        partial = path.with_suffix(".partial")
        torch.save(parts, partial)
        partial.replace(path)

    def load(self, path: Path) -> None:
        """Goes on from a checkpoint."""
        parts = torch.load(path, weights_only=True)
        self.net.load_state_dict(parts["net"])
        self.average.load_state_dict(parts["average"])
        self.optimiser.load_state_dict(parts["optimiser"])
        self.step = parts["step"]

    def start_from(self, path: Path) -> None:
        """Takes the averaged weights of a checkpoint, and nothing else of it."""
        weights = torch.load(path, weights_only=True)["average"]
        self.net.load_state_dict(weights)
        self.average.load_state_dict(weights)


def _groups(net: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    """Kernels decay; norms, biases and skips do not."""
    kernels = [p for p in net.parameters() if p.ndim > 1]
    others = [p for p in net.parameters() if p.ndim <= 1]
    return [
        {"params": kernels, "weight_decay": weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]


def train(
    state: TrainingState,
    takes: Sequence[CachedTake],
    plan: TrainingPlan,
    checkpoint: Path,
    progress: Progress,
) -> None:
    """Trains from `state.step` to the plan's end; `state.average` is the result."""
    picker = FramePicker(takes, plan.violent_share, plan.seed)
    losses: list[float] = []
    started = time.perf_counter()
    for step in _steps(state, plan):
        losses.append(_advance(state, plan, *picker.batch(step, plan.batch, plan.side_at(step))))
        if state.step % plan.report_every == 0 or state.step == plan.steps:
            now = time.perf_counter()
            state.save(checkpoint)
            progress(state.step, float(np.mean(losses)), now - started)
            started = now
            losses.clear()


def _steps(state: TrainingState, plan: TrainingPlan) -> Iterator[int]:
    state.net.train()
    while state.step < plan.steps:
        yield state.step


def _advance(state: TrainingState, plan: TrainingPlan, frames: Tensor, labels: Tensor) -> float:
    """One step of the optimiser and of the average; returns the loss."""
    for group in state.optimiser.param_groups:
        group["lr"] = plan.rate_at(state.step)
    logits = state.net(frames.bfloat16() if plan.bfloat16 else frames)
    targets = labels * (1 - plan.smoothing) + plan.smoothing / 2
    loss = functional.binary_cross_entropy_with_logits(logits, targets)
    state.optimiser.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(state.net.parameters(), 5.0)
    state.optimiser.step()
    state.step += 1
    _follow(state.average, state.net, min(plan.average, (1 + state.step) / (10 + state.step)))
    return float(loss.detach())


def _follow(average: nn.Module, net: nn.Module, decay: float) -> None:
    """Moves the average towards the net, running statistics included."""
    pairs = zip(average.state_dict().values(), net.state_dict().values(), strict=True)
    with torch.no_grad():
        for old, new in pairs:
            if old.is_floating_point():
                old.lerp_(new, 1 - decay)
            else:
                old.copy_(new)


def run_training(
    takes: Sequence[CachedTake], run: Path, plan: TrainingPlan, warm_start: Path | None = None
) -> TrainingState:
    """Trains, writing plan, log and checkpoint into `run`; goes on from what is there.

    Args:
        takes: Training takes.
        run: Folder of the run.
        plan: What to do.
        warm_start: Checkpoint whose weights a new run starts from.
    """
    run.mkdir(parents=True, exist_ok=True)
    digest = data_digest(take.take for take in takes)
    note = {"plan": asdict(plan), "data_digest": digest, "takes": len(takes)}
    (run / "plan.json").write_text(json.dumps(note, indent=1) + "\n")
    state = TrainingState.fresh(plan)
    checkpoint = run / "checkpoint.pt"
    if checkpoint.exists():
        state.load(checkpoint)
    elif warm_start is not None:
        state.start_from(warm_start)

    def progress(step: int, loss: float, seconds: float) -> None:
        line = {"step": step, "loss": round(loss, 4), "seconds": round(seconds, 1)}
        with (run / "log.jsonl").open("a") as log:
            log.write(json.dumps(line) + "\n")
        click.echo(f"step {step}/{plan.steps}  loss {loss:.4f}  {seconds:.0f} s", err=True)

    train(state, takes, plan, checkpoint, progress)
    return state


class _Phases(click.ParamType):  # type: ignore[type-arg]
    name = "phases"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[tuple[int, int], ...]:
        if isinstance(value, tuple):
            return value
        try:
            pairs = [phase.split("x") for phase in str(value).split(",")]
            return tuple((int(side), int(steps)) for side, steps in pairs)
        except ValueError:
            self.fail(f"{value!r} is no list of <side>x<steps>, such as 128x6000,224x800")


PHASES = _Phases()
"""Command-line type of `TrainingPlan.phases`."""

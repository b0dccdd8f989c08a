from __future__ import annotations

import dataclasses

import pytest

torch = pytest.importorskip("torch", reason="needs torch: pip install flagpost[training]")

from tests.training.takes import red_when_violent, take  # noqa: E402
from training.errors import PoolRejected  # noqa: E402
from training.frame_cache import CachedTake  # noqa: E402
from training.gameplay import CALM, VIOLENT  # noqa: E402
from training.train import (  # noqa: E402
    FramePicker,
    TrainingPlan,
    TrainingState,
    places_of,
    run_training,
    train,
)

PLAN = TrainingPlan(
    phases=((32, 6), (48, 2)), batch=16, warm_up=2, report_every=4, bfloat16=False, average=0.5
)


def quiet(step: int, loss: float, seconds: float) -> None:
    pass


def test_sides_grow_by_phase_and_the_rate_rises_then_falls_to_zero():
    rates = [PLAN.rate_at(step) for step in range(PLAN.steps + 1)]

    assert [PLAN.side_at(step) for step in (0, 5, 6, 7)] == [32, 32, 48, 48]
    assert rates[0] < rates[1] == PLAN.peak_rate
    assert rates[-1] == pytest.approx(0.0)


def test_a_batch_has_the_asked_share_of_violent_frames_and_none_left_out():
    picker = FramePicker([red_when_violent()], violent_share=0.25, seed=1)

    pictures, labels = picker.batch(0, 16, 32)

    assert pictures.shape == (16, 3, 32, 32)
    assert labels.sum() == 4
    reds = pictures[:, 0].mean(dim=(1, 2)) - pictures[:, 1].mean(dim=(1, 2))
    assert reds[:4].min() > reds[4:].max()


def test_the_batch_of_a_step_is_the_same_after_a_restart():
    one, other = (FramePicker([red_when_violent()], 0.4, seed=1) for _ in range(2))
    torch.manual_seed(0)
    first = one.batch(3, 8, 32)[0]
    torch.manual_seed(0)

    assert torch.equal(first, other.batch(3, 8, 32)[0])


def test_training_without_one_of_the_classes_is_refused():
    calm = take(incidents=[], ambiguous=[])
    cached = red_when_violent()
    labels = cached.labels * 0

    with pytest.raises(PoolRejected, match="got 0 and 40"):
        FramePicker([CachedTake(calm, cached.frames, cached.times_s, labels)], 0.4, 1)


def test_places_name_take_and_frame_of_a_label():
    takes = [red_when_violent("a"), red_when_violent("b")]

    assert places_of(takes, VIOLENT)[0].tolist() == [0, 8]
    assert len(places_of(takes, VIOLENT)) == 18
    assert len(places_of(takes, CALM)) == 2 * (40 - 9 - 6)


@pytest.mark.slow
def test_a_few_steps_lower_the_loss_on_an_easy_task(tmp_path):
    plan = dataclasses.replace(PLAN, phases=((32, 120),), report_every=10)
    losses: list[float] = []

    train(
        TrainingState.fresh(plan),
        [red_when_violent("a", seed=1), red_when_violent("b", seed=2)],
        plan,
        tmp_path / "checkpoint.pt",
        lambda step, loss, seconds: losses.append(loss),
    )

    assert losses[-1] < 0.8 * losses[0]


def test_a_run_goes_on_from_its_checkpoint_and_ends_at_the_plan_s_last_step(tmp_path):
    takes = [red_when_violent()]
    short = dataclasses.replace(PLAN, phases=((32, 4),))

    first = run_training(takes, tmp_path, short)
    second = run_training(takes, tmp_path, PLAN)

    assert (first.step, second.step) == (4, 8)
    steps = [line.split(",")[0] for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert steps == ['{"step": 4', '{"step": 8']


def test_a_warm_start_takes_weights_and_no_step_count(tmp_path):
    takes = [red_when_violent()]
    run_training(takes, tmp_path / "one", dataclasses.replace(PLAN, phases=((32, 4),)))
    state = TrainingState.fresh(PLAN)

    state.start_from(tmp_path / "one" / "checkpoint.pt")

    before = torch.load(tmp_path / "one" / "checkpoint.pt", weights_only=True)["average"]
    assert state.step == 0
    assert torch.equal(state.net.head.weight, before["head.weight"])

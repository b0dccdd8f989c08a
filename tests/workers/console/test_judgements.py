"""What people said, folded: who agreed blind, what stood, what the model was worth."""

from datetime import UTC, datetime, timedelta

import pytest

from schemas.decisions import Verdict
from workers.console.judgements import (
    Judged,
    Judgement,
    agreement,
    agreement_of_pairs,
    estimated_recall,
    overturned,
    precision,
    precision_by_version,
    precision_over_time,
    start_of,
)

START = datetime(2026, 3, 2, tzinfo=UTC)
VIOLENT, NOT, UNSURE = Verdict.VIOLENT, Verdict.NOT_VIOLENT, Verdict.UNSURE


def said(reviewer: str, verdict: Verdict = VIOLENT, policy: str = "V1") -> Judgement:
    return Judgement(reviewer, verdict, policy if verdict is VIOLENT else None)


def judged(number: int, *judgements: Judgement, **changes) -> Judged:
    values = {
        "flag_id": f"{number:026}",
        "stream_id": f"s{number}",
        "model_version": "tiny 1",
        "opened_at": START + timedelta(minutes=number),
        "looks": 3,
        "judgements": judgements,
        **changes,
    }
    return Judged(**values)


def test_agreement_counts_only_verdicts_that_were_given_blind():
    alike = [judged(n, said("ana", v), said("ben", v)) for n, v in enumerate([VIOLENT, NOT] * 10)]
    asked = [judged(n, said("ana", UNSURE), said("eva")) for n in range(20, 40)]
    third = [judged(n, said("ana"), said("ben", NOT), said("eva")) for n in range(40, 45)]
    found = agreement(alike + asked + third)
    assert found.n == 25, "an unsure one was not judged twice blind"
    assert found.value is not None
    assert 0.4 < found.value < 0.8
    assert agreement(alike).value == 1.0


def test_pairs_are_the_same_whoever_was_first():
    flags = [judged(n, said("ana"), said("ben", NOT)) for n in range(6)]
    flags += [judged(n, said("ben", NOT), said("ana")) for n in range(6, 12)]
    [(one, other, found)] = agreement_of_pairs(flags)
    assert (one, other) == ("ana", "ben")
    assert found.n == 12
    assert found.value == pytest.approx(0.0), "they never agree where one never says violent"


def test_a_first_verdict_that_another_person_changed_was_overturned():
    flags = [judged(n, said("ana"), said("ben")) for n in range(3)]
    flags += [judged(3, said("ana"), said("ben", NOT), said("eva", NOT))]
    flags += [judged(4, said("ana", NOT), said("ben"), said("eva"))]
    flags += [judged(5, said("ana", policy="V2"), said("ben", policy="V3"))]
    by_policy = {found.policy: found for found in overturned(flags)}
    assert by_policy["V1"].share.value == 0.25
    assert by_policy["V1"].share.n == 4
    assert by_policy["not violent"].share.value == 1.0
    assert by_policy["V2"].share.value == 0.0
    assert by_policy["V2"].other_policy == 1, "it stayed violent, under another policy"


def test_flags_that_one_person_judged_cannot_be_overturned():
    assert overturned([judged(0, said("ana")), judged(1, said("ana"), is_final=False)]) == []


def test_audit_samples_do_not_count_against_the_models_precision():
    flags = [judged(0, said("ana")), judged(1, said("ana", NOT))]
    samples = [judged(n, said("ana", NOT), probability=0.1) for n in range(2, 40)]
    assert precision(flags + samples).value == 0.5
    assert precision(flags + samples).n == 2


def test_a_flag_that_is_not_final_says_nothing_of_precision():
    assert precision([judged(0, said("ana"), is_final=False)]).n == 0


def test_precision_over_time_has_a_step_for_each_day_and_no_number_for_an_empty_one():
    flags = [judged(0, said("ana")), judged(5, said("ana", NOT))]
    flags += [judged(1, said("ana"), opened_at=START + timedelta(days=2, hours=3))]
    steps = precision_over_time(flags, START, START + timedelta(days=3), timedelta(days=1))
    assert [step.precision.value for step in steps] == [0.5, None, 1.0]
    assert [step.violent for step in steps] == [1, 0, 1]
    assert steps[2].starts_at == START + timedelta(days=2)


def test_each_version_of_a_model_has_its_own_precision():
    flags = [judged(n, said("ana", VIOLENT if n else NOT), model_version="m 1") for n in range(2)]
    flags += [judged(9, said("ana"), model_version="m 2")]
    assert [(name, found.value) for name, found in precision_by_version(flags)] == [
        ("m 1", 0.5),
        ("m 2", 1.0),
    ]


def test_recall_weighs_samples_by_how_seldom_they_were_drawn():
    flags = [judged(n, said("ana"), looks=10) for n in range(20)]
    samples = [
        judged(n, said("ana", VIOLENT if n < 30 else NOT), looks=1, probability=0.1)
        for n in range(20, 120)
    ]
    assert estimated_recall(flags + samples).value == pytest.approx(200 / (200 + 100))


def test_steps_start_at_whole_hours_and_days():
    moment = START + timedelta(hours=5, minutes=41)
    assert start_of(timedelta(hours=1), moment) == START + timedelta(hours=5)
    assert start_of(timedelta(days=1), moment) == START

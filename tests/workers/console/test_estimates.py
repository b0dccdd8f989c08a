"""Figures against published values, and intervals against populations whose truth is known."""

import math
import random

import numpy as np
import pytest

from workers.console.estimates import (
    MIN_AUDITED,
    MIN_STREAMS,
    Estimate,
    Rated,
    Watched,
    cohen_kappa,
    krippendorff_alpha,
    poisson_interval,
    recall,
    wilson,
)

# Newcombe (1998), "Two-sided confidence intervals for the single proportion", Table I, method 3.
NEWCOMBE = [
    (81, 263, 0.2553, 0.3662),
    (15, 148, 0.0624, 0.1605),
    (0, 20, 0.0, 0.1611),
    (1, 29, 0.0061, 0.1718),
]
# Krippendorff (2011), section C and E: four observers, twelve units, nominal alpha 0.743.
KRIPPENDORFF = [
    "111", "2232", "3333", "3333", "2222", "1234", "4444", "1121", "2222", "555", "11", "3",
]  # fmt: skip


@pytest.mark.parametrize(("successes", "n", "low", "high"), NEWCOMBE)
def test_wilsons_interval_is_the_published_one(successes, n, low, high):
    found = wilson(successes, n)
    assert found.low == pytest.approx(low, abs=5e-5)
    assert found.high == pytest.approx(high, abs=5e-5)
    assert found.value == successes / n


def test_a_proportion_of_nothing_has_no_number_and_says_why():
    found = wilson(0, 0)
    assert (found.value, found.low, found.high) == (None, None, None)
    assert found.because


def numbers(found: Estimate) -> tuple[float, float, float]:
    """The interval and the figure in it; fails where there are none."""
    assert found.low is not None
    assert found.value is not None
    assert found.high is not None
    return found.low, found.value, found.high


def test_a_proportion_above_one_is_refused():
    with pytest.raises(ValueError, match="got 3 of 2"):
        wilson(3, 2)


@pytest.mark.parametrize(
    ("count", "low", "high"), [(0, 0.0, 3.689), (1, 0.0253, 5.572), (5, 1.623, 11.668)]
)
def test_the_interval_of_a_count_is_garwoods(count, low, high):
    assert poisson_interval(count)[0] == pytest.approx(low, abs=1e-3)
    assert poisson_interval(count)[1] == pytest.approx(high, abs=1e-3)


def test_alpha_is_the_published_one_for_the_published_example():
    units = [Rated(f"s{number}", tuple(text)) for number, text in enumerate(KRIPPENDORFF)]
    found = krippendorff_alpha(units)
    assert found.value == pytest.approx(0.743, abs=5e-4)
    assert found.n == 11, "one unit was judged by one person only"
    low, value, high = numbers(found)
    assert low < value < high


def test_kappa_is_the_published_one_for_a_two_by_two_table():
    # 20 both yes, 5 and 10 apart, 15 both no: kappa 0.4 (Kirch 2008, Public Health).
    counts = {"yy": 20, "yn": 5, "ny": 10, "nn": 15}
    pairs = [tuple(both) for both, times in counts.items() for _ in range(times)]
    found = cohen_kappa(Rated(f"s{number}", pair) for number, pair in enumerate(pairs))
    assert found.value == pytest.approx(0.4)
    assert found.n == 50


def test_the_interval_of_kappa_agrees_with_its_asymptotic_error():
    # Fleiss, Cohen and Everitt (1969): standard error of kappa for a table of proportions p.
    table = np.array([[120, 20], [30, 130]])
    names = np.array(["y", "n"])
    pairs = [(names[i], names[j]) for i in (0, 1) for j in (0, 1) for _ in range(int(table[i, j]))]
    found = cohen_kappa(Rated(f"s{number}", pair) for number, pair in enumerate(pairs))
    p, n = table / table.sum(), table.sum()
    observed, expected = np.trace(p), p.sum(1) @ p.sum(0)
    kappa = (observed - expected) / (1 - expected)
    sides = p.sum(1)[None, :] + p.sum(0)[:, None]
    same = sum(p[i, i] * (1 - sides[i, i] * (1 - kappa)) ** 2 for i in (0, 1))
    apart = (1 - kappa) ** 2 * sum(
        p[i, j] * sides[i, j] ** 2 for i in (0, 1) for j in (0, 1) if i != j
    )
    error = math.sqrt(same + apart - (kappa - expected * (1 - kappa)) ** 2) / (
        (1 - expected) * math.sqrt(n)
    )
    assert found.value == pytest.approx(kappa)
    low, _, high = numbers(found)
    assert (high - low) / 2 == pytest.approx(1.96 * error, rel=0.08)


def test_agreement_where_every_verdict_is_the_same_has_no_number():
    units = [Rated(f"s{number}", ("violent", "violent")) for number in range(40)]
    found = krippendorff_alpha(units)
    assert found.value is None
    assert found.because == "every verdict was the same"


def test_agreement_of_nobody_has_no_number():
    assert krippendorff_alpha([]).because == "no flag was judged by two people yet"
    assert krippendorff_alpha([Rated("a", ("violent",))]).value is None
    assert cohen_kappa([]).value is None


def test_agreement_over_too_few_streams_has_no_number():
    units = [Rated("one", ("violent", "not_violent" if n % 3 else "violent")) for n in range(300)]
    found = krippendorff_alpha(units)
    assert found.value is None
    assert found.because == f"needs {MIN_STREAMS} streams, has 1"


def test_flags_of_one_stream_widen_the_interval_since_they_resemble_each_other():
    chance = random.Random(3)
    ratings = [tuple(chance.choices("vn", k=2)) for _ in range(40)]
    alone = [Rated(f"s{n}", ratings[n % 40]) for n in range(400)]
    together = [Rated(f"s{n % 40}", ratings[n % 40]) for n in range(400)]
    low, value, high = numbers(krippendorff_alpha(alone))
    clustered_low, clustered, clustered_high = numbers(krippendorff_alpha(together))
    assert clustered == pytest.approx(value)
    assert clustered_high - clustered_low > 2 * (high - low)


def sampled(chance, streams, share_found, shares, per_stream=60, violent_share=0.2):
    """A population of unflagged and flagged frames, and one sample of it as reviewed."""
    truth_found = truth_missed = 0
    watched = []
    for stream in range(streams):
        violent_here = chance.random() * 2 * violent_share
        probability = shares[stream % len(shares)]
        for _ in range(per_stream):
            violent = chance.random() < violent_here
            flagged = violent and chance.random() < share_found
            truth_found += flagged
            truth_missed += violent and not flagged
            if flagged:
                watched.append(Watched(f"s{stream}", 1, True))
            elif chance.random() < probability:
                watched.append(Watched(f"s{stream}", 1, violent, probability, audited=True))
    return watched, truth_found / (truth_found + truth_missed)


def test_the_interval_of_recall_covers_the_truth_as_often_as_it_says():
    chance = random.Random(11)
    covered, errors = 0, []
    for _ in range(120):
        watched, truth = sampled(chance, 80, 0.8, (0.05, 0.2))
        low, value, high = numbers(recall(watched))
        covered += low <= truth <= high
        errors.append(value - truth)
    assert covered / 120 >= 0.9
    assert abs(float(np.mean(errors))) < 0.02, "no bias, although streams are sampled unevenly"


def test_recall_without_weights_would_be_wrong():
    watched, truth = sampled(random.Random(5), 400, 0.6, (0.05, 0.3))
    naive = sum(u.violent and not u.audited for u in watched) / sum(u.violent for u in watched)
    low, _, high = numbers(recall(watched))
    assert low <= truth <= high
    assert naive > high


def test_an_incident_counts_with_its_frames():
    flags = [Watched(f"s{n}", 9, True) for n in range(20)]
    samples = [Watched(f"t{n}", 1, n < 10, 0.5, audited=True) for n in range(100)]
    assert recall(flags + samples).value == pytest.approx(180 / (180 + 20))


def test_recall_with_too_few_audit_samples_has_no_number():
    found = recall([Watched("a", 5, True), Watched("b", 1, True, 0.1, audited=True)])
    assert found.value is None
    assert found.because == f"needs {MIN_AUDITED} decided audit samples"


def test_samples_without_violence_give_only_the_least_that_recall_can_be():
    flags = [Watched(f"s{n}", 10, True) for n in range(30)]
    samples = [Watched(f"t{n}", 1, False, 0.1, audited=True) for n in range(100)]
    found = recall(flags + samples)
    assert found.value is None
    assert found.because == "no audit sample was violent"
    # 100 samples, none violent: at most 3.689 of them, each of which stands for ten frames.
    assert found.low == pytest.approx(300 / (300 + 36.89), abs=1e-3)
    assert found.high == 1.0


def test_few_misses_get_an_exact_interval_and_say_how_few():
    flags = [Watched(f"s{n}", 10, True) for n in range(30)]
    samples = [Watched(f"t{n}", 1, n < 2, 0.1, audited=True) for n in range(100)]
    found = recall(flags + samples)
    assert found.value == pytest.approx(300 / 320)
    assert found.low == pytest.approx(300 / (300 + 72.25), abs=1e-3)
    assert found.because == "only 2 violent audit samples"


def test_a_probability_of_nothing_is_refused():
    with pytest.raises(ValueError, match="probability: got 0"):
        recall([Watched("a", 1, True, 0.0, audited=True)])


def test_the_same_decisions_give_the_same_interval():
    watched, _ = sampled(random.Random(2), 60, 0.7, (0.2,))
    assert recall(watched) == recall(watched)

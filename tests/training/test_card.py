from __future__ import annotations

from schemas.bundles import Interval, OperatingPoint
from training.card import CardFacts, card_text

FACTS = CardFacts(
    name="gameplay-s0",
    version="1",
    size="4.2 MB as fp32",
    training="Trained on nothing yet.",
    data_digest="0" * 64,
    looks=2.0,
    budget=2.0,
    point=OperatingPoint(
        median_of=3, open_threshold=0.5, close_threshold=0.3, max_gap_s=5, cooldown_s=5
    ),
    int8="- none",
)


def test_the_card_says_first_that_the_model_knows_one_game_and_must_not_moderate():
    text = card_text(FACTS, {"test": {"frame_auc": Interval(value=0.9, low=0.8, high=0.95)}})

    assert "knows one game" in text[:200]
    assert "not be used to moderate" in text
    assert "| frame auc | 0.900 (0.800 to 0.950) |" in text


def test_exact_figures_have_no_interval_and_missing_ones_a_dash():
    exact = Interval(value=12.0, low=12.0, high=12.0)

    text = card_text(FACTS, {"one": {"incidents": exact}, "two": {}})

    assert "| incidents | 12 | - |" in text

"""Scores of an incident, laid out and told in words."""

from datetime import timedelta

import pytest

from schemas.flags import ScorePoint
from tests.workers.review.flags import START, flag
from workers.console.scoreline import HEIGHT, LEFT, RIGHT, WIDTH, score_line


def scored(*scores: float):
    points = tuple(
        ScorePoint(at=START + timedelta(seconds=place), score=score)
        for place, score in enumerate(scores)
    )
    return flag(0, scores=points, threshold=0.8)


def test_a_line_runs_from_edge_to_edge_and_stays_inside():
    dots = score_line(scored(0.0, 0.5, 1.0)).dots
    assert (dots[0].x, dots[-1].x) == (LEFT, WIDTH - RIGHT)
    assert dots[0].y > dots[1].y > dots[2].y
    assert all(0 < dot.y < HEIGHT for dot in dots)


def test_what_reaches_the_threshold_is_marked():
    assert [dot.is_over for dot in score_line(scored(0.79, 0.8, 0.9)).dots] == [False, True, True]


def test_the_words_tell_what_the_drawing_shows():
    assert score_line(scored(0.2, 0.95, 0.7)).summary == (
        "3 scores over 2.0 seconds: first 0.20, highest 0.95 at 00:00:01, last 0.70. "
        "1 of 3 reach the threshold of 0.80."
    )


@pytest.mark.parametrize("scores", [(), (0.9,), (0.9, 0.9)])
def test_few_scores_are_drawn_too(scores):
    line = score_line(scored(*scores))
    assert line.dots
    assert all(LEFT <= dot.x <= WIDTH - RIGHT for dot in line.dots)

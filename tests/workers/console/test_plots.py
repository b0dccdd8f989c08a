"""What the plots draw, read back from their SVG."""

from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree as Xml

import pytest

from workers.console.plots import (
    NARROW,
    Bar,
    Point,
    bar_plot,
    line_plot,
    number_axis,
    share_axis,
    time_axis,
)

START = datetime(2026, 3, 2, tzinfo=UTC)


def parts(svg: str, name: str, kind: str | None = None) -> list[Xml.Element]:
    found = Xml.fromstring(svg).iter(name)
    return [part for part in found if kind is None or part.get("class") == kind]


def days(*shares: float | None) -> list[Point]:
    return [
        Point((START + timedelta(days=number)).timestamp(), share, share, share)
        for number, share in enumerate(shares)
    ]


def drawn(points, **changes) -> str:
    across = time_axis(START, START + timedelta(days=5), 6)
    return line_plot(points, across, share_axis("Precision"), "Precision by day", **changes)


def test_a_higher_share_stands_higher_and_a_later_day_further_right():
    first, second = parts(drawn(days(0.2, 0.8)), "circle")
    assert float(first.get("cy", "")) > float(second.get("cy", ""))
    assert float(first.get("cx", "")) < float(second.get("cx", ""))


def test_a_day_without_a_figure_breaks_the_line_and_has_no_dot():
    svg = drawn(days(0.2, 0.4, None, 0.6, 0.8))
    assert len(parts(svg, "polyline")) == 2
    assert len(parts(svg, "circle")) == 4


def test_an_interval_is_drawn_from_its_low_to_its_high_end():
    svg = drawn([Point(START.timestamp(), 0.5, 0.25, 1.0)])
    stem = parts(svg, "line", "whisker")[0]
    grid = [float(line.get("y1", "")) for line in parts(svg, "line", "grid")]
    assert float(stem.get("y1", "")) == grid[1], "0.25 is the second of five lines"
    assert float(stem.get("y2", "")) == grid[4]


def test_no_plot_carries_a_style_that_the_content_policy_forbids():
    svg = drawn(days(0.1, 0.9), threshold=(0.5, "expected"))
    svg += bar_plot([Bar("V1", 0.1, "10 %", 0.05, 0.2)], share_axis("Overturned"), "By policy")
    assert "style" not in svg
    assert "fill=" not in svg


def test_names_with_markup_stay_text():
    svg = bar_plot([Bar("<script>alert(1)</script>", 0.1, '"&')], share_axis("x"), "a & b")
    assert "<script" not in svg
    assert parts(svg, "text", "bar-name")[0].text == "<script>alert(1)</script>"


def test_a_plot_says_in_a_sentence_what_it_shows():
    root = Xml.fromstring(drawn(days(0.1)))
    assert root.get("role") == "img"
    assert root.get("aria-label") == "Precision by day"


def test_a_bar_without_a_figure_has_its_words_and_no_bar():
    svg = bar_plot([Bar("V1", None, "needs 10 flags, has 2")], share_axis("x"), "y", NARROW)
    assert not parts(svg, "rect")
    assert "needs 10 flags, has 2" in svg


@pytest.mark.parametrize(
    ("high", "expected"),
    [(0, ["0", "0.2", "0.4", "0.6", "0.8", "1"]), (7, ["0", "2", "4", "6", "8"])],
)
def test_ticks_are_round_numbers(high, expected):
    assert [text for _, text in number_axis(high, "flags").ticks] == expected


@pytest.mark.parametrize("span", [timedelta(hours=3), timedelta(days=2), timedelta(days=400)])
@pytest.mark.parametrize("most", [4, 8])
def test_a_time_axis_has_no_more_ticks_than_fit(span, most):
    axis = time_axis(START + timedelta(minutes=17), START + timedelta(minutes=17) + span, most)
    assert 1 <= len(axis.ticks) <= most
    assert all(axis.low <= moment <= axis.high for moment, _ in axis.ticks)


def test_everything_stays_inside_the_drawing():
    svg = drawn(days(0.0, 1.0, 0.0, 1.0, 0.0, 1.0), size=NARROW)
    for dot in parts(svg, "circle"):
        assert 0 <= float(dot.get("cx", "")) <= NARROW.width
        assert 0 <= float(dot.get("cy", "")) <= NARROW.height

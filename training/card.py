"""CARD.md: what a bundle's model knows, how it was made and how good it is, for people."""

from __future__ import annotations

from dataclasses import dataclass

from schemas.bundles import Interval, OperatingPoint

TEMPLATE = """\
# Model card: {name} {version}

**This model knows one game.** It was trained on simulated play of Freedoom (through ViZDoom) and
on nothing else. It is here so that the whole machine can be shown and measured on any computer. It
must not be used to moderate real streams: on other games, on films or on cameras its scores mean
nothing.

- **Answers:** is damage being dealt or taken in this picture, or within two seconds of it?
- **Architecture:** MobileOne-S0, image only, {size}; input uint8 RGB 224x224, the whole frame
  squashed to size by area averaging; normalisation and calibration are inside the graph.
- **Weights:** trained from scratch; no other weights went into them.

## How it was trained
{training}

Training data digest: `{data_digest}`. Training, validation and test share no map.

## How the operating point was chosen
On the validation maps only, with the worker's own decision rule at {looks:g} looks a second: the
highest recall with at most {budget:g} false incidents per stream-hour. Median of the last
{point.median_of} looks; opens at {point.open_threshold}, closes below {point.close_threshold},
cooldown {point.cooldown_s:g} s. A true incident counts as found if a flag is open between its
start and two seconds after its end; a flag is false if it touches no true incident (with the same
two seconds) and no ambiguous time. An enemy attacking in view before any damage is ambiguous and
counts as neither.

## Results on unseen maps
{results}

Intervals are 95 % bootstraps over whole takes (quartiles for the delay).

## INT8
{int8}

## Limits
One game, one renderer, one way of playing (a bot in god mode, status bar and messages off). Fights
that leave nothing on the screen (an enemy behind a corner or at the back) are only found by what
comes before and after. It has seen no overlays, no webcams and no other colours.

Freedoom is distributed under the BSD-3-Clause licence; golden frames are pictures of it.
"""


@dataclass(frozen=True, slots=True)
class CardFacts:
    """What the card is filled with; texts are Markdown."""

    name: str
    version: str
    size: str
    training: str
    data_digest: str
    looks: float
    budget: float
    point: OperatingPoint
    int8: str


def card_text(facts: CardFacts, results: dict[str, dict[str, Interval]]) -> str:
    """Renders the card; `results` maps a column's heading to metrics."""
    fields = {name: getattr(facts, name) for name in CardFacts.__slots__}
    return TEMPLATE.format(**fields, results=_table(results))


def _table(results: dict[str, dict[str, Interval]]) -> str:
    columns = list(results)
    lines = ["| | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for metric in results[columns[0]]:
        cells = [_cell(results[column].get(metric)) for column in columns]
        lines.append(f"| {metric.replace('_', ' ')} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(interval: Interval | None) -> str:
    if interval is None:
        return "-"
    if interval.low == interval.high == interval.value:
        return f"{interval.value:.4g}"
    return f"{interval.value:.3f} ({interval.low:.3f} to {interval.high:.3f})"

"""A picture of the score over time: one panel a file, thresholds and incidents in it."""

from __future__ import annotations

import importlib
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from engines.decision import IncidentRule
from workers.errors import ConfigurationRejected
from workers.score.result import FileResult

PANEL_INCHES: Final = 2.2
LINE, SHADE, DOTS = "#1f5fa8", "#d9482b", "#8fb4dc"


def check_target(target: Path) -> None:
    """Finds out before hours of scoring whether there can be a picture.

    Raises:
        ConfigurationRejected: There is no such folder, or no matplotlib.
    """
    if not target.parent.is_dir():
        raise ConfigurationRejected(f"--plot {target}: there is no folder {target.parent}")
    _pyplot()


def plot(results: Sequence[FileResult], rule: IncidentRule, target: Path) -> None:
    """Writes a PNG, SVG or PDF.

    Raises:
        ConfigurationRejected: matplotlib is missing, or the target cannot be written.
    """
    pyplot = _pyplot()
    shown = [result for result in results if result.looks]
    if not shown:
        raise ConfigurationRejected("--plot: no file could be scored, there is nothing to draw")
    figure, axes = pyplot.subplots(
        len(shown), 1, figsize=(10, PANEL_INCHES * len(shown) + 0.6), squeeze=False
    )
    for axis, result in zip(axes[:, 0], shown, strict=True):
        _panel(axis, result, rule)
    axes[-1, 0].set_xlabel("seconds")
    figure.tight_layout()
    try:
        figure.savefig(target, dpi=130)
    except (OSError, ValueError) as error:
        raise ConfigurationRejected(f"--plot {target}: {error}") from error
    finally:
        pyplot.close(figure)


def _pyplot() -> Any:
    try:
        importlib.import_module("matplotlib").use("Agg")
        return importlib.import_module("matplotlib.pyplot")
    except ImportError as error:
        raise ConfigurationRejected("--plot: `pip install 'flagpost[plot]'`") from error


def _panel(axis: Any, result: FileResult, rule: IncidentRule) -> None:
    times = [look.at_s for look in result.looks]
    scores = [look.score for look in result.looks]
    size = rule.median_of
    medians = [statistics.median(scores[max(0, i + 1 - size) : i + 1]) for i in range(len(scores))]
    for number, incident in enumerate(result.incidents):
        label = "incident" if number == 0 else None
        end_s = max(incident.end_s, incident.start_s + 0.2)
        axis.axvspan(incident.start_s, end_s, color=SHADE, alpha=0.18, lw=0, label=label)
    axis.plot(times, scores, ".", color=DOTS, ms=4, label="score of a frame")
    axis.plot(times, medians, color=LINE, lw=1.6, label=f"median of {size}")
    axis.axhline(rule.open_threshold, color=SHADE, lw=0.9, ls="--", label="opens")
    axis.axhline(rule.close_threshold, color="grey", lw=0.9, ls=":", label="closes")
    axis.set_ylim(-0.02, 1.02)
    axis.set_xlim(times[0], max(times[-1], times[0] + 1))
    axis.set_ylabel("score")
    axis.set_title(f"{Path(result.file).name}: {result.score:.2f}", loc="left", fontsize=10)
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=8, frameon=False)

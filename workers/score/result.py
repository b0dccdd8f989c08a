"""What scoring a file gives: its looks, its incidents by the worker's rule, one clip score."""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from engines.decision import Change, DecisionState, IncidentRule, Look, end, observe
from workers.score.reader import STALL_S, ReaderConfig


@dataclass(frozen=True, slots=True)
class FoundIncident:
    """One stretch that the worker would flag, in seconds of the file."""

    start_s: float
    end_s: float
    peak: float

    def rounded(self) -> dict[str, float]:
        """Milliseconds and four digits of score: what is measured, no more."""
        return {
            "start_s": round(self.start_s, 3),
            "end_s": round(self.end_s, 3),
            "peak": round(self.peak, 4),
        }


@dataclass(frozen=True, slots=True)
class FileResult:
    """One file: its scores over time, or why there are none.

    Attributes:
        score: The highest median that the rule's window saw, None without looks.
        error: A sentence, None if all went well.
    """

    file: str
    looks: tuple[Look, ...]
    incidents: tuple[FoundIncident, ...]
    score: float | None
    error: str | None

    def as_json(self) -> str:
        return json.dumps(
            {
                "file": self.file,
                "score": None if self.score is None else round(self.score, 4),
                "frames": len(self.looks),
                "incidents": [incident.rounded() for incident in self.incidents],
                "error": self.error,
            }
        )


def score_file(
    config: ReaderConfig, rule: IncidentRule, progress: Callable[[float], None]
) -> FileResult:
    """Scores one file in a process of its own; a bad file is a result, never an exception.

    Args:
        config: The file and how it is scored.
        rule: The bundle's decision rule.
        progress: Told the share of the file that is done, 0 to 1.
    """
    looks: list[Look] = []
    duration_s, error = 0.0, None
    command = [sys.executable, "-m", "workers.score.reader", json.dumps(asdict(config))]
    environment = {"PATH": os.defpath, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
    ) as process:
        assert process.stdout is not None
        try:
            for text in process.stdout:
                line: dict[str, Any] = json.loads(text)
                error = line.get("error", error)
                duration_s = line.get("duration_s", duration_s)
                if "at_s" in line:
                    looks.append(Look(line["at_s"], line["score"]))
                    progress(min(1.0, line["at_s"] / duration_s) if duration_s else 0.0)
        except BaseException:  # Ctrl-C: the reader must not go on without us
            process.kill()
            raise
    if process.returncode and error is None:
        error = _ending(config.file, process.returncode, len(looks))
    return FileResult(
        config.file, tuple(looks), incidents_of(looks, rule), clip_score(looks, rule), error
    )


def _ending(file: str, code: int, looks: int) -> str:
    name = Path(file).name
    if code == -signal.SIGALRM:
        return f"{name}: no picture for {STALL_S} s after {looks} looks; the file may be hostile"
    if code < 0:
        how = signal.Signals(-code).name
        return f"{name}: the decoder died of {how} after {looks} looks; the file may be hostile"
    return f"{name}: the decoder ended with {code} after {looks} looks"


def incidents_of(looks: list[Look], rule: IncidentRule) -> tuple[FoundIncident, ...]:
    """The incidents that the rule finds, in the order they open."""
    state = DecisionState()
    found: dict[str, FoundIncident] = {}
    for number, look in enumerate(looks):
        state, changes = observe(state, look, rule, str(number))
        for change in changes:
            incident = change.incident
            found[incident.key] = FoundIncident(incident.onset_s, incident.last_s, incident.peak)
    _, changes = end(state)
    assert all(change.change is Change.CLOSED for change in changes)
    return tuple(found.values())


def clip_score(looks: list[Look], rule: IncidentRule) -> float | None:
    """The highest median of the rule's window; of all looks where they are fewer than that."""
    if not looks:
        return None
    size = min(rule.median_of, len(looks))
    windows = range(len(looks) - size + 1)
    return max(statistics.median(look.score for look in looks[i : i + size]) for i in windows)

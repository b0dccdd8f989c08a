"""Takes of simulated play and what their frames are: violent, calm or left out.

A pool is a folder of `<take>.ts` with a `<take>.json` beside each; the JSON is the simulator's
truth. Knows nothing of models or decoding.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from training.errors import PoolRejected

VIOLENT, CALM, LEFT_OUT = 1, 0, -1
CLOCK_S = 0.002
"""MPEG-TS rounds times to 1/90000 s, and containers round again."""
Labels = npt.NDArray[np.int8]
Span = tuple[float, float]


class PlayIncident(BaseModel):
    """One stretch of damage dealt or taken, in seconds from the take's start."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    start_s: float = Field(ge=0)
    end_s: float = Field(ge=0)

    @property
    def span(self) -> Span:
        return self.start_s, self.end_s


class Take(BaseModel):
    """One rendered stretch of play and its truth."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    take: str
    wad: str
    map: str
    scenario: str | None
    split: str
    seed: int
    fps: float = Field(gt=0)
    duration_s: float = Field(gt=0)
    incidents: tuple[PlayIncident, ...]
    ambiguous: tuple[Span, ...] = ()
    video: Path = Path()

    @property
    def place(self) -> tuple[str, str]:
        """What must never be in two splits: a scenario's map is the same in every WAD."""
        return ("scenario", self.scenario) if self.scenario else (self.wad, self.map)

    @property
    def spans(self) -> list[Span]:
        """The true incidents' spans."""
        return [incident.span for incident in self.incidents]


def takes_from_pool(pool: Path) -> list[Take]:
    """Reads every finished take of a pool, ordered by name.

    Raises:
        PoolRejected: The folder holds no take, or a truth file breaks its contract.
    """
    takes = []
    for truth in sorted(pool.glob("*.json")):
        video = truth.with_suffix(".ts")
        if not video.exists():
            continue
        try:
            take = Take.model_validate_json(truth.read_bytes())
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(map(str, first["loc"]))
            raise PoolRejected(
                f"{truth}: {where}: {first['msg']}; render the take again"
            ) from error
        takes.append(take.model_copy(update={"video": video}))
    if not takes:
        raise PoolRejected(
            f"{pool}: no take found, expected <take>.ts with <take>.json; render one with "
            "`flagpost simulate`"
        )
    return takes


def labels_at(take: Take, times_s: Sequence[float] | npt.NDArray[np.float64]) -> Labels:
    """Label of each frame time: VIOLENT in an incident, else LEFT_OUT if ambiguous, else CALM.

    Spans hold their ends, give or take `CLOCK_S`: a single hit is a span of no length.
    """
    times = np.asarray(times_s, dtype=np.float64)
    labels = np.full(times.shape, CALM, dtype=np.int8)
    for start, end in take.ambiguous:
        labels[(times >= start - CLOCK_S) & (times <= end + CLOCK_S)] = LEFT_OUT
    for start, end in take.spans:
        labels[(times >= start - CLOCK_S) & (times <= end + CLOCK_S)] = VIOLENT
    return labels


def check_disjoint(splits: Mapping[str, Sequence[Take]]) -> None:
    """Refuses splits that share a map: a model must be judged on places it has not seen.

    Raises:
        PoolRejected: Names the map and the two splits.
    """
    owner: dict[tuple[str, str], str] = {}
    for split, takes in splits.items():
        for take in takes:
            other = owner.setdefault(take.place, split)
            if other != split:
                raise PoolRejected(
                    f"map {take.place[1]} of {take.place[0]} is in {other} and {split} "
                    f"(take {take.take}); render it for one split only"
                )


def data_digest(takes: Iterable[Take]) -> str:
    """sha256 over the sorted truth of all takes; names the data a model was trained on."""
    digest = hashlib.sha256()
    for take in sorted(takes, key=lambda take: (take.split, take.take)):
        digest.update(take.model_dump_json(exclude={"video"}).encode())
    return digest.hexdigest()

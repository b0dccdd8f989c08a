"""Renders takes into a pool: scene, size, bit rate and script drawn from the seed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from workers.simulate.director import Director
from workers.simulate.errors import SimulationFailed
from workers.simulate.film import FilmSettings, film
from workers.simulate.game import SIZES, Game
from workers.simulate.pace import Pace
from workers.simulate.scenes import Scene, Split, scenes_of
from workers.simulate.script import Stretch, opening_script, script
from workers.simulate.takes import Take, write_take
from workers.simulate.truth import Observation, Rule, ambiguous_spans, incidents_of

FPS: Final = 16.0
"""A whole number of frames in each second and in each group of pictures of half a second."""
_SIZE_WEIGHTS: Final = (0.2, 0.65, 0.15)
_QUALITIES: Final = (20, 23, 26, 29, 33)
_FLASHES: Final = (0.0, 0.15, 0.3, 0.5, 1.0)
"""Strengths of the red flash: a model must not learn that red alone is violence."""
_REVISION: Final = 2
"""Counts changes of what is played or how it looks; takes of another one are not mixed in."""
_CALM_ENDS_S: Final = 2.0
_ATTEMPTS: Final = 6


@dataclass(frozen=True, slots=True)
class RenderSettings:
    """How takes of a pool are made."""

    split: Split
    fps: float = FPS
    keyframe_interval_s: float = 0.5
    flashes: bool = True
    size: tuple[int, int] | None = None
    """Width and height of every take; drawn for each where None."""
    short: bool = False
    """Takes of about 14 s with one early fight."""
    cpu_share: float = 1.0
    """Of one core, game and encoder together."""
    rule: Rule = field(default_factory=Rule)


def render_take(pool: Path, number: int, seed: int, settings: RenderSettings) -> Take:
    """Renders one take into the pool.

    Args:
        pool: An existing directory.
        number: Which take of this seed; different numbers give different takes.
        seed: The pool's seed.
        settings: How.

    Raises:
        SimulationFailed: No scene that was drawn gave a usable take.
    """
    name = take_name(number, seed, settings.split)
    # A take that fails is tried elsewhere with the same script: else violent ones become rare.
    draw = opening_script if settings.short else script
    stretches = draw(np.random.default_rng((seed, number)))
    error = SimulationFailed("no attempt made")
    for attempt in range(_ATTEMPTS):
        take_seed = int(np.random.SeedSequence((seed, number, attempt)).generate_state(1)[0] >> 1)
        try:
            scene = _scene(number + attempt, seed, settings.split)
            take, media = _shoot(name, scene, take_seed, stretches, settings)
        except SimulationFailed as failed:
            error = failed
            continue
        write_take(pool, take, media)
        return take
    raise SimulationFailed(f"take {number}: {_ATTEMPTS} attempts failed; the last: {error}")


def take_name(number: int, seed: int, split: Split) -> str:
    """Names a take by what it is made from, so that a stopped rendering can go on."""
    return f"{split}-{seed}-{number:05d}"


def kept_pool(root: Path, settings: RenderSettings, seed: int = 0) -> Path:
    """The directory below `root` for takes that are rendered with these settings and seed."""
    look = settings.size and "{}x{}".format(*settings.size)
    parts = (
        f"r{_REVISION}",
        f"{settings.fps:g}fps",
        f"{settings.keyframe_interval_s:g}s",
        look or "mixed",
        "flashes" if settings.flashes else "no-flashes",
        *((f"seed{seed}",) if seed else ()),
    )
    return root / "-".join(parts)


def _scene(turn: int, seed: int, split: Split) -> Scene:
    """Scenes take turns in an order of the pool's own, so that a small pool shows every one."""
    scenes = scenes_of(split)
    order = np.random.default_rng(seed).permutation(len(scenes))
    return scenes[int(order[turn % len(scenes)])]


def _shoot(
    name: str, scene: Scene, seed: int, stretches: list[Stretch], settings: RenderSettings
) -> tuple[Take, bytes]:
    rng = np.random.default_rng(seed)
    width, height = settings.size or SIZES[int(rng.choice(len(SIZES), p=_SIZE_WEIGHTS))]
    quality = int(rng.choice(_QUALITIES))
    encoding = FilmSettings(width, height, settings.fps, settings.keyframe_interval_s, quality)
    observations: list[Observation] = []
    flash = float(rng.choice(_FLASHES)) if settings.flashes else 0.0
    with Game(scene, width, height, flash_strength=flash) as game:
        game.restart(seed)
        director = Director(game, rng, settings.fps)
        media = film(
            _watched(director.play(stretches), observations, Pace(settings.cpu_share)), encoding
        )
    take = _described(name, scene, seed, settings, (width, height), observations)
    _require_calm_ends(take)
    if not take.incidents and any(stretch.violent for stretch in stretches):
        raise SimulationFailed(f"{name}: nobody was hurt in its fights")
    return take, media


def _watched(
    frames: Iterator[tuple[NDArray[np.uint8], Observation]],
    observations: list[Observation],
    pace: Pace,
) -> Iterator[NDArray[np.uint8]]:
    for picture, observation in frames:
        observations.append(observation)
        yield picture
        pace.rest()


def _described(
    name: str,
    scene: Scene,
    seed: int,
    settings: RenderSettings,
    size: tuple[int, int],
    observations: list[Observation],
) -> Take:
    incidents = incidents_of(observations, settings.rule)
    return Take(
        take=name,
        file=f"{name}.ts",
        wad=scene.wad,
        map=scene.map,
        scenario=scene.scenario,
        split=settings.split,
        seed=seed,
        width=size[0],
        height=size[1],
        fps=settings.fps,
        duration_s=len(observations) / settings.fps,
        rule=settings.rule,
        incidents=tuple(incidents),
        ambiguous=tuple(ambiguous_spans(observations, incidents, settings.rule)),
    )


def _require_calm_ends(take: Take) -> None:
    """Incidents must not run over a join of two takes: they would be one by the rule."""
    if not take.incidents:
        return
    first, last = take.incidents[0].start_s, take.incidents[-1].end_s
    if first < _CALM_ENDS_S or last > take.duration_s - _CALM_ENDS_S:
        raise SimulationFailed(f"{take.take}: violent within {_CALM_ENDS_S:g} s of an end")

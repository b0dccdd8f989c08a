"""One headless game on one scene: commands in, pictures and what happened out.

The only module that knows ViZDoom.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from workers.simulate.errors import GameMissing, SimulationFailed
from workers.simulate.scenes import Scene

TICS_PER_S: Final = 35
SIZES: Final = ((320, 180), (640, 360), (1280, 720))
_AIM_TICS: Final = 3
_DEAD: Final = ("Dead", "Gibbed")


@dataclass(frozen=True, slots=True)
class Enemy:
    """A living monster in view: which one, and the pixels that it covers."""

    id: int
    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Controls:
    """What the player does for one frame.

    `turn` is degrees to the right over the whole frame; `forward` and `sideways` are units of
    speed (a run is about 25).
    """

    turn: float = 0.0
    forward: float = 0.0
    sideways: float = 0.0
    attack: bool = False
    use: bool = False
    weapon: int | None = None


@dataclass(frozen=True, slots=True)
class View:
    """One rendered frame and the counters since the episode began.

    `picture` is [height, width, 3] uint8 RGB.
    """

    picture: NDArray[np.uint8]
    time_s: float
    damage_dealt: int
    damage_taken: int
    kills: int
    health: int
    position: tuple[float, float]
    enemies: tuple[Enemy, ...]
    depths: tuple[float, float, float]
    """How far the eye reaches left, ahead and right, 0 (at a wall) to 255."""

    @property
    def width(self) -> int:
        return int(self.picture.shape[1])

    @property
    def height(self) -> int:
        return int(self.picture.shape[0])


@dataclass(slots=True)
class Game:
    """A running game; use as a context manager. Not thread-safe."""

    scene: Scene
    width: int
    height: int
    flash_strength: float = 1.0
    """How red the picture turns when the player is hurt, 0 (not at all) to 1."""
    _game: Any = field(init=False)
    _home: tempfile.TemporaryDirectory[str] = field(init=False)
    _tics: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        vizdoom = _vizdoom()
        game = vizdoom.DoomGame()
        installed = Path(vizdoom.__file__).parent
        game.set_doom_game_path(str(installed / f"{self.scene.wad}.wad"))
        if self.scene.scenario:
            scenario = installed / "scenarios" / f"{self.scene.scenario}.wad"
            game.set_doom_scenario_path(str(scenario))
        game.set_doom_map(self.scene.map)
        self._game = game
        _picture(game, vizdoom, self.width, self.height)
        game.add_game_args(f"+blood_fade_scalar {self.flash_strength:.2f} +con_midtime 0")
        _report(game, vizdoom)

    def __enter__(self) -> Game:
        # Otherwise the game leaves its settings, and a directory, in the current one.
        self._home = tempfile.TemporaryDirectory(prefix="flagpost-game-")
        # And its sound library, silent as it is, leaves a link below the home directory.
        os.environ.setdefault("PULSE_SERVER", "none")
        self._game.set_doom_config_path(str(Path(self._home.name) / "game.ini"))
        try:
            with contextlib.chdir(self._home.name):
                self._game.init()
        except _vizdoom().ViZDoomErrorException as error:
            self._home.cleanup()
            raise SimulationFailed(f"{self.scene}: the game did not start: {error}") from error
        return self

    def __exit__(self, *exc: object) -> None:
        self._game.close()
        self._home.cleanup()

    def restart(self, seed: int) -> None:
        """Begins the scene anew; the same seed and actions give the same play."""
        self._game.set_seed(seed)
        self._game.new_episode()
        self._tics = 0
        self.command("buddha", "give weapons", "give ammo", "give backpack", "give ammo")

    def command(self, *lines: str) -> None:
        """Types lines at the game's console; they take effect at the next tic."""
        for line in lines:
            self._game.send_game_command(line)

    def step(self, controls: Controls, tics: int) -> View:
        """Plays some tics (1/35 s) with the same controls and renders the last.

        Raises:
            SimulationFailed: The game ended the episode or broke.
        """
        vizdoom = _vizdoom()
        try:
            self._play(controls, tics)
            state = self._game.get_state()
        except vizdoom.ViZDoomUnexpectedExitException as error:
            raise SimulationFailed(f"{self.scene}: the game broke: {error}") from error
        if state is None:
            raise SimulationFailed(f"{self.scene}: the game ended the episode")
        self._tics += tics
        dealt, taken, kills, health, x, y = state.game_variables
        return View(
            picture=state.screen_buffer,
            time_s=self._tics / TICS_PER_S,
            damage_dealt=int(dealt),
            damage_taken=int(taken),
            kills=int(kills),
            health=int(health),
            position=(float(x), float(y)),
            enemies=tuple(_living(state.labels)),
            depths=_depths(state.depth_buffer),
        )

    def _play(self, controls: Controls, tics: int) -> None:
        """A long step turns first and shoots then, as a person does; unseen frames cost little."""
        if tics <= _AIM_TICS:
            self._game.make_action(_action(controls, tics), tics)
            return
        self._game.set_action(_action(replace(controls, attack=False), _AIM_TICS))
        self._game.advance_action(_AIM_TICS, False)
        self._game.make_action(_action(replace(controls, turn=0.0), tics), tics - _AIM_TICS)

    def places(self) -> list[tuple[float, float]]:
        """Where things lie on the map: places a player can stand on."""
        state = self._game.get_state()
        if state is None:
            return []
        return [
            (thing.position_x, thing.position_y)
            for thing in state.objects
            if thing.name != "DoomPlayer"
        ]


def _vizdoom() -> Any:
    try:
        import vizdoom
    except ImportError as error:
        raise GameMissing(
            "vizdoom is not installed; `pip install 'flagpost[demo]'` brings it"
        ) from error
    return vizdoom


def _picture(game: Any, vizdoom: Any, width: int, height: int) -> None:
    """Switches off everything on the picture that tells in text what happens."""
    game.set_screen_resolution(getattr(vizdoom.ScreenResolution, f"RES_{width}X{height}"))
    game.set_screen_format(vizdoom.ScreenFormat.RGB24)
    game.set_window_visible(False)
    game.set_render_hud(False)
    game.set_render_messages(False)
    game.set_console_enabled(False)


def _report(game: Any, vizdoom: Any) -> None:
    button, variable = vizdoom.Button, vizdoom.GameVariable
    game.set_available_buttons(
        [
            button.TURN_LEFT_RIGHT_DELTA,
            button.MOVE_FORWARD_BACKWARD_DELTA,
            button.MOVE_LEFT_RIGHT_DELTA,
            button.ATTACK,
            button.USE,
            *(getattr(button, f"SELECT_WEAPON{number}") for number in range(1, 8)),
        ]
    )
    game.set_available_game_variables(
        [
            variable.DAMAGECOUNT,
            variable.DAMAGE_TAKEN,
            variable.KILLCOUNT,
            variable.HEALTH,
            variable.POSITION_X,
            variable.POSITION_Y,
        ]
    )
    game.set_labels_buffer_enabled(True)
    game.set_depth_buffer_enabled(True)
    game.set_objects_info_enabled(True)
    game.set_episode_timeout(0)
    game.set_mode(vizdoom.Mode.PLAYER)


def _action(controls: Controls, tics: int) -> list[float]:
    weapons = [float(controls.weapon == number) for number in range(1, 8)]
    moves = (controls.turn / tics, controls.forward, controls.sideways)
    return [*moves, float(controls.attack), float(controls.use), *weapons]


def _living(labels: Iterable[Any]) -> Iterable[Enemy]:
    for label in labels:
        monster = label.object_category == "Monster" and not label.object_name.startswith(_DEAD)
        if monster:
            yield Enemy(label.object_id, label.x, label.y, label.width, label.height)


def _depths(depth: NDArray[np.uint8]) -> tuple[float, float, float]:
    height, width = depth.shape
    eye_level = depth[int(height * 0.45) : int(height * 0.55) : 4, ::4].mean(axis=0)
    third = width // 4 // 3
    left, ahead, right = eye_level[:third], eye_level[third : 2 * third], eye_level[2 * third :]
    return float(left.mean()), float(ahead.min()), float(right.mean())

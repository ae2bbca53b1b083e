"""The Gymnasium environment: one arm, one task, any number of cameras."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, get_args

import gymnasium as gym
import numpy as np

from envs import CAMERAS
from envs.cameras import Camera, rig
from envs.looks import default_look, jitter, orbit, random_look
from envs.meshes import Part
from envs.panda import Panda
from envs.promises import check_names, check_sizes
from envs.render import RasterRenderer, Renderer, check_size
from envs.sim import PANDA_GYM_TIMING, Sim, Timing
from envs.tasks import TASKS
from envs.tasks.base import Task, Variety
from envs.tiny import TinyRenderer
from envs.tray import CENTER_M
from sslctrl.errors import InputError, check_among

RENDERERS: dict[str, Callable[[Sequence[Part]], Renderer]] = {"raster": RasterRenderer, "tiny": TinyRenderer}
TIMINGS = {"default": Timing(), "panda_gym": PANDA_GYM_TIMING}
RENDER_PX = 240
BOUND = 100.0  # m, m/s, rad: of the observation spaces; far beyond what happens


class RobotEnv(gym.Env):
    """A goal environment in Gymnasium-Robotics' convention, with cameras.

    Observations: ``observation`` float64 (S,), the true state; ``achieved_goal`` and ``desired_goal`` (G,), metres.
    Rewards: ``sparse`` is 0 where the goal is reached and -1 elsewhere; ``dense`` is minus the distance in metres.
    ``variety``: where colours and shapes come from, by default as the task says. ``randomize``: strength, 0 to 1, of
    each episode's own light, colours and camera errors; ``orbit_rad``: how far, at most, each episode carries each
    camera round the workspace, either way, as a hand-held one would be. ``renderer``: ours, or PyBullet's TinyRenderer,
    slower, which draws every object in its own colour whatever the variety.
    Episodes end by truncation only. Same seed, same machine, same versions: the same states and the same frames.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 24}  # noqa: RUF012 - Gymnasium's convention

    def __init__(
        self,
        task: str,
        variety: Variety | None = None,
        reward: Literal["sparse", "dense"] = "sparse",
        randomize: float = 0.0,
        orbit_rad: float = 0.0,
        timing: Literal["default", "panda_gym"] = "default",
        renderer: Literal["raster", "tiny"] = "raster",
        cameras: Sequence[str] = CAMERAS,
        render_mode: Literal["rgb_array"] | None = None,
    ) -> None:
        if variety is not None:
            check_among(get_args(Variety), variety=variety)
        check_among(("sparse", "dense"), reward=reward)
        if render_mode is not None:
            check_among(self.metadata["render_modes"], render_mode=render_mode)
        check_among(TIMINGS, timing=timing)
        check_among(RENDERERS, renderer=renderer)
        if not 0 <= randomize <= 1:
            raise InputError(f"randomize {randomize} given; it is a strength from 0 (none) to 1 (most)")
        if randomize and renderer == "tiny":
            raise InputError(f"randomize {randomize} with renderer 'tiny', which knows one look; choose raster")
        if not 0 <= orbit_rad <= np.pi:
            raise InputError(f"orbit_rad {orbit_rad} given; it is an angle from 0 to pi, either way")
        self.metadata = self.metadata | {"render_fps": round(1 / TIMINGS[timing].control_dt_s)}
        self.render_mode = render_mode
        self.task: Task = TASKS.get(task)(**({} if variety is None else {"variety": variety}))
        check_names(self.task)
        self.sparse = reward == "sparse"
        self.randomize, self.orbit_rad = randomize, orbit_rad
        self.sim = Sim(TIMINGS[timing])
        self.robot = Panda(self.sim, self.task.tool)
        self.task.build(self.sim)
        self._rig = rig((*CENTER_M, self.task.middle_m))
        self._views = _select(self._rig, cameras)
        self._look = default_look()
        self._renderer_name = renderer
        self._renderer: Renderer | None = None
        self._state = np.zeros(len(self.task.state_names))
        self._goal = np.zeros(self.task.goal_size)
        goal = gym.spaces.Box(-BOUND, BOUND, (self.task.goal_size,), np.float64)
        state = gym.spaces.Box(-BOUND, BOUND, self._state.shape, np.float64)
        self.observation_space = gym.spaces.Dict(observation=state, achieved_goal=goal, desired_goal=goal)
        self.action_space = gym.spaces.Box(-1.0, 1.0, (len(self.task.action_names),), np.float32)

    @property
    def cameras(self) -> tuple[str, ...]:
        """Names of the cameras, in the order of the views."""
        return tuple(camera.name for camera in self._views)

    @property
    def views(self) -> tuple[Camera, ...]:
        """The cameras as they stand in this episode."""
        return self._views

    @property
    def state(self) -> np.ndarray:
        """The true state now, float64 (S,)."""
        return self._state.copy()

    @property
    def goal(self) -> np.ndarray:
        """The desired goal now, float64 (G,), metres."""
        return self._goal.copy()

    @property
    def proprio(self) -> np.ndarray:
        """What the arm knows of itself, float64 (P,): the first ``task.proprio_size`` numbers of the state."""
        return self._state[: self.task.proprio_size].copy()

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[dict, dict]:
        """Start an episode. ``options={"goal": (G,)}`` fixes the goal; everything else is drawn from the seed.

        ``options={"goal_px": 64}`` adds to ``info`` what all cameras would see, ``goal_frames`` (V, 64, 64, 3), and the
        true state, ``goal_state`` (S,), were the goal reached; 0: the state alone. The episode is the same as without.
        """
        options = options or {}
        for name in options:
            check_among(("goal", "goal_px"), option=name)
        goal = self._checked_goal(options["goal"]) if "goal" in options else None
        goal_px = options.get("goal_px", 0)
        if pictured := np.ndim(goal_px) > 0 or goal_px != 0:
            check_size(goal_px)
        super().reset(seed=seed)
        shown: dict[str, Any] = {}
        if "goal_px" in options:
            drawn = self.np_random.bit_generator.state
            self._begin(goal)
            self.task.show_goal(self.sim, self.robot, self.np_random, self._goal)
            if pictured:
                shown["goal_frames"] = self.frames(goal_px)
            shown["goal_state"] = self.task.state(self.sim, self.robot)
            self.np_random.bit_generator.state = drawn
        self._begin(goal)
        return self._observation(), self._info() | shown

    def step(self, action: np.ndarray) -> tuple[dict, float, bool, bool, dict]:
        """Act for one control step. An action of the wrong shape or not finite raises InputError, changing nothing."""
        self.task.act(self.robot, np.clip(self._checked_action(action), -1.0, 1.0))
        self.sim.step()
        self._state = self.task.state(self.sim, self.robot)
        observation, info = self._observation(), self._info()
        reward = float(self.compute_reward(observation["achieved_goal"], self._goal, info))
        return observation, reward, False, False, info

    def compute_reward(self, achieved_goal: np.ndarray, desired_goal: np.ndarray, info: Any) -> np.ndarray:
        """Rewards of goals (G,) or (N, G): vectorised, for hindsight relabelling; ``info`` is not used."""
        if self.sparse:
            return self.task.success(achieved_goal, desired_goal).astype(np.float64) - 1.0
        return -self.task.distance(achieved_goal, desired_goal)

    def expert_action(self) -> np.ndarray:
        """The scripted expert's action (A,) float32 for the present state and goal."""
        return self.task.expert(self._state, self._goal).astype(np.float32)

    def set_goal(self, goal: np.ndarray) -> None:
        """Change the desired goal (G,) in the middle of an episode."""
        self._goal = self._checked_goal(goal)

    def render_views(self, size_px: int = 64) -> dict[str, np.ndarray]:
        """What every camera sees now: uint8 (size_px, size_px, 3) by camera name. Goals are never drawn."""
        return dict(zip(self.cameras, self.frames(size_px), strict=True))

    def frames(self, size_px: int = 64) -> np.ndarray:
        """All views as one array, uint8 (V, size_px, size_px, 3)."""
        return self.look_through(self._views, size_px)

    def look_through(self, cameras: Sequence[Camera], size_px: int) -> np.ndarray:
        """What any cameras see now, uint8 (V, size_px, size_px, 3)."""
        return self.renderer.render(self.sim.part_poses(), cameras, size_px, self._look)

    def frames_and_depth(self, size_px: int = 64) -> tuple[np.ndarray, np.ndarray]:
        """All views, uint8 (V, size_px, size_px, 3), and their depth, uint16 (V, size_px, size_px): mm; 0: nothing."""
        seen = self.renderer.render_all(self.sim.part_poses(), self._views, size_px, self._look)
        return seen.rgb, np.where(seen.segmentation < 0, 0, np.rint(1000 * seen.depth)).astype(np.uint16)

    def segmentation(self, camera: Camera, size_px: int) -> np.ndarray:
        """Which of ``renderer.bodies`` a camera sees in each pixel now: int16 (size_px, size_px); -1: none."""
        return self.renderer.render_all(self.sim.part_poses(), (camera,), size_px, self._look).segmentation[0]

    @property
    def renderer(self) -> Renderer:
        """The renderer, built when the first picture is asked for."""
        if self._renderer is None:
            self._renderer = RENDERERS[self._renderer_name](self.sim.parts)
        return self._renderer

    def render(self) -> np.ndarray | None:
        """All views side by side in one picture, uint8 (H, V * H, 3)."""
        if self.render_mode is None:
            return None
        return np.concatenate(list(self.frames(RENDER_PX)), axis=1)

    def close(self) -> None:
        """Free the simulator."""
        self.sim.close()
        self._renderer = None  # PyBullet's own has a simulator, too

    def _begin(self, goal: np.ndarray | None) -> None:
        """Draw an episode's start, goal and look."""
        self.sim.park()
        colors = self.task.reset(self.sim, self.robot, self.np_random)
        self._state = self.task.state(self.sim, self.robot)
        drawn = self.task.sample_goal(self.np_random, self._state)  # even where one is given: the look stays the same
        check_sizes(self.task, self._state, drawn)
        self._goal = np.array(drawn, np.float64) if goal is None else goal
        at = self.np_random.bit_generator.state
        self._dress(colors)
        self.np_random.bit_generator.state = at  # so that the next start, too, is the same however this one looks

    def _dress(self, colors: dict[str, tuple[float, float, float]]) -> None:
        """Choose this episode's look; colours that the task gives its objects are never overridden.

        All cameras of the rig are placed, so that each stands where it does whichever of them are rendered.
        """
        self._look, placed = default_look(), tuple(self._rig.values())
        if self.randomize > 0:
            self._look = random_look(self.np_random, self.sim.parts, self.randomize)
            placed = tuple(jitter(camera, self.np_random, self.randomize) for camera in placed)
        if self.orbit_rad > 0:
            angles = self.np_random.uniform(-self.orbit_rad, self.orbit_rad, len(placed))
            placed = tuple(orbit(camera, CENTER_M, float(angle)) for camera, angle in zip(placed, angles, strict=True))
        self._views = _select(dict(zip(self._rig, placed, strict=True)), self.cameras)
        self._look = self._look.with_colors(colors)

    def _observation(self) -> dict[str, np.ndarray]:
        achieved = self.task.achieved_goal(self._state)
        return {
            "observation": self._state.copy(),
            "achieved_goal": achieved.copy(),
            "desired_goal": self._goal.copy(),
        }

    def _info(self) -> dict[str, Any]:
        achieved = self.task.achieved_goal(self._state)
        distance = float(self.task.distance(achieved, self._goal))
        return {"is_success": bool(self.task.success(achieved, self._goal)), "distance_m": distance}

    def _checked_action(self, action: np.ndarray) -> np.ndarray:
        given, names = _numbers(action), self.task.action_names
        if given is None or given.shape != (len(names),):
            shape = "no numbers" if given is None else f"shape {given.shape}"
            raise InputError(
                f"action has {shape}; this task takes ({len(names)},) numbers: {', '.join(names)}; give so many"
            )
        if not np.isfinite(given).all():
            bad = ", ".join(
                f"{name}={value}" for name, value in zip(names, given, strict=True) if not np.isfinite(value)
            )
            raise InputError(
                f"action is not finite: {bad}; give finite numbers in [-1, 1]; the world was left as it was"
            )
        return given

    def _checked_goal(self, goal: np.ndarray) -> np.ndarray:
        given = _numbers(goal)
        if given is None or given.shape != self._goal.shape or not np.isfinite(given).all():
            shown, size = " ".join(str(goal).split()), self.task.goal_size
            raise InputError(f"goal {shown} given; this task takes {size} finite numbers in metres; give so many")
        low, high = map(np.asarray, self.task.goal_box_m)
        if (given < low).any() or (given > high).any():
            raise InputError(
                f"goal {given.tolist()} given; allowed is {low.round(3).tolist()} to {high.round(3).tolist()} m; "
                "give one that can be reached"
            )
        return given


def _numbers(given: Any) -> np.ndarray | None:
    """Return a copy as float64; None for what is no real numbers."""
    if np.iscomplexobj(given):
        return None
    try:
        return np.array(given, np.float64)
    except (TypeError, ValueError):
        return None


def _select(cameras: dict[str, Camera], names: Sequence[str]) -> tuple[Camera, ...]:
    unknown = [name for name in names if name not in cameras]
    if unknown or not names:
        raise InputError(f"camera {', '.join(unknown) or 'none'} given; choose one or more of {', '.join(cameras)}")
    if len(set(names)) < len(names):
        raise InputError(f"cameras {', '.join(names)} given; allowed is each once; leave out the second")
    return tuple(cameras[name] for name in names)


def world_of(env: gym.Env) -> RobotEnv:
    """Return the world inside its wrappers. Raises InputError for another package's."""
    if not isinstance(env.unwrapped, RobotEnv):
        raise InputError(f"{env} is not one of this package's worlds; make one with gymnasium.make('sslctrl/...')")
    return env.unwrapped

"""Lift one named object out of a bin of five, which are drawn from twenty."""

from __future__ import annotations

import math

import numpy as np

from envs.attributes import Attributes, heading, quadrant
from envs.lifting import HELD_M, Hand, grip_and_lift
from envs.meshes import Color
from envs.panda import Panda
from envs.sim import Physical, Shape, Sim
from envs.tasks.base import Task, Variety
from envs.things import SIZE_M, Thing, catalogue, sample_rgb
from envs.tray import CENTER_M, add_tray, sample_xy

STEP_M = 0.04  # commanded per control step at full action
STEP_RAD = 0.5
LOW_M = np.array([CENTER_M[0] - 0.12, CENTER_M[1] - 0.12, 0.009])  # the fingers end 7 mm below the tip
HIGH_M = np.array([CENTER_M[0] + 0.12, CENTER_M[1] + 0.12, 0.22])
YAW_MAX_RAD = 1.9  # more than a quarter turn either way: the gripper is symmetric, so it reaches every angle
IN_BIN = 5
POSE = ("x", "y", "z", "yaw")
OBJECT_HALF_M = 0.10  # objects start within this of the bin's centre
SPACING_M = 0.075  # between their centres: room for a finger
START_Z_M = (0.12, 0.20)  # of the hand
LIFTED_Z_M = 0.15  # of a goal
AWAY_M = (20.0, 20.0, 500.0)  # objects of other episodes fall freely, far from anything: the cheapest way to wait
TABLE = Shape("box", (0.8, 0.8, 0.05), (0.0, 0.0, -0.05))  # no plane: infinite, it would touch what waits far away
OBJECT = Physical(mass_kg=0.06, friction=1.0, spinning_friction=0.005)


class Grasp(Task):
    """Five actions move the gripper; the goal is one object's position in the air, reached within 5 cm.

    The object that the goal speaks of is ``target``: the first in the state and the first of ``present``. An object's
    yaw is the angle along which the fingers' faces must lie to grip it, in [-pi/2, pi/2).
    """

    tool = "gripper"
    action_names = ("x", "y", "z", "yaw", "gripper")
    state_names = (
        *("hand_x", "hand_y", "hand_z", "hand_yaw", "hand_vx", "hand_vy", "hand_vz", "opening", "opening_rate"),
        *(f"{thing}_{key}" for thing in ("target", "other1", "other2", "other3", "other4") for key in POSE),
    )
    proprio_size = 9
    goal_size = 3

    def __init__(self, variety: Variety = "train") -> None:
        super().__init__(variety)
        self.things = catalogue(variety)
        self.present: tuple[Thing, ...] = self.things[:IN_BIN]
        self.recolor = 0.0
        """Share of the objects, from 0 to 1, that get another colour in every episode (`envs.things.sample_rgb`)."""
        self._heights: dict[str, float] = {}

    @property
    def target(self) -> Thing:
        """The object to lift in this episode."""
        return self.present[0]

    def build(self, sim: Sim) -> None:
        """Add the bin and all objects of the variety."""
        add_tray(sim, TABLE)
        for thing in self.things:
            mesh = thing.mesh()
            self._heights[thing.name] = float(np.ptp(mesh.vertices[:, 2]))
            sim.add(thing.name, [Shape("hull", points=np.unique(mesh.vertices, axis=0))], OBJECT, mesh)

    def reset(self, sim: Sim, robot: Panda, rng: np.random.Generator) -> dict[str, Color]:
        """Five objects in the bin at any angle, the hand above them, open; the first of the five is the target."""
        chosen = rng.permutation(len(self.things))
        self.present = tuple(self.things[i] for i in chosen[:IN_BIN])
        for place, i in enumerate(chosen[IN_BIN:]):
            sim.place(self.things[i].name, (AWAY_M[0] + place, *AWAY_M[1:]))
        for thing, xy in zip(self.present, _spread(rng), strict=True):
            yaw = rng.uniform(-np.pi, np.pi)
            turn = (0.0, 0.0, float(np.sin(yaw / 2)), float(np.cos(yaw / 2)))
            sim.place(thing.name, (*xy, self._heights[thing.name] / 2), turn)
        robot.reset((*sample_xy(rng, OBJECT_HALF_M), rng.uniform(*START_Z_M)), rng.uniform(-np.pi / 2, np.pi / 2))
        if not self.recolor:
            return {thing.name: thing.rgb for thing in self.present}
        return {t.name: sample_rgb(rng) if rng.random() < self.recolor else t.rgb for t in self.present}

    def sample_goal(self, rng: np.random.Generator, state: np.ndarray) -> np.ndarray:
        """The point 15 cm above the floor over where the target is now."""
        return np.array([*state[9:11], LIFTED_Z_M])

    def show_goal(self, sim: Sim, robot: Panda, rng: np.random.Generator, goal: np.ndarray) -> None:
        """The target in the air at the goal, the open gripper around it; the other objects as they are."""
        robot.reset(goal, self.state(sim, robot)[12])
        sim.place(self.target.name, goal.tolist(), sim.pose(self.target.name)[1].tolist())

    def act(self, robot: Panda, action: np.ndarray) -> None:
        """Move the tip by ``action[:3]`` x 4 cm, turn by ``action[3]`` x 0.5 rad; ``action[4]``: -1 closed, 1 open."""
        tip = np.clip(robot.tip()[0] + STEP_M * action[:3], LOW_M, HIGH_M)
        yaw = np.clip(robot.yaw() + STEP_RAD * action[3], -YAW_MAX_RAD, YAW_MAX_RAD)
        robot.move(tip, yaw, (action[4] + 1) / 2)

    def state(self, sim: Sim, robot: Panda) -> np.ndarray:
        """The gripper, then the five objects, the target first."""
        tip, velocity = robot.tip()
        hand = [*tip, robot.yaw(), *velocity, robot.opening(), robot.opening_rate()]
        return np.concatenate([hand, *(_place(sim, thing) for thing in self.present)])

    def achieved_goal(self, state: np.ndarray) -> np.ndarray:
        """The target's position."""
        return state[..., 9:12]

    def attributes(self, states: np.ndarray) -> Attributes:
        """Whether the target is between the fingers, whether it is lifted, its quarter of the bin; where the hand is
        heading.
        """
        target = states[:, 9:12]
        held = np.linalg.norm(states[:, :3] - target, axis=1) < HELD_M
        lifted = target[:, 2] > SIZE_M
        static = {"contact": held.astype(int), "lifted": lifted.astype(int), "side": quadrant(target)}
        return Attributes(static, {"heading": heading(states[:, 4:7])})

    def expert(self, state: np.ndarray, desired_goal: np.ndarray) -> np.ndarray:
        """Go above the target, turn to its narrow side, go down, close, lift."""
        hand = Hand(state[:3], state[3], state[7], state[8])
        tip, turn, opening = grip_and_lift(hand, state[9:12], state[12], desired_goal, LOW_M[2])
        step = np.concatenate([(tip - hand.tip_m) / STEP_M, [_within(hand.yaw_rad, turn) / STEP_RAD, 2 * opening - 1]])
        return np.clip(step, -1, 1)


def _spread(rng: np.random.Generator) -> list[np.ndarray]:
    """Five positions (2,) in the bin that keep their distance: random ones for which the earlier ones leave room."""
    while True:  # rarely, the first few leave no room for a fifth
        chosen: list[np.ndarray] = []
        for xy in CENTER_M + rng.uniform(-OBJECT_HALF_M, OBJECT_HALF_M, (40, 2)):
            if all(math.dist(xy, other) > SPACING_M for other in chosen):
                chosen.append(xy)
            if len(chosen) == IN_BIN:
                return chosen


def _place(sim: Sim, thing: Thing) -> np.ndarray:
    """Position and gripping angle (4,)."""
    position, (x, y, z, w) = sim.pose(thing.name)
    yaw = np.arctan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z)) + thing.grip_rad
    return np.append(position, (yaw + np.pi / 2) % np.pi - np.pi / 2)


def _within(yaw_rad: float, turn_rad: float) -> float:
    """The turn, or the other way round where it would leave the range of the wrist."""
    if abs(yaw_rad + turn_rad) <= YAW_MAX_RAD:
        return turn_rad
    return turn_rad - np.sign(turn_rad) * np.pi

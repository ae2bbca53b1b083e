"""Push an object of another shape and colour in every episode, with shapes and colours that training never sees."""

from __future__ import annotations

import itertools

import numpy as np

from envs.attributes import Attributes, pushing
from envs.palette import sample_color
from envs.panda import PUSHER_RADIUS_M, Panda
from envs.planar import STEP_M, move_in_plane, planar_state, sample_goal, sample_hand, sample_start, tray_box_m
from envs.pushing import push_towards
from envs.shapes import shape
from envs.sim import Physical, Shape, Sim
from envs.tasks.base import Task, Variety
from envs.tray import TIP_HEIGHT_M, add_tray

SIZE_M = 0.085
RADIUS_M = 0.045  # of a circle round any of them, but for 3 mm of the slab's and the half cylinder's corners
SHAPES = {
    "fixed": ("disc",),
    "train": ("disc", "slab", "hexagon", "cylinder"),
    "heldout": ("triangle", "half_cylinder"),
}
BOXES = {"slab": 1, "triangle": 6, "half_cylinder": 6}  # for contacts, side by side: hulls are squeezed into walls
# low, and with less friction than the puck: else they tip over, and round ones roll out of the tray
HEIGHT_M = 0.03
OBJECT = Physical(mass_kg=0.1, friction=1.0, spinning_friction=0.002)
PARKED_M = 3.0  # where the shapes wait that are not in this episode


class PushVaried(Task):
    """As Push, but the object changes: ``variety`` is the set its shape and colour are drawn from."""

    action_names = ("x", "y")
    state_names = ("hand_x", "hand_y", "hand_vx", "hand_vy", "object_x", "object_y", "object_vx", "object_vy")
    proprio_size = 4
    goal_size = 2

    def __init__(self, variety: Variety = "train") -> None:
        super().__init__(variety)
        self._present = SHAPES[variety][0]

    def build(self, sim: Sim) -> None:
        """Add the tray and one object of every shape."""
        add_tray(sim, closed=True)
        self._heights = {}
        for name in SHAPES[self.variety]:
            mesh = shape(name, SIZE_M)
            self._heights[name] = min(HEIGHT_M, float(np.ptp(mesh.vertices[:, 2])))
            mesh.vertices[:, 2] *= self._heights[name] / np.ptp(mesh.vertices[:, 2])
            sim.add(name, _contact_shapes(name, mesh.vertices), OBJECT, mesh)

    def reset(self, sim: Sim, robot: Panda, rng: np.random.Generator) -> dict[str, tuple[float, float, float]]:
        """One object anywhere in the tray at any angle, the others out of sight."""
        for i, (name, height) in enumerate(self._heights.items()):
            sim.place(name, (-PARKED_M, i, height / 2))
        self._present = str(rng.choice(SHAPES[self.variety]))
        position, hand = sample_start(rng, RADIUS_M + PUSHER_RADIUS_M)
        yaw = rng.uniform(-np.pi, np.pi)
        robot.reset((*hand, TIP_HEIGHT_M))
        self._put(sim, position, yaw)
        return {self._present: sample_color(rng, self.variety)}

    def sample_goal(self, rng: np.random.Generator, state: np.ndarray) -> np.ndarray:
        """A position of the object anywhere within reach, at least 8 cm away."""
        return sample_goal(rng, state[4:6])

    @property
    def goal_box_m(self) -> tuple[np.ndarray, np.ndarray]:
        """The tray."""
        return tray_box_m()

    def show_goal(self, sim: Sim, robot: Panda, rng: np.random.Generator, goal: np.ndarray) -> None:
        """This episode's object at the goal, at any angle, the pusher anywhere that does not touch it."""
        robot.reset((*sample_hand(rng, goal, RADIUS_M + PUSHER_RADIUS_M), TIP_HEIGHT_M))
        self._put(sim, goal, rng.uniform(-np.pi, np.pi))

    def act(self, robot: Panda, action: np.ndarray) -> None:
        """Move the tip by ``action`` (2,) times 4 cm at constant height."""
        move_in_plane(robot, action)

    def state(self, sim: Sim, robot: Panda) -> np.ndarray:
        """Hand and object: positions and velocities in the plane."""
        return planar_state(sim, robot, self._present)

    def achieved_goal(self, state: np.ndarray) -> np.ndarray:
        """The object's position."""
        return state[..., 4:6]

    def attributes(self, states: np.ndarray) -> Attributes:
        """The object's quarter of the tray; whether it moves, and where the hand is heading."""
        return pushing(states)

    def expert(self, state: np.ndarray, desired_goal: np.ndarray) -> np.ndarray:
        """Walk round the object to the side away from the goal, then push through its centre."""
        return push_towards(state[0:2], state[4:6], desired_goal, RADIUS_M + PUSHER_RADIUS_M, STEP_M)

    def _put(self, sim: Sim, position: np.ndarray, yaw_rad: float) -> None:
        turn = (0.0, 0.0, float(np.sin(yaw_rad / 2)), float(np.cos(yaw_rad / 2)))
        sim.place(self._present, (*position, self._heights[self._present] / 2), turn)


def _contact_shapes(name: str, vertices: np.ndarray) -> list[Shape]:
    """Return what touches of a prism with vertices (n, 3): their hull, or boxes side by side along x."""
    if name not in BOXES:
        return [Shape("hull", points=np.unique(vertices, axis=0))]
    ends = np.linspace(vertices[:, 0].min(), vertices[:, 0].max(), BOXES[name] + 1)
    return [_box(vertices, left, right) for left, right in itertools.pairwise(ends)]


def _box(vertices: np.ndarray, left: float, right: float) -> Shape:
    """Return a box from one x to another, in y as wide as the vertices' hull halfway between, in z as high."""
    middle = (left + right) / 2
    before, behind = vertices[vertices[:, 0] <= middle], vertices[vertices[:, 0] > middle]
    share = (middle - before[:, None, 0]) / (behind[:, 0] - before[:, None, 0])
    across = before[:, None, 1] + share * (behind[:, 1] - before[:, None, 1])  # where each two points' line is there
    low, high = float(across.min()), float(across.max())
    half = (right - left) / 2, (high - low) / 2, float(np.ptp(vertices[:, 2])) / 2
    return Shape("box", half, (middle, (low + high) / 2, 0.0))

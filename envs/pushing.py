"""The scripted pusher: where to touch a round object, how to get there, and the push itself."""

from __future__ import annotations

import numpy as np

from envs.tray import CENTER_M, TIP_HALF_M

ANGLES = 72
ARC_COST = 0.35  # a radian of walking round costs as much as this much misalignment: keeps the choice of side stable
DONE_M = 0.008
CLEAR_M = 0.012  # walk round this much outside contact


def push_towards(hand: np.ndarray, puck: np.ndarray, goal: np.ndarray, contact_m: float, step_m: float) -> np.ndarray:
    """Action (2,) in [-1, 1] that brings the object at ``puck`` nearer to ``goal``; zero when it is there.

    All positions (2,) in m; ``contact_m`` is the distance between the centres at contact. Without memory: of the
    contact points that the walls leave free, take the one that trades alignment with the goal against the walk to it;
    walk there; push.
    """
    to_goal = goal - puck
    distance = float(np.linalg.norm(to_goal))
    if distance < DONE_M:
        return np.zeros(2)
    offset = hand - puck
    radius = float(np.linalg.norm(offset))
    turn = _walk(puck, np.arctan2(offset[1], offset[0]), np.arctan2(-to_goal[1], -to_goal[0]), contact_m)
    if abs(turn) < 0.2 and radius < contact_m + 0.02:
        normal = -offset / radius
        side = to_goal / distance - (to_goal / distance @ normal) * normal  # length: sine of the misalignment
        push = min(0.6 * distance + 0.003, step_m) * max(0.3, 1 - 1.5 * float(np.linalg.norm(side)))
        step = normal * (push + radius - contact_m) - contact_m * side  # stay behind: a round object slips off sideways
    else:
        angle = np.arctan2(offset[1], offset[0]) + np.clip(turn, -0.6, 0.6)
        clear = contact_m + (CLEAR_M if abs(turn) >= 0.2 else 0.0)
        step = puck + clear * np.array([np.cos(angle), np.sin(angle)]) - hand
    return np.clip(step / step_m, -1, 1)


def _walk(puck: np.ndarray, start_rad: float, behind_rad: float, contact_m: float) -> float:
    """Signed angle to walk round the object from ``start_rad`` to the best free contact point."""
    turns = np.linspace(0, 2 * np.pi, ANGLES, endpoint=False)
    best, best_cost = 0.0, np.inf
    for direction in (1, -1):
        angles = start_rad + direction * turns
        points = puck + (contact_m + 0.002) * np.stack([np.cos(angles), np.sin(angles)], axis=1)
        free = np.abs(points - CENTER_M).max(axis=1) <= TIP_HALF_M
        blocked = np.cumsum(~free[1:]) if free[0] else np.cumsum(~free[1:] & np.maximum.accumulate(free[1:]))
        misaligned = np.abs((angles - behind_rad + np.pi) % (2 * np.pi) - np.pi)
        cost = misaligned + ARC_COST * turns + np.where(free, 0, np.inf)
        cost[1:] += np.where(blocked > 0, np.inf, 0)
        at = int(np.argmin(cost))
        if cost[at] < best_cost:
            best, best_cost = direction * turns[at], cost[at]
    return float(best)

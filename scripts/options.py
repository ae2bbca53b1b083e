"""Say what can be chosen by name, and of one choice its options, or a world's actions, state and goals.

python scripts/options.py
python scripts/options.py tcn jigsaw push
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass

import tyro

from _cli import main


@dataclass(frozen=True)
class Asked:
    """Nothing: all names."""

    names: tyro.conf.Positional[tuple[str, ...]] = ()
    """Embeddings, pretext tasks, backbones, rewards, worlds."""


def described(asked: Asked) -> str:
    """Return the names by kind, or what each of those asked for takes. Raises InputError for an unknown one."""
    from envs.tasks import TASKS
    from sslctrl.embeddings import EMBEDDINGS
    from sslctrl.errors import InputError, nearest
    from sslctrl.rewards import REWARDS
    from vision.backbones import BACKBONES
    from vision.image import IMAGE_TASKS
    from vision.video import VIDEO_TASKS

    kinds = {
        "embedding": EMBEDDINGS, "image task": IMAGE_TASKS, "video task": VIDEO_TASKS, "backbone": BACKBONES,
        "reward": REWARDS, "world": TASKS,
    }  # fmt: skip
    if not asked.names:
        return "\n".join(f"{kind + 's':12} {', '.join(registry.names())}" for kind, registry in kinds.items())
    parts = []
    for name in asked.names:
        found = [(kind, registry.get(name)) for kind, registry in kinds.items() if name in registry.names()]
        if not found:
            known = [other for registry in kinds.values() for other in registry.names()]
            raise InputError(f"there is no {name!r}; the nearest are {nearest(name, known)}; ask for one of these")
        parts += [_world(name, cls) if kind == "world" else _options(f"{kind} {name}", cls) for kind, cls in found]
    return "\n\n".join(parts)


def _options(title: str, cls: type) -> str:
    from sslctrl.options import asked_by

    lines = [f"  {key} = {default!r}, {kind}" for key, (kind, default) in asked_by(cls, ("backbone",)).items()]
    lines = lines or ["  no options"]
    return "\n".join([title, *lines, "", inspect.getdoc(cls) or ""])


def _world(name: str, cls: type) -> str:
    task = cls()
    known = len(task.state_names)
    return "\n".join(
        [
            f"world sslctrl/{name.title().replace('_', '')}-v0: {inspect.getdoc(cls)}",
            f"  actions  {', '.join(task.action_names)}, each -1 to 1. {inspect.getdoc(cls.act)}",
            f"  state    {', '.join(f'{index} {column}' for index, column in enumerate(task.state_names))}",
            f"           m, m/s, rad; the first {task.proprio_size} of {known} are the proprioception",
            f"  goal     {task.goal_size} numbers in m. {inspect.getdoc(cls.achieved_goal)}",
            f"  drawn    {inspect.getdoc(cls.sample_goal)}",
            f"  success  within {task.success_m} m",
        ]
    )


if __name__ == "__main__":
    main(Asked, described)

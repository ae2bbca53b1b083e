"""Options that cannot be, and the world that is taken where none is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from agents_toys import one_line, tiny

from agents.config import EvaluateConfig
from agents.evaluate import evaluate
from agents.train import train_agent
from agents.worlds import maker
from envs.env import world_of
from sslctrl.errors import InputError


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"algorithm": "sca"}, "the nearest are sac,"),
        ({"reward_from": "pixel"}, "the nearest are pixels,"),
        ({"embedding": None}, "need an embedding"),
        ({"demonstration": None}, "needs a demonstration"),
        ({"demonstration": None, "reward_from": "pixels"}, "pixels needs a demonstration"),
        ({"her": True, "algorithm": "ppo"}, "allowed are sac, td3, tqc"),
        ({"gamma": 1.0}, "gamma"),
        ({"n_envs": 0}, "n_envs is 0; allowed is 1 or more"),
        ({"reward_from": "state", "reward": "huber"}, "the true distance has one goal"),
        ({"reward_from": "state", "goal_from": "steps"}, "the true distance has one goal"),
        ({"reward_from": "state", "reward_options": {"alpha": 3}}, "the true distance has none"),
        ({"observe": "pixels"}, "observe is 'pixels'; the nearest are state,"),
        ({"variety": "trian"}, "the nearest are train,"),
        ({"device": "gpu"}, "device is 'gpu'"),
        ({"relabel_future": 0.3}, "only her relabels goals"),
        ({"record": Path("kept"), "prior": Path("kept")}, "record and prior are both kept"),
        ({"record": Path("kept"), "prior": Path("kept").absolute()}, "record and prior are both kept"),
    ],
)
def test_options_that_cannot_be_are_one_line(
    changes: dict[str, Any], says: str, recorded: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as error:
        tiny(recorded, tmp_path, **changes)
    assert says in one_line(error, 2)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"env_id": "sslctrl/Psh-v0"}, "the nearest are sslctrl/Push-v0"),
        ({"demo_camera": "lft"}, "the nearest are left"),
        (
            {"demonstration": None, "reward_from": "state", "her": True, "demo_camera": "front"},
            "demo_camera is 'front', and there is no demonstration",
        ),
        ({"reward": "hubert"}, "the nearest are huber"),
        ({"prior": None, "steps": 90}, "warmup takes 100"),
        ({"prior": None, "steps": 101, "n_envs": 16}, "warmup takes 112"),
        ({"processes": True, "camera": "frnt"}, "frnt"),
        ({"n_envs": 199}, "120 control steps, and n_envs is 199"),
    ],
)
def test_names_that_are_not_there_are_one_line(
    changes: dict[str, Any], says: str, recorded: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as error:
        train_agent(tiny(recorded, tmp_path / "run", **changes))
    assert says in one_line(error, 2)


@pytest.mark.parametrize(
    ("world", "asked", "variety"),
    [("Push", "", "fixed"), ("PushVaried", "", "train"), ("PushVaried", "heldout", "heldout"), ("Grasp", "", "train")],
)
def test_a_world_has_its_own_variety_where_none_is_asked_for(
    world: str, asked: str, variety: str, tmp_path: Path
) -> None:
    env = maker(f"sslctrl/{world}-v0", asked, None, None, None)()
    assert world_of(env).task.variety == variety
    env.close()
    out = EvaluateConfig(
        tmp_path,
        policies=("do_nothing",),
        env_id=f"sslctrl/{world}-v0",
        variety=asked,
        episodes=1,  # type: ignore
    )
    assert evaluate(out)["variety"] == variety

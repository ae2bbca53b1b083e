"""Every name is listed, and every choice says what it takes."""

from __future__ import annotations

import pytest

from scripts.options import Asked, described
from sslctrl.embeddings import EMBEDDINGS
from sslctrl.errors import InputError
from sslctrl.options import asked_by
from sslctrl.rewards import REWARDS
from vision.backbones import BACKBONES
from vision.image import IMAGE_TASKS
from vision.video import VIDEO_TASKS


def test_everything_that_is_listed_says_what_it_takes() -> None:
    listed = [name for line in described(Asked()).splitlines() for name in line[12:].replace(",", "").split()]
    assert {"tcn", "jigsaw", "arrow_of_time", "resnet", "huber", "push"} <= set(listed) and len(listed) > 30
    for name in listed:
        said = described(Asked((name,)))
        for registry in (EMBEDDINGS, IMAGE_TASKS, VIDEO_TASKS, BACKBONES, REWARDS):
            takes = asked_by(registry.get(name), ("backbone",)) if name in registry.names() else ()
            assert all(f"  {option} = " in said for option in takes), name
    tcn = described(Asked(("tcn",)))
    assert "  dim = 32, int\n" in tcn and "  loss = 'npairs', Literal['npairs', 'triplet']\n" in tcn
    assert "backbone =" not in tcn and "different cameras' frames" in tcn.lower()
    push = described(Asked(("push",)))
    assert "sslctrl/Push-v0" in push and "4 puck_x" in push and "first 4 of 8" in push and "within 0.05 m" in push


def test_an_unknown_name_is_one_line() -> None:
    with pytest.raises(InputError, match="there is no 'tcnn'; the nearest are tcn, "):
        described(Asked(("tcnn",)))

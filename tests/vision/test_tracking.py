from __future__ import annotations

import numpy as np
import pytest
import torch
from films import net

from sslctrl.errors import InputError
from sslctrl.losses.triplet import semihard_triplet
from sslctrl.store import EpisodeStore
from vision.video.facenet_triplet import FacenetTriplet
from vision.video.tracking import Ends, Tracking, negatives


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def question(count: int, seed: int = 0) -> Ends:
    patches = torch.rand(count, 2, 3, 16, 16, generator=rng(seed))
    return Ends(patches, torch.rand(count, count, generator=rng(seed + 1)))


@pytest.mark.parametrize("learned", [0, 5])
def test_loss_is_the_naive_loop(learned: int) -> None:
    task = Tracking(net(), easy=5).eval()
    task.learned += learned
    asked = question(8)
    z = task.things.embedded(task.backbone, asked.patches).detach().numpy()
    costs = []
    for i in range(8):
        of = {j: max(0.0, float(z[i, 0] @ z[j, 1] - z[i, 0] @ z[i, 1]) + 0.5) for j in range(8) if j != i}
        draw = {j: float(asked.draws[i, j]) for j in of}
        if learned < 5:
            chosen = sorted(of, key=draw.__getitem__)[:4]
        else:
            hard = sorted(of, key=of.__getitem__)[-4:]
            rest = [j for j in of if j not in hard]
            chosen = sorted(hard, key=draw.__getitem__)[:2] + sorted(rest, key=draw.__getitem__)[:2]
        costs += [of[j] for j in chosen]
    assert task.judge(asked).value.item() == pytest.approx(np.mean(costs), rel=1e-4)


@pytest.mark.parametrize("count", [2, 3, 5, 6])
def test_few_tracks_have_fewer_negatives_and_none_is_itself(count: int) -> None:
    cost, draws = torch.rand(2, count, count, generator=rng()).unbind()
    for hard in (False, True):
        used = negatives(cost, draws, hard)
        assert not used.diagonal().any() and used.any(1).all() and used.sum(1).max() <= 4


def test_batches_are_counted_in_training_alone() -> None:
    task = Tracking(net())
    task.judge(question(3))
    task.eval().judge(question(3))
    assert task.learned == 1


def test_collapsed_vectors_cost_the_margin() -> None:
    same = question(6)._replace(patches=torch.zeros(6, 2, 3, 16, 16))
    assert Tracking(net(), margin=0.4).eval().judge(same).value.item() == pytest.approx(0.4, abs=1e-5)


def test_first_and_last_frames_of_tracks(tiny_store: EpisodeStore) -> None:
    task = Tracking(net(), frames=8)
    task.prepare(tiny_store)
    tracks = task.things.tracks(tiny_store.layout)
    with pytest.raises(InputError, match="call the task's prepare"):
        task.things.tracks(tiny_store.subset(tiny_store.ids[1:]).layout)
    pick = task.pick(tiny_store.layout, np.random.default_rng(0))
    assert pick.label is not None
    for episode, view, (first, last), corner in zip(
        pick.episode, pick.view[:, 0], pick.step[:, 0], pick.label, strict=True
    ):
        at = (tracks.episode == episode) & (tracks.view == view) & (tracks.start == first)
        at &= (tracks.corner[:, 0] == corner[0]).all(1)
        assert at.sum() == 1 and last == first + tracks.length[at][0] - 1
        assert (tracks.corner[at][0, tracks.length[at][0] - 1] == corner[1]).all()


def test_facenet_s_loss_is_the_semi_hard_one_of_two_different_moments(tiny_store: EpisodeStore) -> None:
    task = FacenetTriplet(net(), frames=8, margin=0.4).eval()
    task.prepare(tiny_store)
    seen = set()
    for seed in range(20):
        pick = task.pick(tiny_store.layout, np.random.default_rng(seed))
        assert (pick.step[:, 0, 0] != pick.step[:, 0, 1]).all()
        seen |= set(np.sign(pick.step[:, 0, 0] - pick.step[:, 0, 1]).tolist())
    assert seen == {-1, 1}
    clips = tiny_store.clips(pick)
    asked = task.ask(clips, rng())
    first, second = task.things.embedded(task.backbone, asked.patches).unbind(1)
    assert task.loss(clips, rng()).value == semihard_triplet(first, second, 0.4)
    torch.testing.assert_close(first.norm(dim=1), torch.ones(len(first)))


@pytest.mark.parametrize(
    ("task", "options"),
    [
        (Tracking, {"frames": 4}), (Tracking, {"side": 1.0}), (Tracking, {"dim": 0}), (Tracking, {"margin": 0.0}),
        (Tracking, {"easy": -1}), (Tracking, {"batch": 1}), (FacenetTriplet, {"margin": 0.0}),
        (FacenetTriplet, {"side": 0.0}),
    ],
)  # fmt: skip
def test_bad_options_are_refused(task, options: dict) -> None:
    with pytest.raises(InputError, match=f"{next(iter(options))} is|{next(iter(options))} "):
        task(net(), **options)

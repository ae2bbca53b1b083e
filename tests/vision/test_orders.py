"""The tasks about the order of time: labels against their inverse, what leaks and what must not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from films import grainy, metric_after, net, sliding, store_of, texture

from sslctrl.errors import InputError
from sslctrl.store import EpisodeStore
from vision.video import odd_one_out
from vision.video.arrow_of_time import ArrowOfTime, stripped
from vision.video.odd_one_out import OddOneOut
from vision.video.shuffle_and_learn import ShuffleAndLearn
from vision.video_task import VideoTask


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def numbered(root: Path, count: int = 3, length: int = 40) -> EpisodeStore:
    """Return a store whose frames' brightness is their number."""
    return store_of(root, [np.tile(np.arange(length, dtype=np.uint8)[:, None, None, None], (1, 12, 12, 3))] * count)


def glide(seed: int, steps: int = 20) -> np.ndarray:
    """Return a film of a square that crosses the picture at a speed of its own, one way or the other."""
    generator = np.random.default_rng([3, seed])
    speed, row = generator.uniform(0.35, 0.45) * generator.choice([-1, 1]), generator.integers(2, 8)
    column = 5 + speed * (np.arange(steps) - steps / 2)
    return sliding(generator, np.stack([np.full(steps, row), column.round().astype(int)], axis=1), 16, 6)


def asked(task: VideoTask, store: EpisodeStore, seed: int = 0):
    task.prepare(store)
    pick = task.pick(store.layout, np.random.default_rng(seed))
    return pick, task.ask(store.clips(pick), rng())


def test_shuffled_frames_are_ordered_as_their_questions_say(tmp_path: Path) -> None:
    task = ShuffleAndLearn(net(), batch=200, reach=6, gap=2)
    pick, _ = asked(task, numbered(tmp_path))
    a, b, c, d, e = np.where(pick.label[:, None] == 1, pick.step[:, 0, ::-1], pick.step[:, 0]).T
    assert (b - a == 2).all() and (d - b == 6).all() and (e - d == 2).all() and (b < c).all() and (c < d).all()
    assert set((c - b).tolist()) == {1, 2, 3, 4, 5} and 0.35 < pick.label.mean() < 0.65
    assert pick.step.min() >= 0 and pick.step.max() < 40


def test_only_the_valid_question_has_its_middle_in_the_middle(tmp_path: Path) -> None:
    task = ShuffleAndLearn(net(), reach=6, gap=2)
    seen = {}
    task.head.register_forward_pre_hook(lambda _, given: seen.update(given=given[0]))
    task.head.each = torch.nn.Flatten()
    task.head.together = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.LazyLinear(2))
    task.backbone = torch.nn.Identity()
    _, question = asked(task, numbered(tmp_path))
    task.judge(question)
    first, middle, last = (255 * seen["given"][..., 0]).round().unflatten(0, (-1, 3)).unbind(2)
    between = (middle > torch.minimum(first, last)) & (middle < torch.maximum(first, last))
    assert (between == torch.tensor([True, False, False])).all()


def test_shuffle_and_learn_weighs_as_if_a_quarter_were_valid(tmp_path: Path) -> None:
    task = ShuffleAndLearn(net()).eval()
    _, question = asked(task, numbered(tmp_path))
    task.head.together[-1].weight.data.zero_()
    task.head.together[-1].bias.data = torch.log(torch.tensor([0.75, 0.25]))
    prior = task.judge(question)
    assert prior.value.item() == pytest.approx(-(0.75 * np.log(0.75) + 0.25 * np.log(0.25)), rel=1e-5)
    for bias in ([0.9, 0.1], [0.5, 0.5]):  # no other constant answer costs less, and none is better than chance
        task.head.together[-1].bias.data = torch.log(torch.tensor(bias))
        constant = task.judge(question)
        assert constant.value > prior.value and constant.metrics["balanced"] == 0.5


def test_the_odd_clip_is_out_of_order_and_no_other(tmp_path: Path) -> None:
    task = OddOneOut(net(), batch=100, every=2, within=20)
    pick, _ = asked(task, numbered(tmp_path))
    steps = pick.step.reshape(100, 6, 6)
    ordered = (np.diff(steps, axis=2) == 2).all(2)
    assert (ordered.argmin(1) == pick.label).all() and (ordered.sum(1) == 5).all()
    assert (np.diff(np.sort(steps, axis=2), axis=2) == 2).all()  # put in order, it is a clip as any other
    assert (np.ptp(steps, axis=(1, 2)) < 20).all() and set(pick.label.tolist()) == set(range(6))


def test_a_short_episode_does_not_make_all_clips_begin_at_one_frame(tmp_path: Path) -> None:
    store = store_of(tmp_path, [np.zeros((length, 12, 12, 3), np.uint8) for length in (20, 6, 23)])
    task = OddOneOut(net(), batch=50)
    task.prepare(store)
    pick = task.pick(store.layout, np.random.default_rng(0))
    firsts = np.sort(pick.step.reshape(50, 6, 6).min(2), axis=1)
    assert set(pick.episode) == {0, 2} and np.ptp(firsts, axis=1).max() == 14
    apart = np.abs(firsts[:, :, None] - firsts[:, None]) + 99 * np.eye(6, dtype=int)
    assert not np.isin(apart, (0, 2)).any()  # of those, some stacks of differences would be the same
    with pytest.raises(InputError, match="within is 24, every 5; allowed is within=35 or more"):
        OddOneOut(net(), every=5)


@pytest.mark.parametrize("every", [1, 2, 3, 4])
def test_clips_of_the_shortest_stretch_share_no_stack(every: int) -> None:
    starts = odd_one_out.apart(10, 2 * every, np.random.default_rng(0))
    assert len(set(starts)) == 6 and not {int(start) + 2 * every for start in starts} & set(starts.tolist())


def test_a_shuffle_is_neither_the_order_nor_its_reversal() -> None:
    class Stubborn:
        orders = iter([np.arange(6), np.arange(6)[::-1], np.array([1, 0, 2, 3, 4, 5])])

        def permutation(self, count: int) -> np.ndarray:
            return next(self.orders)

    np.testing.assert_array_equal(odd_one_out.shuffle(Stubborn()), [1, 0, 2, 3, 4, 5])  # pyright: ignore[reportArgumentType]


def test_the_net_sees_the_differences_of_successive_frames(tmp_path: Path) -> None:
    pick, question = asked(OddOneOut(net(), batch=4), numbered(tmp_path))
    jumps = np.diff(pick.step.reshape(4, 6, 6), axis=2)
    wanted = 0.5 + 0.5 * jumps[:, :, [0, 1, 2, 2, 3, 4]].reshape(4, 12, 3) / 255
    np.testing.assert_allclose(question.changes[..., 5, 5].numpy(), wanted, atol=1e-6)


def test_backwards_is_forwards_turned_round(tmp_path: Path) -> None:
    task = ArrowOfTime(net(), batch=8, groups=2, every=3)
    pick, question = asked(task, numbered(tmp_path))
    forwards, backwards = np.split(pick.step[:, 0], 2)
    np.testing.assert_array_equal(backwards, forwards[:, ::-1])
    assert (np.diff(forwards) == 3).all() and pick.label.tolist() == [0] * 4 + [1] * 4
    assert torch.equal(question.groups[4:].flatten(1, 2), question.groups[:4].flatten(1, 2).flip(1))


def test_half_of_the_clips_are_mirrored_left_to_right_with_all_their_frames(tmp_path: Path) -> None:
    store = store_of(tmp_path, [glide(seed) for seed in range(3)])
    task, plain = ArrowOfTime(net(), batch=40, strip=False), ArrowOfTime(net(), batch=40, strip=False, mirror=False)
    pick, mirrored = asked(task, store)
    groups = plain.ask(store.clips(pick), rng()).groups
    turned = (mirrored.groups == groups.flip(-1)).flatten(1).all(1)
    assert ((mirrored.groups == groups).flatten(1).all(1) ^ turned).all() and 10 < turned.sum() < 30


def test_clips_are_stripped_where_that_is_asked_for(tmp_path: Path) -> None:
    films = [glide(seed) for seed in range(3)]
    for film in films:
        film[:, :4] = 0
    store = store_of(tmp_path, films)
    cut, whole = (ArrowOfTime(net(), batch=4, strip=strip, mirror=False) for strip in (True, False))
    pick, question = asked(cut, store)
    assert question.groups[..., 0, :].amax() > 0.1
    assert whole.ask(store.clips(pick), rng()).groups[..., 0, :].amax() < 0.05


def test_black_borders_are_stripped_to_the_last_row() -> None:
    grey = torch.zeros(2, 3, 20, 16)
    grey[0, :, 3:15, 2:14] = torch.rand(3, 12, 12, generator=rng()) * 0.9 + 0.1
    grey[1] = torch.rand(3, 20, 16, generator=rng(1))
    dim = grey + 0.05 * (grey == 0)
    cut = stripped(dim)
    assert torch.equal(cut[1], dim[1]) and cut[0].min() >= 0.1  # nothing of the border is mixed in
    inside = torch.nn.functional.interpolate(grey[:1, :, 3:15, 2:14], size=(20, 16), mode="bilinear")
    torch.testing.assert_close(cut[:1], inside, atol=1e-4, rtol=1e-3)
    dark = torch.full((1, 2, 8, 8), 0.01)
    assert torch.equal(stripped(dark), dark)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "metric", "chance"),
    [(ShuffleAndLearn, "balanced", 1 / 2), (OddOneOut, "accuracy", 1 / 6), (ArrowOfTime, "accuracy", 1 / 2)],
)
def test_still_films_stay_at_chance_and_moving_ones_do_not(tmp_path: Path, task, metric: str, chance: float) -> None:
    """Shuffle and learn is learned of squares that only go right, the arrow of such that only go down: what way is it,
    in a still?
    """

    def rightwards(seed: int) -> np.ndarray:
        generator = np.random.default_rng([3, seed])
        row, speed = generator.integers(2, 8), generator.uniform(0.35, 0.5)
        column = (speed * np.arange(20)).round().astype(int)
        place = np.stack([np.full(20, row), column], axis=1)
        return sliding(generator, place[:, ::-1] if task is ArrowOfTime else place, 16, 6)

    def after(films, name: str) -> float:
        return metric_after(task(net(), batch=16), films, tmp_path / name, 150, metric)

    assert after(grainy, "still") == pytest.approx(chance, abs=0.06)
    assert after(rightwards, "moving") > chance + 0.2


@pytest.mark.slow
def test_motion_that_runs_both_ways_stays_at_chance(tmp_path: Path) -> None:
    """As many squares go left as go right: the arrow of a clip cannot be told."""
    assert metric_after(ArrowOfTime(net(), batch=16), glide, tmp_path, 150) == pytest.approx(0.5, abs=0.07)


@pytest.mark.slow
def test_a_ramp_in_a_black_border_leaks_the_arrow_until_it_is_stripped(tmp_path: Path) -> None:
    def bordered(seed: int) -> np.ndarray:
        film = np.zeros((20, 24, 16, 3), np.uint8)
        generator = np.random.default_rng([4, seed])
        film[:, 4:20] = 40 + texture(generator, 16, 16) // 2
        film[:, :4] = film[:, 20:] = np.arange(20, dtype=np.uint8)[:, None, None, None] // 2
        return film

    assert metric_after(ArrowOfTime(net(), strip=False, batch=16), bordered, tmp_path / "leaks", 150) > 0.9
    held = metric_after(ArrowOfTime(net(), batch=16), bordered, tmp_path / "stripped", 150)
    assert held == pytest.approx(0.5, abs=0.03)


@pytest.mark.slow
def test_a_camera_that_pans_to_one_side_leaks_the_arrow_until_clips_are_mirrored(tmp_path: Path) -> None:
    def panned(seed: int) -> np.ndarray:
        ground = texture(np.random.default_rng([5, seed]), 16, 16 + 20)
        return np.stack([ground[:, step : step + 16] for step in range(20)])

    assert metric_after(ArrowOfTime(net(), mirror=False, batch=16), panned, tmp_path / "leaks", 150) > 0.9
    held = metric_after(ArrowOfTime(net(), batch=16), panned, tmp_path / "mirrored", 150)
    assert held == pytest.approx(0.5, abs=0.07)


def test_orders_are_shown_from_the_likeliest_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = ShuffleAndLearn(net(), batch=2, reach=6, gap=2).eval()
    store = numbered(tmp_path)
    pick, _ = asked(task, store)
    likely = torch.tensor([[0.0, 2.0, 1.0], [2.0, 1.0, 0.0]])
    monkeypatch.setattr(task, "logits", lambda frames: torch.stack([-likely, likely], dim=2))
    shown = (255 * task.show(store.clips(pick), rng())[:, :, 0, 0, 0]).round().long().T.tolist()
    for row, steps, ranks in zip(shown, pick.step[:, 0], ((1, 2, 0), (0, 1, 2)), strict=True):
        orders = [(1, 2, 3), (1, 0, 3), (1, 4, 3)]
        assert row == [steps[frame] for rank in ranks for frame in orders[rank]]


@pytest.mark.parametrize(
    ("task", "options"),
    [
        (ShuffleAndLearn, {"reach": 1}), (ShuffleAndLearn, {"gap": 0}), (OddOneOut, {"every": 0}),
        (OddOneOut, {"within": 0}), (ArrowOfTime, {"groups": 0}), (ArrowOfTime, {"every": 0}),
        (ArrowOfTime, {"width": 0}), (ArrowOfTime, {"batch": 1}),
    ],
)  # fmt: skip
def test_bad_options_are_refused(task, options: dict) -> None:
    (name,) = options
    with pytest.raises(InputError, match=f"{name}.* {options[name]}"):
        task(net(), **options)


def test_films_that_are_too_short_are_refused(tmp_path: Path) -> None:
    store = numbered(tmp_path, length=10)
    task = ArrowOfTime(net(), groups=4)
    task.prepare(store)
    with pytest.raises(InputError, match="the longest episode has 10 frames; allowed are 12 or more"):
        task.pick(store.layout, np.random.default_rng(0))

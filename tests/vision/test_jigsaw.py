from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from patch_noise import APART, TOUCHING, accuracy_after, lamp, net, rng, smooth, white

from sslctrl.errors import InputError
from vision.image.jigsaw import Jigsaw, normalized, permutation_set
from vision.patches import mosaic

PLAIN: dict[str, Any] = {"grey": 0.0, "normalize": False}
WHOLE: dict[str, Any] = {"patch": 1 / 3, "gap": 0.0, "jitter": 0.0}


@pytest.mark.parametrize(("count", "least"), [(24, 7), (64, 7), (100, 6)])
def test_permutations_differ_much(count, least) -> None:
    permutations = permutation_set(count)
    assert permutations.shape == (count, 9)
    assert torch.equal(permutations.sort(1).values, torch.arange(9).expand(count, -1))
    apart = (permutations[:, None] != permutations).sum(2)
    assert apart[~torch.eye(count, dtype=torch.bool)].min() == least
    assert torch.equal(permutations[:10], permutation_set(10))  # greedy: a larger set begins as a smaller one


def test_a_task_keeps_permutations_of_its_own() -> None:
    task = Jigsaw(net())
    task.permutations.zero_()
    assert permutation_set(24).any()


def test_the_permutation_undone_gives_the_image_bit_for_bit() -> None:
    images = white(0, 50, 24)
    task = Jigsaw(net(), **WHOLE, **PLAIN)
    tiles, orders = task.ask(images, rng())
    assert orders.unique().numel() > 15
    for image, shuffled, order in zip(images, tiles, orders, strict=True):
        back = torch.empty_like(shuffled)
        back[task.permutations[order]] = shuffled  # the tile at place k is the permutation's k-th
        rows = [torch.cat(list(row), dim=2) for row in back.view(3, 3, 3, 8, 8)]
        assert torch.equal(torch.cat(rows, dim=1), image)


def test_each_channel_of_each_tile_is_normalized_by_itself() -> None:
    tiles = torch.rand(4, 9, 3, 8, 8, generator=rng()) * 0.5 + torch.rand(4, 9, 3, 1, 1, generator=rng(1)) * 0.5
    tiles[0, 0, 0] = 0.7
    after = normalized(tiles)
    assert (after[0, 0, 0] == 0.5).all()  # flat, and finite
    for tile, shown in zip(tiles.flatten(0, 2)[1:], after.flatten(0, 2)[1:], strict=True):
        torch.testing.assert_close(shown, 0.5 + (tile - tile.mean()) / (tile.std() + 1 / 255) / 4)
    shown = Jigsaw(net()).ask(white(0), rng()).tiles
    assert shown.mean((3, 4)).sub(0.5).abs().max() < 1e-5
    assert shown.std((3, 4)).sub(0.25).abs().max() < 0.01


def test_a_share_of_images_is_grey_in_all_tiles() -> None:
    tiles = Jigsaw(net(), grey=0.3).ask(white(0, 600), rng()).tiles
    same = (tiles == tiles[:, :, :1]).flatten(2).all(2)
    assert torch.equal(same.any(1), same.all(1))
    assert same[:, 0].float().mean().item() == pytest.approx(0.3, abs=0.05)
    plain = Jigsaw(net(), **PLAIN, **WHOLE).ask(white(0, 1, 24), rng()).tiles
    grey = Jigsaw(net(), **WHOLE, grey=1, normalize=False).ask(white(0, 1, 24), rng()).tiles
    luma = plain * torch.tensor([0.299, 0.587, 0.114])[:, None, None]
    torch.testing.assert_close(grey, luma.sum(2, keepdim=True).expand_as(grey))


def test_the_loss_is_the_mean_over_puzzles() -> None:
    task = Jigsaw(net()).eval()
    question = task.ask(white(0, 5), rng())
    naive, right = 0.0, 0
    for tiles, order in zip(*question, strict=True):
        features = torch.cat([task.head.each(task.backbone(tile[None]))[0] for tile in tiles])
        logits = task.head.together(features)
        naive -= float(logits.log_softmax(0)[order].detach())
        right += bool(logits.argmax() == order)
    loss = task.judge(question)
    assert loss.value.item() == pytest.approx(naive / 5, rel=1e-4)
    assert loss.metrics["accuracy"].item() == pytest.approx(right / 5)


@pytest.mark.slow
@pytest.mark.parametrize(("options", "count"), [({}, 24), (TOUCHING | PLAIN, 2)])
def test_white_noise_stays_at_chance(options, count: int) -> None:
    def images(seed: int) -> torch.Tensor:
        return white(seed, 32)

    task = Jigsaw(net(), permutations=count, **options)
    assert accuracy_after(task, images, 250) == pytest.approx(1 / count, abs=0.03)


@pytest.mark.slow
def test_edges_leak_where_tiles_touch_and_not_across_a_gap() -> None:
    def accuracy(grid: dict[str, Any]) -> float:
        return accuracy_after(Jigsaw(net(), permutations=2, **grid, **PLAIN), lambda seed: smooth(seed, 32), 250)

    assert accuracy(TOUCHING) > 0.8
    assert accuracy(APART) == pytest.approx(1 / 2, abs=0.04)


def test_brightness_leaks_unless_each_tile_is_normalized() -> None:
    def accuracy(normalize: bool) -> float:
        return accuracy_after(Jigsaw(net(), grey=0, normalize=normalize), lambda seed: lamp(seed, 32), 50)

    assert accuracy(False) > 0.9
    assert accuracy(True) == pytest.approx(1 / 24, abs=0.03)


def test_learns_and_shows_puzzles_put_back() -> None:
    def images(seed: int) -> torch.Tensor:
        across = torch.linspace(0, 3.14, 48)
        wave = torch.stack([across[:, None].sin() * across, across[:, None] * across.cos(), across.expand(48, -1)])
        return (wave / 4 + 0.1 * white(seed, side=48)).clamp(0, 1)

    task = Jigsaw(net(), **WHOLE, grey=0)
    assert accuracy_after(task, images, 60) > 0.9
    seen = images(0)
    shuffled, back = task.show(seen, rng())
    assert back.shape == shuffled.shape == (16, 3, 50, 50)
    tiles = seen.unfold(2, 16, 16).unfold(3, 16, 16).permute(0, 2, 3, 1, 4, 5).flatten(1, 2)
    right = (back == mosaic(tiles)).flatten(1).all(1)
    assert right.float().mean() > 0.8 and not torch.equal(shuffled, back)


@pytest.mark.parametrize(
    "options",
    [{"permutations": 1}, {"permutations": 1001}, {"grey": -0.1}, {"grey": 1.1}, {"jitter": 0.2}, {"hidden": 0}],
)
def test_bad_options_are_refused(options) -> None:
    with pytest.raises(InputError, match=next(iter(options))):
        Jigsaw(net(), **options)


def test_small_images_are_refused() -> None:
    with pytest.raises(InputError, match="larger images"):
        Jigsaw(net()).ask(white(0, 2, 15), rng())
    with pytest.raises(InputError, match="shifted by 0 px"):
        Jigsaw(net()).ask(white(0, 2, 23), rng())


def test_chance_is_the_logarithm_of_the_set() -> None:
    task = Jigsaw(net(), permutations=10)
    for parameter in task.head.together.parameters():
        torch.nn.init.zeros_(parameter)
    assert task.judge(task.ask(white(0), rng())).value.item() == pytest.approx(math.log(10))

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from patch_noise import APART, TOUCHING, accuracy_after, lamp, net, rng, shifted_green, smooth, white
from torch.nn import functional

from sslctrl.errors import InputError
from vision.image.relative_position import (
    Pairs,
    RelativePosition,
    coarsened,
    one_channel,
    without_green_magenta,
)

PLAIN: dict[str, Any] = {"downsample": 0.0, "color": "keep"}
SIDES = [(-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)]


def test_places_say_where_each_neighbor_is() -> None:
    rows, columns = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    where = torch.stack([rows, columns, rows]).expand(50, -1, -1, -1)
    centers, neighbors, places = RelativePosition(net(), **PLAIN).ask(where, rng())
    for place, side in enumerate(SIDES):
        assert (places[:, place] == place).all()
        apart = (neighbors[:, place] - centers)[:, :2]
        assert (apart == apart[..., :1, :1]).all()  # pixels are copied as they lie
        moved = apart[..., 0, 0] - 18 * torch.tensor(side)  # patches of 12 px, gaps of 6
        assert moved.abs().max() == 2  # either patch by 1 px


def test_all_tricks_off_leave_the_pixels() -> None:
    images = white(0, 2, 24)
    centers, neighbors, _ = RelativePosition(net(), patch=1 / 3, gap=0, jitter=0, **PLAIN).ask(images, rng())
    assert torch.equal(centers, images[:, :, 8:16, 8:16])
    assert torch.equal(neighbors[:, 4], images[:, :, 8:16, 16:])
    assert torch.equal(neighbors[:, 5], images[:, :, 16:, :8])


def test_coarse_patches_are_averaged_and_interpolated_by_sizes_of_their_own() -> None:
    patches = torch.rand(60, 9, 3, 14, 14, generator=rng())
    same = (coarsened(patches, 1 / 3, rng()) == patches).flatten(2).all(2)
    assert same.float().mean().item() == pytest.approx(2 / 3, abs=0.05)
    assert torch.equal(coarsened(patches, 0.0, rng()), patches)
    flat, coarse = patches.flatten(0, 1), coarsened(patches, 1.0, rng()).flatten(0, 1)
    errors = []
    for size in range(10, 14):
        small = functional.adaptive_avg_pool2d(flat, size)
        again = functional.interpolate(small, (14, 14), mode="bilinear")
        errors.append((again - coarse).abs().amax((1, 2, 3)))
    nearest = torch.stack(errors).min(0)
    assert nearest.values.max() < 1e-5
    assert nearest.indices.bincount().min() > 60  # of 540 on four sizes


def test_patches_of_a_hundred_pixels_stay_as_they_are() -> None:
    patches = torch.rand(2, 9, 3, 10, 10, generator=rng())
    assert torch.equal(coarsened(patches, 1.0, rng()), patches)


def test_one_channel_is_kept_and_the_others_are_noise() -> None:
    patches = torch.rand(40, 9, 3, 12, 12, generator=rng()) * 0.2
    dropped = one_channel(patches, rng())
    kept = (dropped == patches).flatten(3).all(3)
    assert (kept.sum(2) == 1).all()
    assert kept.float().mean((0, 1)).min() > 0.25  # each as often
    noise = dropped[~kept]
    assert noise.mean().item() == pytest.approx(0.5, abs=1e-4)
    assert noise.std().item() == pytest.approx(patches.std().item() / 100, rel=0.05)


def test_projection_takes_green_against_magenta_and_nothing_else() -> None:
    images = torch.rand(2, 5, 3, 4, 4, generator=rng())
    axis = torch.tensor([[-1.0, 2.0, -1.0]])
    projection = torch.eye(3) - axis.T @ axis / (axis @ axis.T)  # section 3.1
    shown = without_green_magenta(images)
    pixels = images.movedim(2, -1).reshape(-1, 3)
    torch.testing.assert_close(shown.movedim(2, -1).reshape(-1, 3), pixels @ projection)
    grey = images[:, :, :1].expand(-1, -1, 3, -1, -1)
    torch.testing.assert_close(without_green_magenta(grey), grey)


def test_tricks_are_played_on_what_is_asked() -> None:
    def asked(**options: Any) -> torch.Tensor:
        pairs = RelativePosition(net(), patch=0.25, gap=0, jitter=0, **(PLAIN | options)).ask(white(0, 4, 64), rng())
        return torch.cat([pairs.centers[:, None], pairs.neighbors], 1)

    plain, dropped = asked(), asked(color="drop")
    assert (asked(downsample=1.0) != plain).flatten(1).any(1).all()
    assert ((dropped.std((-2, -1)) < 0.01).sum(2) == 2).all()  # channels of each patch: nearly one grey
    torch.testing.assert_close(asked(color="project"), without_green_magenta(plain))


def test_the_loss_is_the_mean_over_all_pairs() -> None:
    task = RelativePosition(net()).eval()
    question = task.ask(white(0, 3), rng())
    naive, right = 0.0, 0
    for image in range(3):
        for place in range(8):
            both = torch.stack([question.centers[image], question.neighbors[image, place]])
            logits = task.head(task.head.each(task.backbone(both))[None])[0]
            naive -= float(logits.log_softmax(0)[place].detach())
            right += int(logits.argmax()) == place
    loss = task.judge(question)
    assert loss.value.item() == pytest.approx(naive / 24, rel=1e-4)
    assert loss.metrics["accuracy"].item() == pytest.approx(right / 24)


def test_pairs_in_another_order_cost_the_same() -> None:
    task = RelativePosition(net()).eval()
    centers, neighbors, places = task.ask(white(0), rng())
    order = torch.randperm(8, generator=rng())
    moved = task.judge(Pairs(centers, neighbors[:, order], places[:, order])).value
    torch.testing.assert_close(moved, task.judge(Pairs(centers, neighbors, places)).value)


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, TOUCHING | PLAIN])
def test_white_noise_stays_at_chance(options) -> None:
    assert accuracy_after(RelativePosition(net(), **options), white, 250) == pytest.approx(1 / 8, abs=0.03)


@pytest.mark.slow
def test_edges_leak_where_patches_touch_and_not_across_a_gap() -> None:
    assert accuracy_after(RelativePosition(net(), **TOUCHING, **PLAIN), smooth, 250) > 0.22
    assert accuracy_after(RelativePosition(net(), **APART, **PLAIN), smooth, 250) == pytest.approx(1 / 8, abs=0.03)


def test_chromatic_aberration_leaks_through_colors_less_through_projected_ones_and_not_through_one_channel() -> None:
    def accuracy(color: str) -> float:
        task = RelativePosition(net(), color=color, downsample=0)
        return accuracy_after(task, lambda seed: shifted_green(smooth(seed)), 60)

    colored = accuracy("keep")
    assert colored > 0.4
    assert accuracy("project") < colored / 2
    assert accuracy("drop") == pytest.approx(1 / 8, abs=0.03)


def test_learns_where_it_is_brighter() -> None:
    assert accuracy_after(RelativePosition(net()), lamp, 80) > 0.7


def test_shows_patches_where_the_net_puts_them() -> None:
    task = RelativePosition(net(), **PLAIN).eval()
    shown = task.show(white(0, 5, 64), rng())
    assert shown.shape == (2, 5, 3, 38, 38)
    centers, neighbors, _ = question = task.ask(white(0, 5, 64), rng())
    assert torch.equal(shown[0, :, :, 13:25, 13:25], centers) and torch.equal(shown[1, :, :, 13:25, 13:25], centers)
    assert torch.equal(shown[0, :, :, :12, 26:], neighbors[:, 2])
    put = task._logits(question).softmax(2)[:, :, 2].argmax(1)
    assert torch.equal(shown[1, :, :, :12, 26:], neighbors[torch.arange(5), put])


@pytest.mark.parametrize(
    "options",
    [{"color": "grey"}, {"downsample": 1.5}, {"downsample": -0.1}, {"jitter": 0.3}, {"patch": 0.3}, {"hidden": 0}],
)
def test_bad_options_are_refused(options) -> None:
    with pytest.raises(InputError, match=next(iter(options))):
        RelativePosition(net(), **options)


def test_small_images_are_refused() -> None:
    with pytest.raises(InputError, match="larger images"):
        RelativePosition(net()).ask(white(0, 2, 16), rng())


def test_chance_is_log_8() -> None:
    task = RelativePosition(net())
    for parameter in task.head.together.parameters():
        torch.nn.init.zeros_(parameter)
    assert task.judge(task.ask(white(0), rng())).value.item() == pytest.approx(math.log(8))

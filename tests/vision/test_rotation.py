from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from patch_noise import accuracy_after, net, white
from torch.nn import functional

from sslctrl.clips import Clips
from sslctrl.objective import Loss
from vision.backbones.conv import Conv
from vision.image import rotation
from vision.image.rotation import Rotation, quarter_turns, random_square


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def small() -> Rotation:
    torch.manual_seed(0)
    return Rotation(Conv((8, 16), (2, 2)), batch=16)


def train(model: Rotation, batches, steps: int) -> Loss:
    optimizer = torch.optim.Adam(model.parameters(), 2e-3)
    for step in range(steps):
        optimizer.zero_grad()
        model.loss(batches(step), rng()).value.backward()
        optimizer.step()
    return model.eval().loss(batches(steps), rng())


def test_turns_are_exact_and_undone_bit_for_bit() -> None:
    images = torch.rand(5, 3, 8, 8, generator=rng())
    turned = quarter_turns(images).view(4, 5, 3, 8, 8)
    for turns in range(4):
        assert torch.equal(torch.rot90(turned[turns], -turns, (2, 3)), images)
    corner = images[:, :, 0, -1]  # top right goes to the top left by one turn counter-clockwise
    assert torch.equal(turned[1][:, :, 0, 0], corner)


def test_labels_are_the_turns_of_the_batch() -> None:
    model = small()
    seen = []
    model.backbone.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    frames = torch.randint(0, 256, (3, 1, 1, 3, 16, 16), generator=rng()).to(torch.uint8)
    loss = model.loss(Clips(frames), rng()).value
    images = frames.flatten(0, 2).float() / 255
    naive = 0.0
    for turns in range(4):
        for index in range(3):
            image = seen[0][turns * 3 + index]
            assert torch.equal(image, torch.from_numpy(np.rot90(images[index].numpy(), turns, (1, 2)).copy()))
            logits = model.head(model.backbone(seen[0]))[turns * 3 + index]
            naive -= float(logits.log_softmax(0)[turns].detach())
    assert loss.item() == pytest.approx(naive / 12, rel=1e-4)


def test_square_is_cut_from_the_long_side() -> None:
    wide = torch.arange(12.0).expand(1, 3, 5, 12)
    starts = {int(random_square(wide, rng(seed))[0, 0, 0, 0]) for seed in range(60)}
    assert starts == set(range(8))
    tall = wide.transpose(2, 3)
    assert random_square(tall, rng()).shape == (1, 3, 5, 5)
    assert torch.equal(random_square(tall, rng(1)), random_square(wide, rng(1)).transpose(2, 3))
    square = torch.rand(2, 3, 6, 6, generator=rng())
    assert torch.equal(random_square(square, rng()), square)


def test_learns_which_way_is_up() -> None:
    def batches(step: int) -> Clips:
        frames = torch.randint(0, 90, (16, 1, 1, 3, 16, 16), generator=rng(step))
        frames[..., :4, :] += 120  # a bright sky
        return Clips(frames.to(torch.uint8))

    assert train(small(), batches, 60).metrics["accuracy"] > 0.95


def resampled_turns(images: torch.Tensor) -> torch.Tensor:
    """Quarter turns by interpolation, the carelessness of most image libraries: half a pixel off the centre."""
    turned = []
    for turns in range(4):
        cos, sin = math.cos(turns * math.pi / 2), math.sin(turns * math.pi / 2)
        off = 1 / images.shape[3]
        matrix = torch.tensor([[cos, -sin, off * (1 - cos + sin)], [sin, cos, off * (1 - sin - cos)]])
        grid = functional.affine_grid(matrix.expand(len(images), -1, -1), list(images.shape), align_corners=False)
        turned.append(functional.grid_sample(images, grid, align_corners=False))
    return torch.cat(turned)


@pytest.mark.slow
def test_white_noise_stays_at_chance_unless_turns_are_resampled(monkeypatch: pytest.MonkeyPatch) -> None:
    def accuracy() -> float:
        return accuracy_after(Rotation(net()), lambda seed: white(seed, side=16), 150)

    assert accuracy() == pytest.approx(1 / 4, abs=0.03)
    monkeypatch.setattr(rotation, "quarter_turns", resampled_turns)
    assert accuracy() > 0.5

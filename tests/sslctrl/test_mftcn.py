from __future__ import annotations

import numpy as np
import pytest
import torch

from sslctrl.body import unexplained
from sslctrl.clips import Clips, Layout
from sslctrl.embeddings.mftcn import MfTcn
from sslctrl.errors import InputError
from sslctrl.losses.npairs import npairs
from vision.backbones.conv import Conv

CAMERAS = ("front", "left", "right")
SIZES = {"dim": 4, "points": 4, "hidden": 8, "size_px": 32}


def small(**options) -> MfTcn:
    torch.manual_seed(0)
    model = MfTcn(Conv((4, 8), (2, 2)), **(SIZES | options))
    model.positions.log_temperature.data.fill_(-6)  # or random pixels hardly move the key points, and all losses are
    linear = next(layer for layer in reversed(model.track) if hasattr(layer, "weight"))
    linear.weight.data *= 10  # those of a net that tells nothing apart
    return model


@pytest.mark.parametrize(("frames", "stride"), [(1, 1), (3, 2), (5, 1)])
def test_a_pick_is_stretches_that_share_no_moment_and_what_they_read(frames: int, stride: int) -> None:
    layout, rng = Layout(np.array([60, 12, 1]), 3, CAMERAS), np.random.default_rng(0)
    model = small(frames=frames, stride=stride, chunks=4, chunk_steps=10)
    back = (frames - 1) * stride
    reached = set()
    for _ in range(300):
        pick = model.pick(layout, rng)
        (episode,), (views,) = pick.episode, pick.view
        assert episode in (0, 1) and len(set(views)) == 2
        assert (pick.step == pick.step[:, :1]).all()
        stretches = pick.step[0, 0].reshape(-1, back + 10)
        assert len(stretches) == (4 if episode == 0 else 1)
        moments = stretches[:, back:]
        for stretch, own in zip(stretches, moments, strict=True):
            assert own.tolist() == list(range(own[0], own[0] + 10))
            assert stretch[:back].tolist() == [max(0, own[0] - k) for k in range(back, 0, -1)]
        assert len(set(moments.ravel())) == moments.size
        reached |= set(moments.ravel()) if episode == 0 else set()
    assert reached == set(range(60))


def test_pick_passes_over_episodes_whose_moments_the_body_explains() -> None:
    model, layout = small(body=(0, 1), chunks=4, chunk_steps=10), Layout(np.array([19, 20, 60]), 3, CAMERAS)
    assert {int(model.pick(layout, np.random.default_rng(seed)).episode[0]) for seed in range(30)} == {1, 2}


@pytest.mark.parametrize(("frames", "stride"), [(1, 1), (2, 3), (5, 1)])
def test_the_loss_contrasts_what_embed_gives_at_each_moment(frames: int, stride: int) -> None:
    model = small(frames=frames, stride=stride, chunks=2, chunk_steps=3, augment=False).eval()
    back = (frames - 1) * stride
    pixels = torch.randint(0, 256, (1, 2, 2 * (back + 3), 32, 32, 3), generator=torch.Generator().manual_seed(0))
    clips = Clips(pixels.to(torch.uint8).movedim(-1, -3))
    z = []
    for view in pixels[0].to(torch.uint8).numpy():
        stretches = np.split(view, 2)
        z.append(torch.from_numpy(np.concatenate([model.embed_video(part)[back:] for part in stretches])))
    wanted = (npairs(z[0], z[1], model.contrast.l2) + npairs(z[1], z[0], model.contrast.l2)) / 2
    torch.testing.assert_close(model.loss(clips, torch.Generator()).value.detach(), wanted)


def test_the_body_is_where_it_is_at_each_moments_last_frame() -> None:
    model = small(
        frames=3, stride=2, chunks=2, chunk_steps=8, body=(2, 0), body_weight=0.3, l2=0.05, augment=False
    ).eval()
    noise = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (2, 2 * (4 + 8), 32, 32, 3), generator=noise).to(torch.uint8)
    proprio = torch.randn(2 * (4 + 8), 3, generator=noise)
    known = torch.cat([part[4:, [2, 0]] for part in proprio.chunk(2)])
    first, second = (
        torch.from_numpy(np.concatenate([model.embed_video(part)[4:] for part in np.split(film, 2)]))
        for film in pixels.numpy()
    )
    free, other = (unexplained(z, known) for z in (first, second))
    wanted = sum(
        share * (npairs(a, p, 0.05) + npairs(p, a, 0.05)).item() / 2
        for share, a, p in ((0.7, first, second), (0.3, free, other))
    )
    clips = Clips(pixels.movedim(-1, -3)[None], proprio=proprio.expand(1, 2, -1, -1))
    assert model.loss(clips, torch.Generator()).value.item() == pytest.approx(wanted, rel=1e-4)


def test_motion_is_seen_and_only_with_frames_before() -> None:
    rng = np.random.default_rng(0)
    now = rng.integers(0, 256, (1, 32, 32, 3), np.uint8)
    two = [np.concatenate([rng.integers(0, 256, (4, 32, 32, 3), np.uint8), now]) for _ in range(2)]
    for frames, same in ((1, True), (5, False)):
        model = small(frames=frames).eval()
        first, second = (model.embed_video(video)[-1] for video in two)
        assert np.allclose(first, second, atol=1e-6) == same


def test_shapes_are_refused() -> None:
    model = small(frames=5)
    with pytest.raises(InputError, match=r"\(N, 5, 3, H, W\)"):
        model.embed(torch.zeros(2, 3, 32, 32, dtype=torch.uint8))
    with pytest.raises(InputError, match="pick them as pick"):
        model.loss(Clips(torch.zeros(1, 2, 4, 3, 32, 32, dtype=torch.uint8)), torch.Generator())
    with pytest.raises(InputError, match="2 or more of 2 or more"):
        model.loss(Clips(torch.zeros(1, 1, 14, 3, 32, 32, dtype=torch.uint8)), torch.Generator())


@pytest.mark.parametrize("options", [{"frames": 0}, {"stride": 0}, {"views_per_batch": 1}, {"chunks": 0}])
def test_options_are_refused(options: dict) -> None:
    with pytest.raises(InputError, match="change them"):
        small(**options)

from __future__ import annotations

import numpy as np
import pytest
import torch

from sslctrl.clips import Clips, Layout
from sslctrl.embeddings.cc_vae import CcVae
from sslctrl.errors import InputError
from vision.backbones.conv import Conv


def small(**options) -> CcVae:
    torch.manual_seed(0)
    return CcVae(Conv((4, 8), (2, 2)), **({"dim": 3, "context_dim": 5, "width": 2, "size_px": 16} | options))


def clips(count: int = 4) -> Clips:
    frames = torch.randint(0, 256, (2, count, 16, 16, 3), generator=torch.Generator().manual_seed(1)).to(torch.uint8)
    present, first = frames.movedim(-1, -3)
    return Clips(present[:, None, None], context=first)


@pytest.mark.parametrize("beta", [0.0, 0.08, 3.0])
def test_loss_is_the_naive_loop(beta: float) -> None:
    model, batch = small(beta=beta), clips()
    assert batch.context is not None
    got = model.loss(batch, torch.Generator().manual_seed(5)).value.item()
    images, first = batch.frames.flatten(0, 2).float() / 255, batch.context.float() / 255
    context = model.context(first)
    mu, log_variance = model.posterior(images, context)
    noise = torch.randn(mu.shape, generator=torch.Generator().manual_seed(5))
    z = mu + noise * torch.exp(log_variance / 2)
    decoded, again = model.decoder(torch.cat([z, context], 1)).detach(), model.context_decoder(context).detach()
    total = 0.0
    for n in range(len(images)):
        total += 0.5 * float((decoded[n] - images[n]).square().sum() + (again[n] - first[n]).square().sum())
        for m, v in zip(mu[n].tolist(), log_variance[n].tolist(), strict=True):
            total += beta * 0.5 * (m**2 + np.exp(v) - 1 - v)
    assert got == pytest.approx(total / len(images), rel=1e-4)


def test_the_two_encoders_share_no_weights() -> None:
    model = small()
    own = {id(value) for value in model.backbone.parameters()}
    assert own.isdisjoint(id(value) for value in model.context_backbone.parameters())
    pairs = zip(model.backbone.parameters(), model.context_backbone.parameters(), strict=True)
    assert any(not torch.equal(a, b) for a, b in pairs)  # nor do they begin alike


def test_the_context_costs_no_kl_and_the_embedding_is_mu_of_both_frames() -> None:
    model = small().eval()
    batch = clips()
    assert batch.context is not None
    moments = torch.stack([batch.context, batch.frames[:, 0, 0]], dim=1)
    context = model.context(batch.context.float() / 255)
    mu = model.posterior(batch.frames[:, 0, 0].float() / 255, context)[0]
    torch.testing.assert_close(model.embed(moments), mu.detach())
    assert (model.embed(moments.flip(1)) - mu).abs().max() > 1e-4  # which is which matters


def test_the_body_is_drawn_from_standardised_columns() -> None:
    model, batch = small(body=(1,)), clips()
    losses = [
        model.loss(batch._replace(proprio=scale * torch.arange(8.0).view(4, 1, 1, 2)), torch.Generator().manual_seed(5))
        for scale in (1.0, 7.0, -1.0)
    ]
    values = [loss.metrics["reconstruction"].item() for loss in losses]
    assert values[0] == pytest.approx(values[1], rel=1e-4) and abs(values[2] - values[0]) > 1e-4 * values[0]
    assert batch.context is not None and model.decode(torch.zeros(4, 3), batch.context).shape == (4, 3, 16, 16)


def test_pick_brings_the_first_frame_of_the_same_episode_and_view(tiny_store) -> None:
    model = small(size_px=32)
    pick = model.pick(tiny_store.layout, np.random.default_rng(0))
    batch = tiny_store.clips(pick)
    assert batch.context is not None
    for row in range(8):
        frames = tiny_store.read(tiny_store.ids[pick.episode[row]]).frames[pick.view[row, 0]]
        np.testing.assert_array_equal(batch.context[row].movedim(0, -1).numpy(), frames[0])
    only = small(camera="left").pick(Layout(np.array([4]), 2, ("front", "left")), np.random.default_rng(0))
    assert set(only.view.ravel()) == {1} and only.context


def test_any_frame_of_the_episode_may_be_the_context(tiny_store) -> None:
    model = small(size_px=32, context_from="any", body=(0,))
    pick = model.pick(Layout(np.array([3, 9]), 2, ("front", "left")), np.random.default_rng(0))
    assert pick.step.shape == (64, 1, 2) and not pick.context
    assert (pick.step.max((1, 2)) < np.array([3, 9])[pick.episode]).all()
    assert set(pick.step[pick.episode == 1, 0, 0]) == set(range(9))  # uniform, and not that of the present frame
    assert 0 < np.mean(pick.step[:, 0, 0] == pick.step[:, 0, 1]) < 0.5
    pair = tiny_store.clips(model.pick(tiny_store.layout, np.random.default_rng(0)))
    assert pair.proprio is not None
    apart = Clips(pair.frames[:, :, 1:], proprio=pair.proprio[:, :, 1:], context=pair.frames[:, 0, 0])
    losses = [model.loss(one, torch.Generator().manual_seed(1)).value.item() for one in (pair, apart)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


def test_decode_depends_on_the_episode() -> None:
    model, z = small(), torch.zeros(2, 3)
    frames = model.decode(z, torch.stack([torch.zeros(3, 16, 16), torch.full((3, 16, 16), 255)]).to(torch.uint8))
    assert frames.shape == (2, 3, 16, 16) and frames.dtype == torch.uint8 and not torch.equal(frames[0], frames[1])
    with pytest.raises(InputError, match="first frames"):
        model.decode(z)


def test_clips_without_context_are_refused() -> None:
    with pytest.raises(InputError, match="with context: False"):
        small().loss(clips()._replace(context=None), torch.Generator())


@pytest.mark.parametrize("options", [{"beta": -1.0}, {"batch": 0}, {"context_dim": 0}, {"context_from": "last"}])
def test_options_are_refused(options: dict) -> None:
    ((name, value),) = options.items()
    with pytest.raises(InputError, match=f"{name} is {value!r}.*; allowed"):
        small(**options)

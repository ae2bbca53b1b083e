from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from torch.nn import functional

from sslctrl.clips import Clips, Layout
from sslctrl.decoder import Decoder, Likelihood
from sslctrl.embeddings.autoencoder import Autoencoder
from sslctrl.embeddings.vae import Vae, gaussian_kl
from sslctrl.errors import InputError
from sslctrl.kl_weight import KlWeight
from vision.backbones.conv import Conv


def small(**options) -> Vae:
    torch.manual_seed(0)
    return Vae(Conv((4, 8), (2, 2)), dim=3, width=2, size_px=16, **options)


def clips(count: int = 4) -> Clips:
    frames = torch.randint(0, 256, (count, 1, 1, 16, 16, 3), generator=torch.Generator().manual_seed(1))
    return Clips(frames.to(torch.uint8).movedim(-1, -3))


def test_kl_by_hand_and_against_torch() -> None:
    assert gaussian_kl(torch.ones(1, 4), torch.zeros(1, 4)).item() == pytest.approx(2)
    mu, log_variance = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(0)).unbind()
    q = torch.distributions.Normal(mu, (0.5 * log_variance).exp())
    wanted = torch.distributions.kl_divergence(q, torch.distributions.Normal(0.0, 1.0)).sum(1)
    torch.testing.assert_close(gaussian_kl(mu, log_variance), wanted)


@pytest.mark.parametrize("beta", [0.0, 0.08, 3.0])
def test_loss_is_the_naive_loop(beta: float) -> None:
    vae, batch = small(beta=beta), clips()
    got = vae.loss(batch, torch.Generator().manual_seed(5)).value.item()
    images = batch.frames.flatten(0, 2).float() / 255
    mu, log_variance = vae.posterior(images)
    noise = torch.randn(mu.shape, generator=torch.Generator().manual_seed(5))
    decoded = vae.decoder(mu + noise * torch.exp(log_variance / 2)).detach()
    total = 0.0
    for n in range(len(images)):
        squared = sum(float((decoded[n, c] - images[n, c]).square().sum()) for c in range(3))
        kl = sum(
            0.5 * (float(m) ** 2 + float(v.exp()) - 1 - float(v))
            for m, v in zip(mu[n].detach(), log_variance[n].detach(), strict=True)
        )
        total += 0.5 * squared + beta * kl
    assert got == pytest.approx(total / len(images), rel=1e-4)


def test_reconstruction_is_gaussian_log_likelihood_up_to_a_constant() -> None:
    """Differences of the reconstruction term are differences of -log N(s; decoder(z), I) summed over pixels."""
    target, first, second = torch.rand(3, 5, 3, 16, 16, generator=torch.Generator().manual_seed(2))
    second = second * 0.5
    nll = [-torch.distributions.Normal(x, 1.0).log_prob(target).sum() / len(x) for x in (first, second)]
    ours = [Likelihood()(x, target) for x in (first, second)]
    assert abs(nll[0] - nll[1]) > 1
    torch.testing.assert_close(nll[0] - nll[1], ours[0] - ours[1], atol=1e-3, rtol=1e-4)


def test_the_body_is_drawn_over_the_scene_from_where_the_robot_knows_it_to_be() -> None:
    vae, batch = small(body=(0, 2)), clips()
    proprio = torch.randn(4, 1, 1, 3, generator=torch.Generator().manual_seed(4)) * 5
    batch = batch._replace(proprio=proprio)
    got = vae.loss(batch, torch.Generator().manual_seed(5)).metrics["reconstruction"].item()
    images, known = batch.frames.flatten(0, 2).float() / 255, proprio.flatten(0, 2)[:, [0, 2]]
    mu, log_variance = vae.posterior(images)
    noise = torch.randn(mu.shape, generator=torch.Generator().manual_seed(5))
    scene = vae.decoder(mu + noise * torch.exp(log_variance / 2)).detach()
    body, alpha = (part.detach() for part in vae.body.layer(known))  # in training mode, as the loss
    assert body.min() >= 0 and body.max() <= 1 and alpha.max() < 0.2  # all but transparent, at first
    decoded = alpha * body + (1 - alpha) * scene
    assert got == pytest.approx(0.5 * float((decoded - images).square().sum()) / 4, rel=1e-3)
    with pytest.raises(InputError, match="3 columns"):
        small(body=(3,)).loss(batch, torch.Generator())


def test_the_body_hides_what_is_behind_it_and_is_not_in_the_scene() -> None:
    """A red square follows the body, and covers a green dot wherever they meet: the scene shows the dot alone."""
    rng = torch.Generator().manual_seed(0)
    at = torch.randint(0, 12, (256, 2), generator=rng)
    frames = torch.zeros(256, 1, 1, 3, 16, 16, dtype=torch.uint8)
    red = torch.tensor([255, 0, 0], dtype=torch.uint8)[:, None, None]
    for i, (body, thing) in enumerate(at.tolist()):
        frames[i, 0, 0, 1, 4:8, thing : thing + 4] = 255
        frames[i, 0, 0, :, 2:8, body : body + 4] = red
    torch.manual_seed(0)
    vae = Vae(Conv((8, 16), (2, 2)), dim=1, width=8, size_px=16, beta=0.1, body=(0,))
    optimizer = torch.optim.Adam(vae.parameters(), 3e-3)
    for _ in range(1000):
        chosen = torch.randint(0, 256, (64,), generator=rng)
        batch = Clips(frames[chosen], proprio=at[chosen, :1].view(-1, 1, 1, 1).float())
        optimizer.zero_grad()
        vae.loss(batch, rng).value.backward()
        optimizer.step()
    z = vae.eval().embed(frames.flatten(0, 2))[:, 0].numpy()
    scene = vae.decode(torch.from_numpy(z[:, None])).float()
    assert abs(np.corrcoef(z, at[:, 0])[0, 1]) < 0.2
    assert scene[:, 0, 2:8].std(0).max() < 50  # about the same red, of 255, wherever the body is
    alpha = vae.body.layer(at[:, :1].float())[1][:, 0].detach()
    covered = torch.stack([torch.roll(torch.eye(16)[:4].sum(0), int(body)) for body in at[:, 0]]).bool()
    alpha = alpha[:, 4:8].mean(1)  # in the rows of both
    assert alpha[covered].mean() > 0.8 and alpha[~covered].mean() < 0.4


def test_the_blurred_error_grows_with_the_distance_and_the_sharp_one_does_not() -> None:
    def costs(smooth: float) -> list[float]:
        return [Likelihood(smooth, 64)(disc(20), disc(20 + off)).item() for off in (0, 8, 16, 24)]

    def disc(column: int) -> torch.Tensor:
        image = torch.zeros(2, 3, 64, 64)
        image[..., 28:34, column : column + 6] = 0.5
        return image

    sharp, both = costs(0.0), costs(100.0)
    assert sharp[0] == both[0] == 0 and sharp[1:] == pytest.approx([0.5 * 2 * 36 * 3 * 0.25] * 3)
    grown = np.subtract(both, sharp)
    assert (np.diff(grown) > 0.2 * grown[1]).all()
    with pytest.raises(InputError, match="smooth is -1"):
        Likelihood(-1.0)


def test_the_blurred_error_is_that_of_a_gaussian_blur() -> None:
    error = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    error = functional.interpolate(
        error[..., ::16, ::16], size=64, mode="bicubic"
    )  # nothing finer than the coarse grid
    blurred = cv2.GaussianBlur(error[0].movedim(0, -1).numpy(), (73, 73), 12, borderType=cv2.BORDER_CONSTANT)
    wanted = 0.5 * float(error.square().sum() + 3 * np.square(blurred).sum())
    assert Likelihood(3.0, 64)(error, torch.zeros_like(error)).item() == pytest.approx(wanted, rel=0.02)


def test_literal_beta_collapses_and_the_convention_does_not() -> None:
    def kl_after(beta: float) -> float:
        vae = small(beta=beta)
        optimizer = torch.optim.Adam(vae.parameters(), 3e-3)
        batch = Clips((torch.arange(16).view(16, 1, 1, 1, 1, 1).expand(16, 1, 1, 3, 16, 16) * 16).to(torch.uint8))
        for step in range(80):
            optimizer.zero_grad()
            loss = vae.loss(batch, torch.Generator().manual_seed(step))
            loss.value.backward()
            optimizer.step()
        return vae.loss(batch, torch.Generator().manual_seed(99)).metrics["kl"].item()

    assert kl_after(20.0) < 0.05
    assert kl_after(0.08) > 1.0


def test_embedding_is_mu_and_never_a_sample() -> None:
    vae = small()
    frames = clips().frames.flatten(0, 2)
    vae.eval()
    mu = vae.posterior(frames.float() / 255)[0]
    torch.testing.assert_close(vae.embed(frames), mu.detach())
    assert torch.equal(vae.embed(frames), vae.embed(frames))


def test_decode() -> None:
    vae = small()
    z = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    frames = vae.decode(z[:5])
    assert frames.dtype == torch.uint8 and frames.shape == (5, 3, 16, 16)
    wanted = (vae.decoder(z[:5]).clamp(0, 1) * 255).round().to(torch.uint8)
    assert torch.equal(frames, wanted)


def test_pick_is_uniform_over_frames_and_keeps_to_the_camera() -> None:
    layout = Layout(np.array([2, 8]), 3, ("front", "left", "right"))
    rng = np.random.default_rng(0)
    pick = small(batch=5000).pick(layout, rng)
    assert pick.view.shape == (5000, 1) and pick.step.shape == (5000, 1, 1)
    assert np.mean(pick.episode == 0) == pytest.approx(0.2, abs=0.03)  # 2 of 10 frames
    counts = np.bincount(pick.step[pick.episode == 1].ravel(), minlength=8)
    assert len(counts) == 8 and counts.min() > 0.8 * counts.mean()
    assert set(pick.step[pick.episode == 0].ravel()) == {0, 1}
    assert set(pick.view.ravel()) == {0, 1, 2}
    assert set(small(camera="left").pick(layout, rng).view.ravel()) == {1}
    with pytest.raises(InputError, match="nearest are front"):
        small(camera="fornt").pick(layout, rng)


def test_autoencoder_is_deterministic_and_its_loss_is_the_vaes_without_noise() -> None:
    torch.manual_seed(0)
    model = Autoencoder(Conv((4, 8), (2, 2)), dim=3, width=2, size_px=16)
    batch = clips()
    losses = {model.loss(batch, torch.Generator().manual_seed(seed)).value.item() for seed in range(3)}
    images = batch.frames.flatten(0, 2).float() / 255
    naive = 0.5 * (model.decoder(model.encode(images)) - images).square().sum() / len(images)
    assert len(losses) == 1 and losses.pop() == pytest.approx(naive.item(), rel=1e-5)
    assert model.decode(model.embed(batch.frames.flatten(0, 2))).shape == (4, 3, 16, 16)


def test_an_autoencoder_learns_to_reconstruct() -> None:
    torch.manual_seed(0)
    model = Autoencoder(Conv((8, 8), (2, 2)), dim=4, width=4, size_px=16)
    batch = Clips((torch.arange(8).view(8, 1, 1, 1, 1, 1).expand(8, 1, 1, 3, 16, 16) * 32).to(torch.uint8))
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    losses = []
    for _ in range(150):
        optimizer.zero_grad()
        loss = model.loss(batch, torch.Generator()).value
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.05 * losses[0]


@pytest.mark.parametrize("size_px", [8, 24, 48, 60])
def test_decoder_refuses_sizes_it_cannot_make(size_px: int) -> None:
    with pytest.raises(InputError, match="16, 32, 64"):
        Decoder(4, size_px, 2)


@pytest.mark.parametrize("size_px", [16, 32, 128])
def test_decoder_sizes(size_px: int) -> None:
    assert Decoder(4, size_px, 2)(torch.zeros(1, 4)).shape == (1, 3, size_px, size_px)
    assert Decoder(4, size_px, 2).to_frames(torch.zeros(2, 4, dtype=torch.float64)).shape == (2, 3, size_px, size_px)
    with pytest.raises(InputError, match=r"z is \(2, 3\); allowed is \(N, 4\)"):
        Decoder(4, size_px, 2).to_frames(torch.zeros(2, 3))


def test_a_slow_start_falls_by_one_factor_to_beta_and_goes_on_where_it_was() -> None:
    weight = KlWeight(2.0, slow_start=4)
    begun = [float(weight()) for _ in range(2)]
    again = KlWeight(2.0, slow_start=4)
    again.load_state_dict(weight.state_dict())
    assert float(again.eval()()) == float(again()) == pytest.approx(2 * 30**0.5)  # an exam counts for nothing
    again.train()
    wanted = [2 * 30 ** (1 - step / 4) for step in range(4)] + [2.0, 2.0]
    assert begun + [float(again()) for _ in range(4)] == pytest.approx(wanted)
    assert KlWeight(2.0, 0)() == 2.0 and not KlWeight(2.0, 0).state_dict()


@pytest.mark.parametrize("wrong", [{"beta": -0.1}, {"beta": float("nan")}, {"slow_start": -1}])
def test_wrong_weights_of_kl_say_what_is_allowed(wrong: dict) -> None:
    with pytest.raises(InputError, match=r"beta is .*, slow_start .*; allowed is 0 or more of each"):
        small(**wrong)

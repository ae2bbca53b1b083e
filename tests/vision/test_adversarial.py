from __future__ import annotations

import copy

import torch
from torch import nn

from vision.adversarial import with_fixed_weights


def discriminator() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.LeakyReLU(), nn.Linear(8, 1))


def given() -> torch.Tensor:
    return torch.randn(6, 4, generator=torch.Generator().manual_seed(1)).requires_grad_()


def test_gradient_reaches_the_inputs_as_in_a_plain_call_and_no_weight() -> None:
    net, fixed, plain = discriminator(), given(), given()
    answer = with_fixed_weights(net, fixed)
    answer.sigmoid().sum().backward()
    assert all(weight.grad is None for weight in net.parameters())
    expected = copy.deepcopy(net)(plain)
    expected.sigmoid().sum().backward()
    assert torch.equal(answer, expected) and torch.equal(fixed.grad, plain.grad) and fixed.grad.any()


def test_two_players_in_one_scalar_get_their_own_gradients_only() -> None:
    net, made = discriminator().eval(), given()
    its_own = nn.functional.softplus(net(made.detach())).mean()
    expected = torch.autograd.grad(its_own, list(net.parameters()), retain_graph=True)
    generators = nn.functional.softplus(-with_fixed_weights(net, made)).mean()
    of_inputs = torch.autograd.grad(generators, made, retain_graph=True)[0]
    (its_own + generators).backward()
    for weight, alone in zip(net.parameters(), expected, strict=True):
        assert torch.equal(weight.grad, alone)
    assert torch.equal(made.grad, of_inputs)


def test_batch_norm_counts_as_in_a_plain_call() -> None:
    net = discriminator()
    plain, before = copy.deepcopy(net), copy.deepcopy(net.state_dict())
    with_fixed_weights(net, given())
    plain(given())
    for name, value in net.state_dict().items():
        assert torch.equal(value, plain.state_dict()[name]), name
    assert not torch.equal(net.state_dict()["1.running_mean"], before["1.running_mean"])
    learned = net.eval().state_dict()["1.running_mean"].clone()
    with_fixed_weights(net, given())
    assert torch.equal(net.state_dict()["1.running_mean"], learned)

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch import nn

from vision.adversarial import steadied, told_apart, with_fixed_weights


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


def test_batch_norm_counts_nothing() -> None:
    net = discriminator()
    before = copy.deepcopy(net.state_dict())
    for _ in range(2):
        with_fixed_weights(net, given())
        for name, value in net.state_dict().items():
            assert torch.equal(value, before[name]), name
        net.eval()


def test_what_another_task_makes_of_the_statistics_reaches_no_gradient_of_before() -> None:
    images, others = torch.randn(8, 4), torch.randn(8, 4) * 3 + 1
    gradients = []
    for shared in (False, True):
        net = discriminator()[:3]
        with steadied(net, images):
            value = net(images).square().sum()
        if shared:
            net(others)
        value.backward()
        gradients.append(net[0].weight.grad)
    assert torch.equal(*gradients)


def test_what_is_frozen_keeps_its_mode_and_so_its_statistics() -> None:
    net = discriminator()[:3].train()
    net[1].eval()
    before = net[1].running_mean.clone()
    with steadied(net, torch.randn(8, 4)):
        net(torch.randn(8, 4))
    assert not net[1].training and net[0].training and torch.equal(net[1].running_mean, before)


def test_a_discriminator_that_knows_nothing_pays_two_log_two() -> None:
    value, accuracy = told_apart(torch.zeros(4), torch.zeros(4))
    assert value.item() == pytest.approx(2 * math.log(2)) and accuracy == 0
    value, accuracy = told_apart(torch.tensor([3.0, -1.0]), torch.tensor([-2.0, -5.0]))
    odds = [1 / (1 + math.exp(-x)) for x in (3.0, -1.0, 2.0, 5.0)]
    assert value.item() == pytest.approx(-sum(map(math.log, odds)) / 2) and accuracy == 0.75

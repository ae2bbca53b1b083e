"""Rewards of embeddings: (z, z_next, goal), each (N, D) -> (N,)."""

from sslctrl.registry import Registry

REWARDS = Registry("sslctrl.rewards", "sslctrl.rewards.base:Reward")

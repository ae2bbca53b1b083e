"""Policies: everything of Stable-Baselines3."""

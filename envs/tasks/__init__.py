"""Tasks: one file each; the file's name is the task's name."""

from sslctrl.registry import Registry

TASKS = Registry("envs.tasks", "envs.tasks.base:Task")

__all__ = ["TASKS"]

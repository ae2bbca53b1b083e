"""Tasks: one file each; the file's name is the task's name."""

from envs.tasks.base import Task
from sslctrl.registry import Registry

TASKS = Registry("envs.tasks", Task)

__all__ = ["TASKS", "Task"]

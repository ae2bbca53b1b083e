"""Pretext tasks on single images, trained for the backbone that they leave behind. One file each; the file's name is
its name.
"""

from sslctrl.registry import Registry

IMAGE_TASKS = Registry("vision.image", "sslctrl.objective:Objective")

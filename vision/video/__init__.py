"""Pretext tasks on video, trained for the backbone that they leave behind. One file each; the file's name is its
name.
"""

from sslctrl.registry import Registry

VIDEO_TASKS = Registry("vision.video", "sslctrl.objective:Objective")

"""Pretext tasks: objectives that are trained for the backbone that they leave behind. One file each; the file's name
is its name.
"""

from sslctrl.registry import Registry

PRETEXT = Registry("vision.pretext", "sslctrl.objective:Objective")

"""Grasping one object among several: by an embedding's heat map, or by a value learned from recorded grasps."""

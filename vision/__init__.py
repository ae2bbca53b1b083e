"""Backbones, pretext tasks, and the builder that joins a backbone's name to an objective's. Importing it is light."""

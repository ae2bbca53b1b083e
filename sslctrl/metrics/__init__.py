"""What is measured of an embedding: alignment across views, what can be read from it, and whether its reward is
progress.
"""

"""Losses of several methods, each one pure function of embeddings, tested against naive loops."""

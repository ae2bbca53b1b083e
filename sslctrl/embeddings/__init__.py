"""State embeddings that are learned without labels: frame in, vector out."""

from sslctrl.registry import Registry

EMBEDDINGS = Registry("sslctrl.embeddings", "sslctrl.embeddings.base:Embedding")

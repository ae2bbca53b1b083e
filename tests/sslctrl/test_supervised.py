from __future__ import annotations

import numpy as np
import pytest
import torch

from sslctrl.clips import Clips
from sslctrl.embeddings.supervised import Supervised
from sslctrl.errors import InputError
from vision.backbones.conv import Conv


def small(**options) -> Supervised:
    torch.manual_seed(0)
    return Supervised(Conv((4, 8), (2, 2)), **({"points": 4, "hidden": 8, "size_px": 32} | options))


def test_it_learns_where_the_square_is(tiny_store) -> None:
    model = small(columns=(1, 0), batch=64).train()
    optimizer, rng = torch.optim.Adam(model.parameters(), 1e-2), np.random.default_rng(0)
    for _ in range(150):
        optimizer.zero_grad()
        model.loss(tiny_store.clips(model.pick(tiny_store.layout, rng)), torch.Generator()).value.backward()
        optimizer.step()
    episode = tiny_store.read(tiny_store.ids[0])
    z, state = model.embed_video(episode.frames[0]), episode.state
    assert np.corrcoef(z[:, 0], state[:, 1])[0, 1] > 0.8 and np.corrcoef(z[:, 1], state[:, 0])[0, 1] > 0.8


def test_columns_that_are_not_there_are_refused(tiny_store) -> None:
    model = small(columns=(0, 2))
    clips = tiny_store.clips(model.pick(tiny_store.layout, np.random.default_rng(0)))
    for given in (clips, Clips(clips.frames)):
        with pytest.raises(InputError, match=r"columns are \(0, 2\); this video's states have"):
            model.loss(given, torch.Generator())
    with pytest.raises(InputError, match="columns are"):
        small(columns=(-1,))

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from squares import moving_square

from sslctrl.clips import Episode, Pick
from sslctrl.errors import DataError, InputError
from sslctrl.store import EpisodeStore


def random_pick(store: EpisodeStore, rng: np.random.Generator, context: bool = False) -> Pick:
    episode = rng.integers(len(store), size=7)
    view = rng.integers(len(store.cameras), size=(7, 2))
    return Pick(episode, view, rng.integers(0, store.lengths[episode][:, None, None], size=(7, 2, 3)), context)


def test_read_gives_back_what_was_added(square_store: EpisodeStore) -> None:
    episode = moving_square(5)
    name = square_store.add(episode)
    assert (name, square_store.ids) == ("000002", ("000000", "000001", "000002"))
    for store in (square_store, EpisodeStore(square_store.root)):
        back = store.read(name)
        for got, given in zip(back[:5], episode[:5], strict=True):
            assert got.dtype == given.dtype
            np.testing.assert_array_equal(got, given)
        assert back.meta == episode.meta
        assert not back.frames.flags.writeable
    assert square_store.lengths.tolist() == [6, 6, 13]
    assert square_store.cameras == ("front", "left", "right")


def test_the_picture_of_a_goal_is_kept_and_verified_where_there_is_one(square_store: EpisodeStore) -> None:
    picture = np.arange(32 * 32 * 3, dtype=np.uint8).reshape(32, 32, 3)
    name = square_store.add(moving_square(5)._replace(pursued=picture))
    store = EpisodeStore(square_store.root)
    pursued = [store.read(id).pursued for id in store.ids]
    assert pursued[:2] == [None, None]
    np.testing.assert_array_equal(pursued[2], picture)
    file = store.root / name / "pursued.npy"
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    assert "pursued.npy does not match its sha256" in store.verify()[0]
    for wrong in (picture / 255, picture[:0]):
        with pytest.raises(InputError, match=r"pursued is .*; allowed is uint8"):
            store.add(moving_square(5)._replace(pursued=wrong))


def test_clips_equals_a_naive_loop(tiny_store: EpisodeStore) -> None:
    store = EpisodeStore(tiny_store.root)
    pick = random_pick(store, np.random.default_rng(0), context=True)
    clips = store.clips(pick)
    assert clips.frames.shape == (7, 2, 3, 3, 32, 32)
    assert clips.frames.dtype == torch.uint8
    assert clips.frames.movedim(-3, -1).is_contiguous()  # H, W, 3 in memory: channels last at no cost
    assert clips.success is not None and clips.context is not None
    assert clips.state is not None and clips.action is not None
    for b, index in enumerate(pick.episode):
        episode = store.read(store.ids[index])
        assert clips.success[b].item() is episode.meta["success"]
        first = episode.frames[pick.view[b, 0], 0].transpose(2, 0, 1)
        np.testing.assert_array_equal(clips.context[b].numpy(), first)
        for v, view in enumerate(pick.view[b]):
            for t, step in enumerate(pick.step[b, v]):
                image = episode.frames[view, step].transpose(2, 0, 1)
                np.testing.assert_array_equal(clips.frames[b, v, t].numpy(), image)
                np.testing.assert_array_equal(clips.state[b, v, t].numpy(), episode.state[step])
                action = episode.action[min(step, len(episode.action) - 1)]
                np.testing.assert_array_equal(clips.action[b, v, t].numpy(), action)


def test_context_and_unknown_state_are_none(tmp_path: Path, tiny_store: EpisodeStore) -> None:
    assert tiny_store.clips(random_pick(tiny_store, np.random.default_rng(1))).context is None
    store = EpisodeStore(tmp_path / "video", create=True)
    store.add(moving_square(0)._replace(state=np.zeros((13, 0), np.float32)))
    assert store.clips(random_pick(store, np.random.default_rng(1))).state is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"episode": np.array([6])}, "episode runs from 6 to 6; allowed are 0 to 5"),
        ({"episode": np.array([-1])}, "episode runs from -1"),
        ({"view": np.array([[3]])}, "view runs from 3 to 3; allowed are 0 to 2"),
        ({"step": np.array([[[10]]])}, "step runs from 10 to 10; allowed are 0 to 9"),
        ({"step": np.array([[[-1]]])}, "step runs from -1"),
        ({"step": np.array([[[0.5]]])}, "step is float64; allowed are integers"),
        ({"step": [[[0]]]}, "step is a list; allowed is a NumPy array"),
        ({"label": [0]}, "label is a list; allowed is a NumPy array"),
        ({"step": np.array([[0]])}, r"allowed are \(B,\), \(B, V\), \(B, V, T\)"),
        ({"view": np.array([[0], [1]])}, r"allowed are \(B,\), \(B, V\), \(B, V, T\)"),
    ],
)
def test_pick_outside_the_store_is_refused(
    tiny_store: EpisodeStore, change: dict[str, np.ndarray], message: str
) -> None:
    pick = Pick(np.array([0]), np.array([[0]]), np.array([[[0]]]))._replace(**change)
    with pytest.raises(InputError, match=message):
        tiny_store.clips(pick)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"frames": np.zeros((3, 13, 8, 8, 3), np.float32)}, "frames is float32"),
        (
            {"frames": np.zeros((2, 13, 8, 8, 3), np.uint8)},
            r"frames is uint8 \(2, .*allowed is uint8 \(3, 13, any, any, 3\)",
        ),
        ({"state": np.full((13, 2), np.nan, np.float32)}, "state has values that are not finite"),
        ({"action": np.zeros((13, 2), np.float32)}, "action is float32"),
        ({"reward": np.zeros((12, 1), np.float32)}, "reward is float32"),
        ({"frames": [[[0]]]}, "frames is a list; allowed is a NumPy array"),
        ({"reward": None}, "reward is a NoneType; allowed is a NumPy array"),
        ({"meta": None}, "meta is None; allowed is a dict"),
        ({"proprio": np.array([None] * 13).reshape(13, 1)}, "proprio is object"),
    ],
)
def test_add_refuses_wrong_arrays(square_store: EpisodeStore, change: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(InputError, match=message):
        square_store.add(moving_square(0)._replace(**change))
    assert len(list(square_store.root.iterdir())) == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cameras": "front"}, "meta.'cameras'. is 'front'"),
        ({"success": 1}, "meta.'success'. is 1"),
        ({"length": 0}, "meta.'length'. is 0"),
        ({"note": np.float32(1)}, "meta is not JSON"),
        ({"loss": float("nan")}, "meta is not JSON"),
        ({"digest": "x"}, "meta has the key 'digest'"),
    ],
)
def test_add_refuses_wrong_meta(square_store: EpisodeStore, change: dict[str, object], message: str) -> None:
    episode = moving_square(0)
    with pytest.raises(InputError, match=message):
        square_store.add(episode._replace(meta={**episode.meta, **change}))


@pytest.mark.parametrize("name", ["../out", ".tmp-1", "", "a/b"])
def test_ids_stay_inside_the_store(square_store: EpisodeStore, name: str) -> None:
    with pytest.raises(InputError, match="allowed are up to 100 letters, digits"):
        square_store.add(moving_square(0), name)


def test_an_id_is_given_once(square_store: EpisodeStore) -> None:
    assert square_store.add(moving_square(3), "demo-7") == "demo-7"
    before = square_store.digest()
    with pytest.raises(InputError, match="has an episode 'demo-7' already"):
        square_store.add(moving_square(4), "demo-7")
    assert EpisodeStore(square_store.root).digest() == before
    with pytest.raises(InputError, match="no episode 'demo-8'; the nearest are demo-7"):
        square_store.read("demo-8")


def damage_cut(root: Path) -> str:
    path = root / "000001" / "frames.npy"
    path.write_bytes(path.read_bytes()[:-100])
    return "frames.npy has .* bytes; its meta.json says"


def damage_missing(root: Path) -> str:
    (root / "000001" / "action.npy").unlink()
    return "action.npy cannot be read .No such file"


def damage_header(root: Path) -> str:
    path = root / "000001" / "reward.npy"
    path.write_bytes(b"\x00" * path.stat().st_size)
    return "reward.npy cannot be read"


def damage_pickle(root: Path) -> str:
    path = root / "000001" / "reward.npy"
    body = pickle.dumps(print)
    path.write_bytes(body + b"\x00" * (path.stat().st_size - len(body)))
    return "reward.npy cannot be read"


def damage_dtype(root: Path) -> str:
    path = root / "000001" / "state.npy"
    path.write_bytes(path.read_bytes().replace(b"<f4", b"<i4"))
    return "state.npy is int32"


def damage_meta(root: Path) -> str:
    (root / "000001" / "meta.json").write_text('{"format": "sslc')
    return "meta.json cannot be read"


def damage_meta_value(root: Path) -> str:
    path = root / "000001" / "meta.json"
    path.write_text(path.read_text().replace('"seed": 1', '"seed": 2'))
    return "meta.json does not match its own digest"


def damage_format(root: Path) -> str:
    (root / "000001" / "meta.json").write_text('{"format": "other"}')
    return "meta.json is of format 'other'"


DAMAGES = [
    damage_cut,
    damage_missing,
    damage_header,
    damage_pickle,
    damage_dtype,
    damage_meta,
    damage_meta_value,
    damage_format,
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_one_clear_line(square_store: EpisodeStore, damage) -> None:
    message = damage(square_store.root)
    store = EpisodeStore(square_store.root)
    with pytest.raises(DataError, match=message) as caught:
        store.read("000001")
    assert "\n" not in str(caught.value)
    assert "delete its folder" in str(caught.value) or "record" in str(caught.value)
    assert caught.value.exit_code == 3
    assert store.read("000000").meta["seed"] == 0
    (problem,) = store.verify()
    assert "000001" in problem


def test_verify_finds_one_flipped_bit(square_store: EpisodeStore) -> None:
    assert square_store.verify() == []
    path = square_store.root / "000000" / "frames.npy"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    (problem,) = square_store.verify()
    assert "000000/frames.npy does not match its sha256" in problem
    with pytest.raises(DataError, match=r"frames\.npy does not match its sha256") as caught:
        square_store.intact()
    assert "more" not in str(caught.value)
    (square_store.root / "000001" / "state.npy").unlink()
    with pytest.raises(DataError, match=r"frames\.npy does not match .* \(and 1 more\)"):
        square_store.intact()


def test_a_folder_of_other_things_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    with pytest.raises(DataError, match=r"checkpoints has no meta\.json: it is no episode") as caught:
        _ = EpisodeStore(tmp_path).layout
    assert "delete" not in str(caught.value)


def test_missing_or_empty_store_is_a_data_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not a folder of episodes"):
        EpisodeStore(tmp_path / "nothing")
    with pytest.raises(DataError, match="holds no episode"):
        _ = EpisodeStore(tmp_path / "new", create=True).layout


def test_unlike_episodes_are_refused(square_store: EpisodeStore) -> None:
    name = square_store.add(moving_square(1, size_px=16))
    with pytest.raises(DataError, match="frames of sizes"):
        square_store.clips(Pick(np.array([0, 2]), np.array([[0], [0]]), np.zeros((2, 1, 1), int)))
    square_store.add(moving_square(1, views=2))
    with pytest.raises(DataError, match=r"has cameras .'front', 'left'., the first has"):
        _ = square_store.layout
    assert square_store.subset([name]).lengths.tolist() == [13]


def test_what_is_added_after_a_batch_is_in_the_next(square_store: EpisodeStore) -> None:
    first = Pick(np.array([0]), np.array([[0]]), np.array([[[3]]]))
    square_store.clips(first)
    id = square_store.add(moving_square(7, steps=5))
    clips = square_store.clips(first._replace(episode=np.array([square_store.ids.index(id)])))
    assert clips.proprio is not None
    np.testing.assert_array_equal(clips.proprio[0, 0, 0].numpy(), square_store.read(id).proprio[3])
    odd = moving_square(8, steps=5)
    square_store.add(odd._replace(proprio=np.zeros((6, 9), np.float32)))
    with pytest.raises(DataError, match=r"proprio of sizes .*allowed is one size; use subset\(\)"):
        square_store.clips(first)


def test_subset_and_digest(tiny_store: EpisodeStore) -> None:
    part = tiny_store.subset(tiny_store.ids[::2])
    assert part.ids == tiny_store.ids[::2]
    assert part.lengths.tolist() == tiny_store.lengths[::2].tolist()
    clips = part.clips(Pick(np.array([1]), np.array([[0]]), np.array([[[4]]])))
    wanted = tiny_store.read(tiny_store.ids[2]).frames[0, 4]
    np.testing.assert_array_equal(clips.frames[0, 0, 0].permute(1, 2, 0).numpy(), wanted)
    assert part.digest() != tiny_store.digest() == EpisodeStore(tiny_store.root).digest()
    with pytest.raises(InputError, match="no episode"):
        part.read(tiny_store.ids[1])
    with pytest.raises(InputError, match="no episode 'x'"):
        tiny_store.subset(["x"])


def test_meta_on_disk_says_what_the_design_says(square_store: EpisodeStore) -> None:
    meta = json.loads((square_store.root / "000000" / "meta.json").read_text())
    assert meta["format"] == "sslctrl-episode-1"
    assert sorted(meta["files"]) == ["action.npy", "frames.npy", "proprio.npy", "reward.npy", "state.npy"]
    assert isinstance(square_store.read("000000"), Episode)


def test_what_was_read_cannot_change_what_is_read_next(square_store: EpisodeStore) -> None:
    first = square_store.read("000000")
    for name in ("frames", "state", "proprio", "action", "reward"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(first, name)[...] = 0
    before = first.meta["cameras"].copy()
    first.meta["cameras"].clear()
    assert square_store.read("000000").meta["cameras"] == before

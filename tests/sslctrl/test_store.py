from __future__ import annotations

import errno
import json
import os
import pickle
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from squares import moving_square

from sslctrl import durable
from sslctrl.clips import Episode, Pick
from sslctrl.errors import DataError, InputError, StorageError
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


def test_processes_add_at_once(tmp_path: Path) -> None:
    root = tmp_path / "store"
    program = (
        "import sys; from squares import moving_square; from sslctrl.store import EpisodeStore\n"
        "store = EpisodeStore(sys.argv[1], create=True)\n"
        "for n in range(8): store.add(moving_square(int(sys.argv[2]) + n, steps=3, size_px=8))"
    )
    firsts = (0, 100, 200)
    children = [
        subprocess.Popen([sys.executable, "-c", program, str(root), str(first)], env=_path_env()) for first in firsts
    ]
    assert [child.wait() for child in children] == [0, 0, 0]
    store = EpisodeStore(root)
    assert store.ids == tuple(f"{n:06d}" for n in range(24))
    assert sorted(store.read(name).meta["seed"] for name in store.ids) == [f + n for f in firsts for n in range(8)]
    assert store.verify() == []


def test_leftovers_are_ignored_and_old_ones_are_swept(square_store: EpisodeStore) -> None:
    root = square_store.root
    for name in (".tmp-old", ".tmp-young"):
        (root / name).mkdir()
        (root / name / "frames.npy").write_bytes(b"half")
    hour_ago = time.time() - 3600
    os.utime(root / ".tmp-old", (hour_ago, hour_ago))
    assert EpisodeStore(root).ids == square_store.ids
    assert EpisodeStore(root, create=True).ids == square_store.ids
    assert not (root / ".tmp-old").exists()
    assert (root / ".tmp-young").exists()  # perhaps another process writes it at this moment


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_disk_that_refuses_leaves_nothing(
    square_store: EpisodeStore, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(durable.os, "fsync", refuse)
    with pytest.raises(StorageError, match="no room to write" if number != errno.EIO else "cannot write") as caught:
        square_store.add(moving_square(9))
    assert caught.value.exit_code == 5
    assert sorted(path.name for path in square_store.root.iterdir()) == ["000000", "000001"]
    monkeypatch.undo()
    assert square_store.add(moving_square(9)) == "000002"


def test_a_full_disk_for_real_leaves_nothing(square_store: EpisodeStore) -> None:
    """The kernel itself refuses bytes here: the process may write no file above 4 kB."""
    program = (
        "import resource, sys\n"
        "sys.path.insert(0, sys.argv[2])\n"
        "from squares import moving_square\n"
        "from sslctrl.errors import StorageError\n"
        "from sslctrl.store import EpisodeStore\n"
        "store, episode = EpisodeStore(sys.argv[1]), moving_square(0)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "try:\n    store.add(episode)\n"
        "except StorageError as error:\n    sys.exit('no room' in str(error) and 5)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(square_store.root), str(Path(__file__).parents[1])])
    assert done.returncode == 5
    assert sorted(path.name for path in square_store.root.iterdir()) == ["000000", "000001"]


def test_a_killed_writer_leaves_only_whole_episodes(tmp_path: Path) -> None:
    root = tmp_path / "store"
    program = (
        "import sys; sys.path.insert(0, sys.argv[2]); from test_store import add_forever; add_forever(sys.argv[1])"
    )
    child = subprocess.Popen([sys.executable, "-c", program, str(root), str(Path(__file__).parent)], env=_path_env())
    deadline = time.monotonic() + 60
    while not (root / "000003").exists() and time.monotonic() < deadline:
        time.sleep(0.005)
    child.kill()
    child.wait()
    store = EpisodeStore(root)
    assert len(store) >= 4
    assert store.verify() == []
    assert store.lengths.tolist() == [5] * len(store)


def add_forever(root: str) -> None:
    store = EpisodeStore(root, create=True)
    while True:
        store.add(moving_square(len(store), steps=4))


def _path_env() -> dict[str, str]:
    tests = Path(__file__).parents[1]
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(tests), str(tests.parent)])}


def test_recording_and_reading_need_no_torch(square_store: EpisodeStore) -> None:
    program = (
        "import sys; from sslctrl.store import EpisodeStore; from sslctrl.registry import Registry\n"
        "from sslctrl.fit_config import FitConfig; from sslctrl import clips, rng\n"
        "store = EpisodeStore(sys.argv[1], create=True); store.add(store.read('000000')); FitConfig()\n"
        "assert store.layout.views == 3 and not store.verify(); sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", program, str(square_store.root)], env=_path_env())
    assert done.returncode == 0


def test_meta_on_disk_says_what_the_design_says(square_store: EpisodeStore) -> None:
    meta = json.loads((square_store.root / "000000" / "meta.json").read_text())
    assert meta["format"] == "sslctrl-episode-1"
    assert sorted(meta["files"]) == ["action.npy", "frames.npy", "proprio.npy", "reward.npy", "state.npy"]
    assert isinstance(square_store.read("000000"), Episode)


def test_few_file_handles_are_enough(square_store: EpisodeStore) -> None:
    for _ in range(70):
        square_store.add(moving_square(1, steps=2))
    code = (
        "import resource, sys, numpy as np; resource.setrlimit(resource.RLIMIT_NOFILE, (100, 128)); "
        "from sslctrl.store import EpisodeStore; from sslctrl.clips import Pick; store = EpisodeStore(sys.argv[1]); "
        "one = np.zeros((1, 1), int); store.intact(); "
        "[store.clips(Pick(np.array([i]), one, one[..., None])) for i in range(len(store))]"
    )
    done = subprocess.run([sys.executable, "-c", code, str(square_store.root)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-500:]


def test_what_is_to_be_replaced_is_there_until_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, real, calls = tmp_path / "step-1", os.rename, []
    durable.publish(folder, {"a": b"old"})

    def second_fails(source: Path, target: Path) -> None:
        calls.append(source)
        if len(calls) == 2:
            raise OSError(errno.EIO, "Input/output error")
        real(source, target)

    monkeypatch.setattr(durable.os, "rename", second_fails)
    with pytest.raises(StorageError):
        durable.publish(folder, {"a": b"new"}, replace=True)
    monkeypatch.undo()
    assert (folder / "a").read_bytes() == b"old" and list(tmp_path.iterdir()) == [folder]
    folder.rename(tmp_path / f"{durable.ASIDE}step-1-old")  # as a kill between the two would leave it
    durable.sweep(tmp_path)
    assert (folder / "a").read_bytes() == b"old"
    durable.publish(folder, {"a": b"new"}, replace=True)
    assert (folder / "a").read_bytes() == b"new" and list(tmp_path.iterdir()) == [folder]

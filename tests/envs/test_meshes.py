"""Meshes are closed, wound outwards, and survive files and decimation."""

import numpy as np
import pytest

from envs import meshes, panda_mesh
from envs.meshes import Mesh
from envs.obj import load_obj
from envs.shapes import SHAPES, shape
from sslctrl.errors import InputError, StorageError

SOLIDS = {
    "box": (meshes.box(0.2, 0.3, 0.4), 0.2 * 0.3 * 0.4),
    "cylinder": (meshes.cylinder(0.1, 0.3, sides=200), np.pi * 0.1**2 * 0.3),
    "sphere": (meshes.sphere(0.1, sides=100), 4 / 3 * np.pi * 0.1**3),
}


def volume(mesh: Mesh) -> float:
    a, b, c = mesh.vertices[mesh.faces].astype(np.float64).transpose(1, 0, 2)
    return float((a * np.cross(b, c)).sum() / 6)


def is_closed(mesh: Mesh) -> bool:
    """Every directed edge occurs once, and so does its reverse."""
    f = mesh.faces
    edges = [tuple(e) for e in np.concatenate([f[:, [0, 1]], f[:, [1, 2]], f[:, [2, 0]]]).tolist()]
    directed = set(edges)
    return len(directed) == len(edges) and all((b, a) in directed for a, b in edges)


@pytest.mark.parametrize("name", SOLIDS)
def test_primitives_are_closed_and_have_their_volume(name):
    mesh, expected = SOLIDS[name]
    assert is_closed(mesh)
    assert volume(mesh) == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize("name", SHAPES)
def test_shapes_are_closed_distinct_and_graspable(name):
    mesh = shape(name, 0.06, (1.0, 0.0, 0.0))
    assert is_closed(mesh)
    assert volume(mesh) > 0.06**3 / 10
    extent = np.ptp(mesh.vertices, axis=0)
    assert extent.max() <= 0.0601  # the gripper opens .08
    assert (mesh.colors == (1.0, 0.0, 0.0)).all()
    others = [np.sort(SHAPES[other](0.06).vertices.ravel()) for other in SHAPES if other != name]
    own = np.sort(mesh.vertices.ravel())
    assert all(len(other) != len(own) or not np.allclose(other, own) for other in others)


def test_unknown_shape_lists_what_there_is():
    with pytest.raises(InputError, match="cube"):
        shape("dodecahedron")


def test_checkerboard_faces_up_and_alternates():
    board = meshes.plane(2.0, 1.0, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), cells=4)
    a, b, c = board.vertices[board.faces].transpose(1, 0, 2)
    normals = np.cross(b - a, c - a)
    assert (normals[:, 2] > 0).all()
    assert normals[:, 2].sum() / 2 == pytest.approx(2.0)
    center = board.vertices[board.faces].mean(axis=1)
    odd = (np.floor((center[:, 0] + 1) / 0.5) + np.floor((center[:, 1] + 0.5) / 0.25)) % 2
    np.testing.assert_array_equal(board.colors[:, 0], odd)


def test_tray_encloses_its_inside():
    tray = meshes.tray(0.3, 0.2, 0.02, 0.01)
    np.testing.assert_allclose(np.ptp(tray.vertices, axis=0), (0.32, 0.22, 0.02), atol=1e-6)
    inside = (np.abs(tray.vertices[:, :2]) < np.array((0.149, 0.099))).all(axis=1)
    assert not inside.any()


def test_moved_and_merged():
    quarter = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    one = meshes.box(0.2, 0.4, 0.6)
    both = meshes.merge([one, meshes.moved(one, (1.0, 2.0, 3.0), quarter)])
    np.testing.assert_allclose(both.vertices[8:].mean(axis=0), (1.0, 2.0, 3.0), atol=1e-6)
    np.testing.assert_allclose(np.ptp(both.vertices[8:], axis=0), (0.4, 0.2, 0.6), atol=1e-6)
    assert volume(both) == pytest.approx(2 * volume(one), rel=1e-5)


def test_obj_has_its_materials_colors(tmp_path):
    (tmp_path / "two.mtl").write_text("newmtl red\nKd 1 0 0\nnewmtl blue\nKd 0 0 0.5\n")
    path = tmp_path / "two.obj"
    path.write_text("mtllib two.mtl\nv 0 0 0\nv 1 0 0\nv 0 1 0\nusemtl blue\nf 1 2 3\nusemtl red\nf 3 2 1\n")
    mesh = load_obj(path)
    np.testing.assert_array_equal(mesh.vertices, [[0, 0, 0], [1, 0, 0], [0, 1, 0]])
    assert mesh.faces.tolist() == [[0, 1, 2], [2, 1, 0]]
    np.testing.assert_allclose(mesh.colors, [[0, 0, 0.5], [1, 0, 0]], atol=1e-6)


def test_obj_reads_polygons_slashes_and_negative_indices(tmp_path):
    path = tmp_path / "quad.obj"
    path.write_text("v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nf 1/1/1 2//2 3 -1\n")
    mesh = load_obj(path, (0.1, 0.2, 0.3))
    assert mesh.faces.tolist() == [[0, 1, 2], [0, 2, 3]]
    np.testing.assert_allclose(mesh.colors, [[0.1, 0.2, 0.3]] * 2, atol=1e-6)


@pytest.mark.parametrize(
    "text", ["v 0 0 zero\n", "v 0 0\n", "v 0 0 nan\n", "v 0 0 0\nf 1 2 3\n", "v 0 0 0\nf 0 1 1\n", ""]
)
def test_damaged_obj_is_an_input_error(tmp_path, text):
    (tmp_path / "bad.obj").write_text(text)
    with pytest.raises(InputError, match=r"bad\.obj"):
        load_obj(tmp_path / "bad.obj")


def test_missing_obj_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        load_obj(tmp_path / "none.obj")


def test_decimation_keeps_shape_colors_and_is_repeatable():
    ball = meshes.sphere(0.1, (1.0, 0.0, 0.0), sides=60)
    two = meshes.merge([ball, meshes.moved(meshes.painted(ball, (0.0, 0.0, 1.0)), (0.5, 0.0, 0.0))])
    small = panda_mesh.decimate(two, 400)
    assert 300 <= len(small.faces) <= 420
    assert volume(small) == pytest.approx(volume(two), rel=0.05)
    blue = (small.colors == (0.0, 0.0, 1.0)).all(axis=1)
    assert small.vertices[small.faces[blue]][..., 0].min() > 0.39
    for one, other in zip(small, panda_mesh.decimate(two, 400), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.fixture
def fresh_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SSLCTRL_CACHE", str(tmp_path / "cache"))
    panda_mesh.panda_links.cache_clear()
    yield tmp_path / "cache"
    panda_mesh.panda_links.cache_clear()


def test_panda_links_are_cached_repaired_and_read_only(fresh_cache):
    first = panda_mesh.panda_links()
    assert next(iter(first)) == "panda_link0" and len(first) == 11
    assert all(180 <= len(mesh.faces) <= 450 for mesh in first.values())
    assert all(volume(mesh) > 0 for mesh in first.values())  # wound outwards
    assert not first["panda_hand"].vertices.flags.writeable
    (path,) = fresh_cache.glob("*.npz")
    written = path.read_bytes()
    path.write_bytes(written[:1000])  # as a full disk would leave it
    panda_mesh.panda_links.cache_clear()
    again = panda_mesh.panda_links()
    assert path.read_bytes() == written
    for name in first:
        for one, other in zip(first[name], again[name], strict=True):
            np.testing.assert_array_equal(one, other)


def test_right_finger_is_the_left_one_turned_half_round(fresh_cache):
    links = panda_mesh.panda_links()
    left, right = links["panda_leftfinger"].vertices, links["panda_rightfinger"].vertices
    np.testing.assert_allclose(right, left * (-1, -1, 1), atol=1e-6)


def test_unwritable_cache_says_what_to_do(fresh_cache):
    fresh_cache.write_text("a file where the folder should be")
    with pytest.raises(StorageError, match="SSLCTRL_CACHE"):
        panda_mesh.panda_links()

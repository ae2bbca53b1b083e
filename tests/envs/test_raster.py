"""The rasteriser against rays, against TinyRenderer, and against itself."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest

from envs.cameras import Camera, pixel_matrix, rig
from envs.env import RENDERERS
from envs.looks import Look, default_look, random_look
from envs.meshes import Part, box, cylinder, merge, moved, plane, sphere, tray
from envs.panda_mesh import panda_links
from envs.render import RasterRenderer
from envs.shapes import SHAPES, shape
from sslctrl.errors import InputError

CENTER_M = (0.45, 0.0, 0.0)
CAMERAS = tuple(rig(CENTER_M).values())
LOOK = default_look()


def pose(position=(0.0, 0.0, 0.0), yaw=0.0, roll=0.0):
    (cy, sy), (cr, sr) = (np.cos(yaw), np.sin(yaw)), (np.cos(roll), np.sin(roll))
    turn = np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]]) @ np.array([[1, 0, 0], [0, cr, -sr], [0, sr, cr]])
    return np.column_stack([turn, position])


def cast_rays(parts, poses, camera, size_px):
    """Brute force: nearest front face along the ray through every pixel's centre. Depth (H, W) and part (H, W)."""
    matrix = pixel_matrix(camera, size_px, size_px)
    eye = np.asarray(camera.eye_m)
    columns, rows = np.meshgrid(np.arange(size_px) + 0.5, np.arange(size_px) + 0.5)
    ends = np.stack([columns, rows, np.ones_like(rows)]).reshape(3, -1)
    rays = np.linalg.solve(matrix[:, :3], ends).T  # one metre of depth each
    depth, part = np.full(len(rays), camera.far_m), np.full(len(rays), -1)
    for i, (p, m) in enumerate(zip(parts, poses, strict=True)):
        for a, b, c in (p.mesh.vertices @ m[:, :3].T + m[:, 3])[p.mesh.faces].astype(np.float64):
            normal = np.cross(b - a, c - a)
            with np.errstate(divide="ignore", invalid="ignore"):
                t = normal @ (a - eye) / (rays @ normal)
            hit = eye + t[:, None] * rays
            inside = [np.cross(e, hit - o) @ normal >= 0 for o, e in ((a, b - a), (b, c - b), (c, a - c))]
            new = (rays @ normal < 0) & np.all(inside, axis=0) & (t > camera.near_m) & (t < depth)
            depth[new], part[new] = t[new], i
    return depth.reshape(size_px, size_px), part.reshape(size_px, size_px)


def small_scene(rng):
    parts = [
        Part("table", -1, plane(1.6, 1.6)),
        Part("ball", -1, sphere(0.05, sides=12)),
        Part("block", -1, box(0.1, 0.06, 0.08)),
        Part("star", -1, shape("star", 0.09)),
    ]
    spots = np.add(CENTER_M, rng.uniform((-0.1, -0.1, 0.03), (0.1, 0.1, 0.12), (3, 3)))
    return parts, np.array([pose(), *(pose(s, *rng.uniform(-3, 3, 2)) for s in spots)])


@pytest.mark.parametrize("seed", range(3))
def test_every_pixel_is_what_a_ray_meets(seed):
    rng = np.random.default_rng(seed)
    parts, poses = small_scene(rng)
    images = RasterRenderer(parts).render_all(poses, CAMERAS, 48, LOOK)
    for view, camera in enumerate(CAMERAS):
        depth, part = cast_rays(parts, poses, camera, 48)
        same = images.segmentation[view] == part
        assert (~same).sum() <= 6  # pixels whose centre an edge passes within 1/256
        np.testing.assert_allclose(images.depth[view][same], depth[same], rtol=2e-3)
        assert np.median(np.abs(images.depth[view] - depth)) < 5e-5


def test_near_plane_cuts_and_does_not_drop():
    """A camera that stands on the floor: most of the floor's triangles reach behind it."""
    parts, poses = (
        [Part("floor", -1, plane(4.0, 4.0, cells=2)), Part("wall", -1, box(0.1, 4.0, 1.0))],
        np.array([pose(), pose((1.0, 0.0, 0.0))]),
    )
    camera = Camera("low", (0.1, 0.05, 0.2), (1.0, 0.0, 0.1), near_m=0.3)
    image = RasterRenderer(parts).render_all(poses, [camera], 64, LOOK)
    depth, part = cast_rays(parts, poses, camera, 64)
    assert (part == 0).sum() > 1000
    assert (image.segmentation[0] != part).sum() <= 6
    np.testing.assert_allclose(
        image.depth[0][image.segmentation[0] == part], depth[image.segmentation[0] == part], rtol=1e-3
    )


def test_neighbouring_triangles_leave_no_gap():
    board = Part("board", -1, plane(3.0, 3.0, cells=37))
    for angle in np.linspace(0, 1.5, 7):
        image = RasterRenderer([board]).render_all(pose(yaw=angle)[None], [CAMERAS[0]], 96, LOOK)
        assert (image.segmentation == 0).all()


def test_colors_and_light_by_hand():
    """Under a light from straight above a floor is as bright as its colour; an upright wall gets the ambient share."""
    parts = [Part("floor", -1, plane(8.0, 8.0, (0.2, 0.4, 0.8)))]
    look = Look(light=(0.0, 0.0, 2.0), ambient=0.3, background=(1.0, 0.0, 0.5))
    down = Camera("down", (0, 0, 1), (0, 0, 0), (0, 1, 0))
    image = RasterRenderer(parts).render(pose()[None], [down], 16, look)
    assert (image == (51, 102, 204)).all()
    upright = RasterRenderer(parts).render(
        pose((0, -1, 0), roll=-np.pi / 2)[None], [down._replace(eye_m=(0, 3, 0), up=(0, 0, 1))], 16, look
    )
    assert (upright == np.rint(np.array((51, 102, 204)) * 0.3)).all()
    behind = RasterRenderer(parts).render(pose()[None], [down._replace(eye_m=(0, 0, -1))], 16, look)
    assert (behind == (255, 0, 128)).all()


def test_smooth_shading_bends_only_round_surfaces():
    camera = Camera("side", (0.5, 0, 0), (0, 0, 0), far_m=3.0)
    look = Look(light=(0.3, 1.0, 0.2))
    ball = RasterRenderer([Part("ball", -1, sphere(0.1, sides=24))]).render(pose()[None], [camera], 64, look)
    block = RasterRenderer([Part("block", -1, box(0.15, 0.15, 0.15))]).render(pose()[None], [camera], 64, look)
    assert len(np.unique(ball.reshape(-1, 3), axis=0)) > 40
    assert len(np.unique(block.reshape(-1, 3), axis=0)) == 2  # one face and the background


def test_look_overrides_tints_and_keeps_task_colors():
    parts = [Part("a", -1, plane(8, 8, (0.5, 0.5, 0.5)))]
    renderer, camera = RasterRenderer(parts), Camera("down", (0, 0, 1), (0, 0, 0), (0, 1, 0))
    bright = Look(light=(0, 0, 1), tints={"a": (0.5, 1.0, 0.0)})
    assert (renderer.render(pose()[None], [camera], 16, bright) == (64, 128, 0)).all()
    task = bright.with_colors({"a": (1.0, 0.0, 0.0)})
    assert (renderer.render(pose()[None], [camera], 16, task) == (255, 0, 0)).all()
    assert bright.colors == {}


def test_random_looks_are_repeatable_and_differ():
    parts = small_scene(np.random.default_rng(0))[0]
    one, same = (random_look(np.random.default_rng(1), parts, 1.0) for _ in range(2))
    assert one == same != random_look(np.random.default_rng(2), parts, 1.0)
    calm = random_look(np.random.default_rng(1), parts, 0.0)
    assert calm.ambient == LOOK.ambient and calm.background == LOOK.background
    assert set(calm.tints.values()) == {(1.0, 1.0, 1.0)}


def test_views_do_not_depend_on_each_other_or_on_history():
    parts, poses = small_scene(np.random.default_rng(5))
    renderer = RasterRenderer(parts)
    together = renderer.render(poses, CAMERAS, 64, LOOK)
    renderer.render(poses + 0.01, CAMERAS[::-1], 32, random_look(np.random.default_rng(0), parts, 1.0))
    for view, camera in enumerate(CAMERAS):
        np.testing.assert_array_equal(RasterRenderer(parts).render(poses, [camera], 64, LOOK)[0], together[view])
        np.testing.assert_array_equal(renderer.render(poses, [camera], (64, 64), LOOK)[0], together[view])


def test_oblong_pictures_show_the_same_scene_wider():
    parts, poses = small_scene(np.random.default_rng(6))
    renderer = RasterRenderer(parts)
    wide = renderer.render(poses, CAMERAS, (48, 96), LOOK)
    assert wide.shape == (5, 48, 96, 3)
    np.testing.assert_array_equal(wide[:, :, 24:72], renderer.render(poses, CAMERAS, 48, LOOK))


def test_another_process_gives_the_same_bytes():
    script = (
        "import sys; sys.path.insert(0, 'tests/envs'); import test_raster as t, numpy as np, hashlib;"
        "p, q = t.small_scene(np.random.default_rng(7));"
        "print(hashlib.sha256(t.RasterRenderer(p).render(q, t.CAMERAS, 64, t.LOOK).tobytes()).hexdigest())"
    )
    parts, poses = small_scene(np.random.default_rng(7))
    here = hashlib.sha256(RasterRenderer(parts).render(poses, CAMERAS, 64, LOOK).tobytes()).hexdigest()
    there = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert there.stdout.split()[-1] == here


def push_scene(rng):
    """The tray, a puck, an object, and the Panda's links strewn above them: no joints, but all their shapes."""
    parts = [
        Part("table", -1, plane(1.6, 1.6)),
        Part("tray", -1, tray(0.3, 0.3, 0.02, 0.01)),
        Part("puck", -1, cylinder(0.04, 0.03)),
        Part("object", -1, shape(rng.choice(list(SHAPES)), 0.08)),
        *(Part("panda", i, mesh) for i, mesh in enumerate(panda_links().values())),
    ]
    spots = np.add(CENTER_M, rng.uniform((-0.1, -0.1, 0.05), (0.1, 0.1, 0.05), (2, 3)))
    spots[0, 2] = 0.015
    links = np.add(CENTER_M, rng.uniform((-0.5, -0.4, 0.2), (0.1, 0.4, 0.5), (11, 3)))
    still = [pose(), pose(CENTER_M), pose(spots[0])]
    return parts, np.array([*still, *(pose(s, *rng.uniform(-3, 3, 2)) for s in (spots[1], *links))])


@pytest.mark.parametrize("seed", range(3))
def test_silhouettes_and_depth_agree_with_tiny_renderer(seed):
    parts, poses = push_scene(np.random.default_rng(seed))
    ours = RENDERERS["raster"](parts).render_all(poses, CAMERAS, 128, LOOK)
    theirs = RENDERERS["tiny"](parts).render_all(poses, CAMERAS, 128, LOOK)
    for view in range(len(CAMERAS)):
        for body in range(5):
            a, b = ours.segmentation[view] == body, theirs.segmentation[view] == body
            assert (a & b).sum() >= 0.95 * (a | b).sum(), (CAMERAS[view].name, parts[body].body)
    same = ours.segmentation == theirs.segmentation
    assert np.quantile(np.abs(ours.depth - theirs.depth)[same], 0.99) < 2e-3


def test_far_and_hidden_parts_change_nothing():
    parts, poses = small_scene(np.random.default_rng(8))
    more = [*parts, Part("parked", -1, merge([box(0.1, 0.1, 0.1), moved(sphere(0.1), (0.2, 0, 0))]))]
    far = np.concatenate([poses, pose((50.0, 50.0, 50.0))[None]])
    np.testing.assert_array_equal(
        RasterRenderer(more).render(far, CAMERAS, 64, LOOK), RasterRenderer(parts).render(poses, CAMERAS, 64, LOOK)
    )


def test_bad_requests_are_input_errors_that_name_the_trouble():
    parts, poses = small_scene(np.random.default_rng(0))
    renderer = RasterRenderer(parts)
    broken = poses.copy()
    broken[2, 1, 3] = np.nan
    cases = [
        (broken, CAMERAS, 64, LOOK, r"parts \[2\]"),
        (poses[:2], CAMERAS, 64, LOOK, r"\(4, 3, 4\)"),
        (poses, CAMERAS, 4, LOOK, "4 x 4"),
        (poses, CAMERAS, (64, 10**6), LOOK, "64 x 1000000"),
        (poses, [], 64, LOOK, "no cameras"),
        (poses, CAMERAS, 64, Look(colors={"bal": (1, 0, 0)}), "bal;"),
        (poses, CAMERAS, 64, Look(background=(2, 0, 0)), "between 0 and 1"),
        (poses, CAMERAS, 64, Look(ambient=np.nan), "between 0 and 1"),
        (poses, CAMERAS, 64, Look(light=(0, 0, 0)), "direction"),
    ]
    for *request, message in cases:
        with pytest.raises(InputError, match=message):
            renderer.render(*request)
    with pytest.raises(InputError, match="no parts"):
        RasterRenderer([])
    with pytest.raises(InputError, match="from 0"):
        random_look(np.random.default_rng(0), parts, -1.0)


def test_what_lies_beyond_the_far_plane_is_not_seen() -> None:
    wall, camera = RasterRenderer([Part("wall", -1, box(0.1, 4.0, 4.0))]), Camera("c", (0, 0, 0), (1, 0, 0), far_m=2.0)
    within, beyond = (wall.render_all(pose((x, 0, 0))[None], [camera], 16, LOOK) for x in (2.04, 2.06))
    assert (within.segmentation == 0).all() and (within.depth < 2).all()
    assert (beyond.segmentation == -1).all() and (beyond.depth == 2).all()


def test_what_the_near_plane_cuts_is_lit_as_the_rest() -> None:
    floor = RasterRenderer([Part("floor", -1, plane(4.0, 4.0, (1, 1, 1), cells=2))])
    camera = Camera("low", (0.1, 0.05, 0.2), (1.0, 0.0, 0.1), near_m=0.3)
    seen = floor.render_all(pose()[None], [camera], 64, Look(light=(0, 0, 1), ambient=0.3))
    on_it = seen.rgb[seen.segmentation == 0]
    assert len(on_it) > 500 and (on_it == 255).all()

"""The rasteriser's compiled kernels: triangles in, depth, face and light of every pixel out.

A z-buffer over 1/depth, which is linear on the screen. Corners are snapped to 1/256 pixel and edge functions are exact
integers, so neighbouring triangles never leave a gap (Pineda, "A parallel algorithm for polygon rasterization", 1988).
Nothing here depends on the order of threads or on the machine's load: same input, same bytes.
"""

from __future__ import annotations

import numpy as np
from numba import njit

# without numpy's error model every division is guarded by a branch and no loop with one is vectorised
compiled = njit(cache=True, nogil=True, error_model="numpy")
inlined = njit(cache=True, nogil=True, error_model="numpy", inline="always")

SUB = 256  # sub-pixel positions a pixel
HALF = SUB // 2
SHIFT = 8
LIMIT = np.float32(2.0**28)  # corners farther out than a million pixels are pulled in
BEHIND = np.float32(-1.0)  # 1/depth of a vertex nearer than the near plane
SPAN_PX = 8  # from this width on, rows are solved for their ends instead of testing every pixel


@compiled
def render(
    positions, normals, vertex_start, faces, face_start, spheres, poses, pixels, planes, near, far,
    light, ambient, colors, background, x, y, z, shade, front, depth, face_of, light_of, out,
):  # fmt: skip
    """Draw all views.

    positions, normals float32 (3, n); vertex_start, face_start int64 (P + 1,), where parts begin; faces uint32 (m, 3);
    spheres float64 (P, 4) centre and radius; poses float64 (P, 3, 4); pixels float64 (V, 3, 4) of cameras.pixel_matrix;
    planes float64 (V, 4, 4) sides of the view, inwards; near, far float64 (V,); light float64 (3,) towards the light;
    colors float32 (m, 3) and background float32 (3,) in [0, 255].
    Scratch: x, y int32 (n,), z, shade float32 (n,), front int32 (m,).
    Results: depth float32 (V, H, W) as 1/m, face_of int32 and light_of float32 (V, H, W), out uint8 (V, H, W, 3).
    """
    for part in range(len(poses)):
        light_part(normals, vertex_start[part], vertex_start[part + 1], poses[part], light, ambient, shade)
    for view in range(len(pixels)):
        depth[view] = np.float32(1.0 / far[view])
        face_of[view] = -1
        for part in range(len(poses)):
            pose = poses[part]
            seen, crossing = visible(spheres[part], pose, planes[view], pixels[view], near[view], far[view])
            if seen:
                m = compose(pixels[view], pose)
                a, b = vertex_start[part], vertex_start[part + 1]
                first, last = face_start[part], face_start[part + 1]
                if crossing:
                    closest = np.float32(near[view])
                    project_near(positions, a, b, m, closest, x, y, z)
                    draw_part_near(
                        faces, first, last, positions, m, closest, x, y, z, shade,
                        depth[view], face_of[view], light_of[view],
                    )  # fmt: skip
                else:
                    project(positions, a, b, m, x, y, z)
                    draw_part(faces, first, last, x, y, z, shade, front, depth[view], face_of[view], light_of[view])
        paint(face_of[view], light_of[view], colors, background, out[view])


@compiled
def light_part(normals, start, stop, pose, light, ambient, shade):
    """Lambert: ambient + (1 - ambient) max(0, normal . light), the light turned into the part's frame."""
    lx = np.float32(pose[0, 0] * light[0] + pose[1, 0] * light[1] + pose[2, 0] * light[2])
    ly = np.float32(pose[0, 1] * light[0] + pose[1, 1] * light[1] + pose[2, 1] * light[2])
    lz = np.float32(pose[0, 2] * light[0] + pose[1, 2] * light[1] + pose[2, 2] * light[2])
    base = np.float32(ambient)
    span = np.float32(1.0) - base
    zero = np.float32(0.0)
    nx, ny, nz, lit = normals[0, start:stop], normals[1, start:stop], normals[2, start:stop], shade[start:stop]
    for i in range(len(lit)):
        lit[i] = base + span * max(nx[i] * lx + ny[i] * ly + nz[i] * lz, zero)


@compiled
def visible(sphere, pose, planes, pixel, near, far):
    """(whether a part's bounding sphere meets the view, whether it may cross the near plane)."""
    cx = pose[0, 0] * sphere[0] + pose[0, 1] * sphere[1] + pose[0, 2] * sphere[2] + pose[0, 3]
    cy = pose[1, 0] * sphere[0] + pose[1, 1] * sphere[1] + pose[1, 2] * sphere[2] + pose[1, 3]
    cz = pose[2, 0] * sphere[0] + pose[2, 1] * sphere[1] + pose[2, 2] * sphere[2] + pose[2, 3]
    radius = sphere[3]
    w = pixel[2, 0] * cx + pixel[2, 1] * cy + pixel[2, 2] * cz + pixel[2, 3]
    if w + radius < near or w - radius > far:
        return False, False
    for i in range(4):
        if planes[i, 0] * cx + planes[i, 1] * cy + planes[i, 2] * cz + planes[i, 3] < -radius:
            return False, False
    return True, w - radius <= near


@compiled
def compose(pixel, pose):
    """Part frame to (x w, y w, w), float32 (3, 4), with x and y in sub-pixels."""
    m = np.empty((3, 4), np.float32)
    for i in range(3):
        scale = SUB if i < 2 else 1
        for j in range(4):
            total = pixel[i, 0] * pose[0, j] + pixel[i, 1] * pose[1, j] + pixel[i, 2] * pose[2, j]
            if j == 3:
                total += pixel[i, 3]
            m[i, j] = np.float32(scale * total)
    return m


@compiled
def project(positions, start, stop, m, x, y, z):
    """Vertices of a part that lies wholly beyond the near plane. (Slices: numba then vectorises the loop.)"""
    px, py, pz = positions[0, start:stop], positions[1, start:stop], positions[2, start:stop]
    x, y, z = x[start:stop], y[start:stop], z[start:stop]
    m00, m01, m02, m03 = m[0, 0], m[0, 1], m[0, 2], m[0, 3]
    m10, m11, m12, m13 = m[1, 0], m[1, 1], m[1, 2], m[1, 3]
    m20, m21, m22, m23 = m[2, 0], m[2, 1], m[2, 2], m[2, 3]
    one, half, limit = np.float32(1.0), np.float32(0.5), LIMIT
    for i in range(len(x)):
        inverse = one / (m20 * px[i] + m21 * py[i] + m22 * pz[i] + m23)
        sx = (m00 * px[i] + m01 * py[i] + m02 * pz[i] + m03) * inverse
        sy = (m10 * px[i] + m11 * py[i] + m12 * pz[i] + m13) * inverse
        x[i] = np.int32(np.floor(max(min(sx, limit), -limit) + half))
        y[i] = np.int32(np.floor(max(min(sy, limit), -limit) + half))
        z[i] = inverse


@compiled
def project_near(positions, start, stop, m, near, x, y, z):
    """The same for a part that may cross the near plane: vertices before it get z = BEHIND."""
    for i in range(start, stop):
        w = m[2, 0] * positions[0, i] + m[2, 1] * positions[1, i] + m[2, 2] * positions[2, i] + m[2, 3]
        if w < near:
            z[i] = BEHIND
        else:
            project(positions, i, i + 1, m, x, y, z)


@compiled
def draw_part(faces, start, stop, x, y, z, shade, front, depth, face_of, light_of):
    """All faces of a part that lies wholly beyond the near plane.

    Those turned to the camera are listed first, without a branch: processors guess badly which they are.
    """
    count = 0
    for f in range(start, stop):
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        front[count] = f
        count += signed_area(x[a], y[a], x[b], y[b], x[c], y[c]) > 0
    for i in range(count):
        f = front[i]
        draw_face(f, faces[f, 0], faces[f, 1], faces[f, 2], x, y, z, shade, depth, face_of, light_of)


@compiled
def draw_part_near(faces, start, stop, positions, m, near, x, y, z, shade, depth, face_of, light_of):
    """The same for a part that may cross the near plane."""
    corners = np.empty((3, 4), np.float32)
    for f in range(start, stop):
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        if z[a] > 0 and z[b] > 0 and z[c] > 0:
            draw_one(f, a, b, c, x, y, z, shade, depth, face_of, light_of)
        elif z[a] > 0 or z[b] > 0 or z[c] > 0:
            for i in range(3):
                v = faces[f, i]
                px, py, pz = positions[0, v], positions[1, v], positions[2, v]
                for j in range(3):
                    corners[i, j] = m[j, 0] * px + m[j, 1] * py + m[j, 2] * pz + m[j, 3]
                corners[i, 3] = shade[v]
            draw_clipped(f, corners, near, depth, face_of, light_of)


@compiled
def draw_clipped(f, corners, near, depth, face_of, light_of):
    """A triangle cut at the near plane: the three or four corners that remain, (x w, y w, w, light), drawn as a fan."""
    kept = np.empty((4, 4), np.float32)
    count = 0
    for i in range(3):
        k = (i + 1) % 3
        w, w_next = corners[i, 2], corners[k, 2]
        if w >= near:
            for j in range(4):
                kept[count, j] = corners[i, j]
            count += 1
        if (w >= near) != (w_next >= near):
            t = (near - w) / (w_next - w)
            for j in range(4):  # (loops, not slices: these compile several times faster)
                kept[count, j] = corners[i, j] + t * (corners[k, j] - corners[i, j])
            kept[count, 2] = near
            count += 1
    x, y = np.empty(4, np.int32), np.empty(4, np.int32)
    z, light = np.empty(4, np.float32), np.empty(4, np.float32)
    for i in range(count):
        z[i], light[i] = np.float32(1.0) / kept[i, 2], kept[i, 3]
        x[i] = np.int32(np.floor(max(min(kept[i, 0] * z[i], LIMIT), -LIMIT) + np.float32(0.5)))
        y[i] = np.int32(np.floor(max(min(kept[i, 1] * z[i], LIMIT), -LIMIT) + np.float32(0.5)))
    for i in range(1, count - 1):
        draw_one(f, np.uint32(0), np.uint32(i), np.uint32(i + 1), x, y, z, light, depth, face_of, light_of)


@compiled
def draw_one(f, a, b, c, x, y, z, shade, depth, face_of, light_of):
    """draw_face as a call: inlined once only, where it matters, it compiles in a third of the time."""
    draw_face(f, a, b, c, x, y, z, shade, depth, face_of, light_of)


@inlined
def signed_area(xa, ya, xb, yb, xc, yc):
    """Twice the area on the screen; positive where corners wind counter-clockwise in the world, as y points down."""
    return np.int64(xc - xa) * np.int64(yb - ya) - np.int64(xb - xa) * np.int64(yc - ya)


@inlined
def draw_face(f, a, b, c, x, y, z, shade, depth, face_of, light_of):
    """One face, if it is turned to the camera and its box holds the centre of a pixel."""
    xa, ya, xb, yb, xc, yc = x[a], y[a], x[b], y[b], x[c], y[c]
    left = max((min(xa, xb, xc) + (HALF - 1)) >> SHIFT, 0)
    right = min((max(xa, xb, xc) - HALF) >> SHIFT, depth.shape[1] - 1)
    top = max((min(ya, yb, yc) + (HALF - 1)) >> SHIFT, 0)
    bottom = min((max(ya, yb, yc) - HALF) >> SHIFT, depth.shape[0] - 1)
    area = signed_area(xa, ya, xb, yb, xc, yc)
    if (area > 0) & (left <= right) & (top <= bottom):
        fill(
            f, area, xa, ya, xb, yb, xc, yc, z[a], z[b], z[c], shade[a], shade[b], shade[c],
            left, right, top, bottom, depth, face_of, light_of,
        )  # fmt: skip


@inlined
def fill(
    f, area, xa, ya, xb, yb, xc, yc, za, zb, zc, sa, sb, sc, left, right, top, bottom, depth, face_of, light_of
):  # fmt: skip
    """Pixels whose centre lies in the triangle (edges included) and that are nearer than what is there."""
    x0, y0 = np.int64(left) * SUB + HALF, np.int64(top) * SUB + HALF
    # edge functions, positive inside; one pixel to the right adds d?x, one down adds d?y
    dax, day = np.int64(yc - yb) * SUB, np.int64(xb - xc) * SUB
    dbx, dby = np.int64(ya - yc) * SUB, np.int64(xc - xa) * SUB
    dcx, dcy = np.int64(yb - ya) * SUB, np.int64(xa - xb) * SUB
    ea = (x0 - xb) * np.int64(yc - yb) - (y0 - yb) * np.int64(xc - xb)
    eb = (x0 - xc) * np.int64(ya - yc) - (y0 - yc) * np.int64(xa - xc)
    ec = (x0 - xa) * np.int64(yb - ya) - (y0 - ya) * np.int64(xb - xa)
    scale = 1.0 / area
    z_row, s_row = (ea * za + eb * zb + ec * zc) * scale, (ea * sa + eb * sb + ec * sc) * scale
    zx, zy = np.float32((dax * za + dbx * zb + dcx * zc) * scale), (day * za + dby * zb + dcy * zc) * scale
    sx, sy = np.float32((dax * sa + dbx * sb + dcx * sc) * scale), (day * sa + dby * sb + dcy * sc) * scale
    wide = right - left >= SPAN_PX
    for row in range(top, bottom + 1):
        depth_row, face_row, light_row = depth[row], face_of[row], light_of[row]
        z32, s32 = np.float32(z_row), np.float32(s_row)
        if wide:
            low, high = span(ea, dax, 0, right - left)
            low, high = span(eb, dbx, low, high)
            low, high = span(ec, dcx, low, high)
            for k in range(low, high + 1):
                value = z32 + zx * np.float32(k)
                column = left + k
                if value > depth_row[column]:
                    depth_row[column] = value
                    face_row[column] = f
                    light_row[column] = s32 + sx * np.float32(k)
        else:
            wa, wb, wc = ea, eb, ec
            for k in range(right - left + 1):
                if (wa | wb | wc) >= 0:
                    value = z32 + zx * np.float32(k)
                    column = left + k
                    if value > depth_row[column]:
                        depth_row[column] = value
                        face_row[column] = f
                        light_row[column] = s32 + sx * np.float32(k)
                wa += dax
                wb += dbx
                wc += dcx
        ea += day
        eb += dby
        ec += dcy
        z_row += zy
        s_row += sy


@inlined
def span(edge, step, low, high):
    """The steps k in [low, high] with edge + k step >= 0."""
    if step > 0:
        if edge < 0:
            low = max(low, (-edge + step - 1) // step)
    elif step < 0:
        high = min(high, edge // -step) if edge >= 0 else -1
    elif edge < 0:
        high = -1
    return low, high


@compiled
def paint(face_of, light_of, colors, background, out):
    """Colour of every pixel: its face's colour times its light, or the background."""
    top = np.float32(255.0)
    half = np.float32(0.5)
    for row in range(face_of.shape[0]):
        for column in range(face_of.shape[1]):
            f = face_of[row, column]
            if f < 0:
                for j in range(3):
                    out[row, column, j] = np.uint8(background[j] + half)
            else:
                light = max(light_of[row, column], np.float32(0.0))
                for j in range(3):
                    out[row, column, j] = np.uint8(min(colors[f, j] * light + half, top))

"""Characters drawn in front of a background, part behind part, larger than asked and averaged down; with the true key points."""

import cv2
import numpy as np

from tcan.data.body import head_frame, head_radii, limbs, skirt_points, trunk
from tcan.data.characters import HEAD_COLUMNS, HEAD_ROWS
from tcan.data.motion import JOINT
from tcan.pose.keypoints import LIMBS, NAMES

SHIFT = 3       # binary digits of a pixel in cv2's fixed-point coordinates
ARC = np.linspace(0, np.pi, 8)
FACE = ("nose", "right_eye", "left_eye", "right_ear", "left_ear")


def render_clip(character, background, joints, camera, size=64, supersample=4):
    """Draw joints (t, J, 3) of the adult skeleton, already retargeted by `character.retarget`.

    Returns frames uint8 RGB (t, size, size, 3) and xy float32 (t, 18, 2): OpenPose's key points in pixels (the centre of the first
    pixel is 0), NaN for a nose, eye or ear on the far side of the head.
    """
    canvas = size * supersample
    light = np.asarray(background.light)
    empty = background.draw(canvas)
    shapes = _shapes(character, joints, camera, canvas, light)
    shade = _shadow(joints, camera, canvas)
    frames = np.empty((len(joints), size, size, 3), np.uint8)
    for index in range(len(joints)):
        image = empty.copy()
        _draw_shadow(image, *(part[index] for part in shade))
        for draw, *arguments in shapes[index]:
            draw(image, *arguments)
        frames[index] = cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA)
    return frames, key_points(joints, camera, size)


def key_points(joints, camera, size):
    """OpenPose's 18 key points, float32 (t, 18, 2) in pixels, of joints (t, J, 3): NaN where the head hides them."""
    xy = camera.project(_openpose_points(joints))[0] * size - 0.5
    frame = head_frame(joints)
    toward = -camera.axes[2]
    for name in FACE:
        offset = np.einsum("tij,tj->ti", frame, joints[:, JOINT[name]] - joints[:, JOINT["head"]])
        outward = np.einsum("ti,tij->tj", offset / np.linalg.norm(offset, axis=-1, keepdims=True), frame)
        limit = {"nose": -0.05, "ear": -0.25}.get(name.split("_")[-1], 0.0)  # ears stand off the head, eyes lie in it
        xy[outward @ toward < limit, NAMES.index(name)] = np.nan
    return xy.astype(np.float32)


def limb_lengths(joints, camera, size):
    """True lengths of tcan.pose.keypoints.LIMBS, float32 (17,): of joints (t, J, 3), in pixels at the distance of the neck in the first frame.

    A limb that lies across the line of sight is as long in the picture; the perspective is weak. Medians over the frames: the trunk bends.
    """
    points = _openpose_points(joints)
    parents, children = np.array(LIMBS).T
    metres = np.median(np.linalg.norm(points[:, children] - points[:, parents], axis=-1), axis=0)
    return (metres * camera.project(points[0, NAMES.index("neck")])[2] * size).astype(np.float32)


def _openpose_points(joints):
    points = np.stack([joints[:, JOINT.get(name, 0)] for name in NAMES], axis=1)
    points[:, NAMES.index("neck")] = (joints[:, JOINT["right_shoulder"]] + joints[:, JOINT["left_shoulder"]]) / 2  # OpenPose's neck
    return points


def _shapes(character, joints, camera, canvas, light):
    """For each frame the calls that draw the body, far to near: [(function, arguments...)]."""
    capsules = limbs(character, joints)
    polygons, capsule_depth = _capsule_polygons(capsules, camera, canvas, light)
    colours = [(_tuple(colour * character.ambient), _tuple(colour * (character.ambient + 0.72 * character.diffuse))) for colour in capsules.colours]
    groups = [np.flatnonzero(capsules.group == index).tolist() for index in range(len(capsules.groups))]
    depths = [capsule_depth[:, members].mean(axis=1) + bias for members, bias in zip(groups, capsules.bias, strict=True)]
    drawers = [_capsule_drawer(members, polygons, colours) for members in groups]

    names = list(capsules.groups)
    depths.append(camera.project(joints[:, [JOINT["neck"], JOINT["chest"], JOINT["pelvis"]]])[1].mean(axis=1))
    drawers.append(_trunk_drawer(character, joints, camera, canvas, light))
    depths.append(camera.project(joints[:, JOINT["head"]])[1] - 0.03)
    drawers.append(_head_drawer(character, joints, camera, canvas, light))
    if character.bottom_style in ("skirt", "dress"):
        thighs = [depths[names.index(f"{side}_thigh")] for side in ("right", "left")]
        depths.append(np.minimum(*thighs) - 0.01)
        drawers.append(_skirt_drawer(character, joints, camera, canvas, light))
    order = np.argsort(-np.stack(depths, axis=1), axis=1, kind="stable").tolist()
    return [[(drawers[part], index) for part in parts] for index, parts in enumerate(order)]


def _capsule_polygons(capsules, camera, canvas, light):
    """Fixed-point outlines (t, L, 2, 16, 2) of the capsules and of their lit side, and their depths (t, L)."""
    xy, depth, scale = camera.project(capsules.ends)
    xy, radii = xy * canvas - 0.5, capsules.radii * scale * canvas
    ends = []
    along = xy[:, :, 1] - xy[:, :, 0]
    angle = np.arctan2(along[..., 1], along[..., 0])[..., None]
    for layer, shrink in ((0, 1.0), (1, 0.72)):
        shifted = xy + layer * 0.3 * radii[..., None] * light[:2]
        r = radii * shrink
        first, second = angle + np.pi / 2 + ARC, angle - np.pi / 2 + ARC
        arcs = [shifted[:, :, end, None] + r[:, :, end, None, None] * np.stack([np.cos(arc), np.sin(arc)], axis=-1)
                for end, arc in ((0, first), (1, second))]
        ends.append(np.concatenate(arcs, axis=2))
    return _fixed(np.stack(ends, axis=2)), depth.mean(axis=2)


def _capsule_drawer(members, polygons, colours):
    def draw(image, index):
        for layer in (0, 1):
            for member in members:
                cv2.fillConvexPoly(image, polygons[index, member, layer], colours[member][layer], cv2.LINE_8, SHIFT)
    return draw


def _trunk_drawer(character, joints, camera, canvas, light):
    vertices, normals = trunk(character, joints)
    xy = camera.project(vertices)[0] * canvas - 0.5
    corners = np.stack([xy[:, :-1], np.roll(xy, -1, axis=2)[:, :-1], np.roll(xy, -1, axis=2)[:, 1:], xy[:, 1:]], axis=3)
    a, b = corners[..., 1, :] - corners[..., 0, :], corners[..., 2, :] - corners[..., 1, :]
    c, d = corners[..., 3, :] - corners[..., 2, :], corners[..., 0, :] - corners[..., 3, :]
    seen = (a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0] + c[..., 0] * d[..., 1] - c[..., 1] * d[..., 0]) > 0
    lit = character.ambient + character.diffuse * np.maximum(normals @ camera.axes.T @ light, 0)
    colours = np.minimum(character.torso_texture * lit[..., None], 255)
    quads, rings = _fixed(corners), _fixed(xy[:, [0, -1]])
    caps = [_tuple(character.torso_texture[row].mean(axis=0) * character.ambient) for row in (0, -1)]

    def draw(image, index):
        for ring, colour in zip(rings[index], caps, strict=True):
            cv2.fillConvexPoly(image, ring, colour, cv2.LINE_8, SHIFT)
        visible = seen[index]
        for quad, colour in zip(quads[index][visible], colours[index][visible].tolist(), strict=True):
            cv2.fillConvexPoly(image, quad, colour, cv2.LINE_8, SHIFT)
    return draw


def _skirt_drawer(character, joints, camera, canvas, light):
    points, radii = skirt_points(character, joints)
    xy, _, scale = camera.project(points)
    xy, radii = xy * canvas - 0.5, radii * scale * canvas
    circle = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    circle = np.stack([np.cos(circle), np.sin(circle)], axis=-1)
    colour = np.asarray(character.bottom, np.float64)
    layers = []
    for shift, shrink, part in ((0.0, 1.0, character.ambient), (0.35, 0.75, character.ambient + 0.72 * character.diffuse)):
        balls = xy[:, :, None] + shift * radii[..., None, None] * light[:2] + (radii * shrink)[..., None, None] * circle
        layers.append((_fixed(balls.reshape(len(joints), -1, 2)), _tuple(colour * part)))
    hem = _fixed(xy[:, 3:5])
    trim, thick = _tuple(np.asarray(character.trim) * 0.9), np.maximum(radii[:, 3] * 0.5, 1).astype(int)

    def draw(image, index):
        for balls, fill in layers:
            cv2.fillConvexPoly(image, cv2.convexHull(balls[index]), fill, cv2.LINE_8, SHIFT)
        cv2.line(image, hem[index, 0].tolist(), hem[index, 1].tolist(), trim, int(thick[index]), cv2.LINE_8, SHIFT)
    return draw


def _head_drawer(character, joints, camera, canvas, light):
    centre, _, scale = camera.project(joints[:, JOINT["head"]])
    centre = centre * canvas - 0.5
    turns = (head_frame(joints) @ camera.axes.T).astype(np.float32)  # rows front, up, right; columns the camera's axes
    radii = (head_radii(character) * scale[:, None] * canvas).astype(np.float32)
    texture, light, shading = character.head_texture, light.astype(np.float32), (character.ambient + 0.1, character.diffuse - 0.08)

    def draw(image, index):
        _draw_ellipsoid(image, centre[index], radii[index], turns[index], texture, light, shading)
    return draw


def _draw_ellipsoid(image, centre, radii, turn, texture, light, shading):
    """Cast a ray a pixel at an ellipsoid, lit, textured by latitude and longitude: semi-axes radii (3,) in pixels along the rows of turn (3, 3)."""
    reach = np.sqrt((radii[:, None] ** 2 * turn[:, :2] ** 2).sum(axis=0))
    left, top = np.maximum(np.floor(centre - reach), 0).astype(int)
    right, bottom = np.minimum(np.ceil(centre + reach).astype(int) + 1, (image.shape[1], image.shape[0]))
    if left >= right or top >= bottom:
        return
    px = np.arange(left, right, dtype=np.float32)[None] - np.float32(centre[0])
    py = np.arange(top, bottom, dtype=np.float32)[:, None] - np.float32(centre[1])
    basis = turn / radii[:, None]                       # maps the camera's axes to the unit ball's
    base = [basis[k, 0] * px + basis[k, 1] * py for k in range(3)]
    toward = -basis[:, 2]
    a = float(toward @ toward)
    b = toward[0] * base[0] + toward[1] * base[1] + toward[2] * base[2]
    disc = b * b - a * (base[0] * base[0] + base[1] * base[1] + base[2] * base[2] - 1)
    hit = disc >= 0
    step = (np.sqrt(np.maximum(disc, 0)) - b) / a
    front, up, side = (base[k] + step * toward[k] for k in range(3))
    normal = [front * basis[0, k] + up * basis[1, k] + side * basis[2, k] for k in range(3)]
    cosine = (normal[0] * light[0] + normal[1] * light[1] + normal[2] * light[2]) / np.sqrt(normal[0] ** 2 + normal[1] ** 2 + normal[2] ** 2)
    lit = shading[0] + shading[1] * np.maximum(cosine, 0)
    column = (np.arctan2(side, front) + np.pi) * (HEAD_COLUMNS / (2 * np.pi))
    row = np.arccos(np.clip(up, -1, 1)) * (HEAD_ROWS / np.pi)
    colour = texture[np.minimum(row.astype(np.intp), HEAD_ROWS - 1), np.minimum(column.astype(np.intp), HEAD_COLUMNS - 1)] * lit[..., None]
    patch = image[top:bottom, left:right]
    patch[hit] = np.minimum(colour, 255)[hit].astype(np.uint8)


def _shadow(joints, camera, canvas):
    """Centre (t, 2), half axes (t, 2) in pixels and strength (t,) of a soft shadow on the ground."""
    ground = joints * (1, 0, 1)
    xy = camera.project(ground[:, [JOINT["pelvis"], JOINT["right_ankle"], JOINT["left_ankle"], JOINT["head"]]])[0] * canvas
    centre = xy.mean(axis=1)
    half = np.ptp(xy[..., 0], axis=1) / 2 + 0.2 * camera.scale * canvas
    flat = half * (0.22 + abs(np.sin(camera.elevation)))
    strength = 0.42 * np.clip(1 - joints[..., 1].min(axis=1) / 0.8, 0.25, 1)
    return centre, np.stack([half, flat], axis=1), strength


_FALL = np.linspace(-1, 1, 48, dtype=np.float32)
_FALL = np.clip(1.15 - np.hypot(_FALL[None], _FALL[:, None]) * 1.15, 0, 1) ** 0.8


def _draw_shadow(image, centre, half, strength):
    left, top = (centre - half).astype(int)
    width, height = np.maximum((2 * half).astype(int), 2)
    mask = cv2.resize(_FALL, (int(width), int(height)))
    x0, y0, x1, y1 = max(left, 0), max(top, 0), min(left + width, image.shape[1]), min(top + height, image.shape[0])
    if x0 < x1 and y0 < y1:
        dim = 1 - np.float32(strength) * mask[y0 - top:y1 - top, x0 - left:x1 - left]
        patch = image[y0:y1, x0:x1]
        patch[:] = patch * dim[..., None]


def _fixed(xy):
    """Pixels -> cv2's fixed-point int32."""
    return np.round(xy * (1 << SHIFT)).astype(np.int32)


def _tuple(colour):
    return tuple(float(part) for part in np.minimum(colour, 255))

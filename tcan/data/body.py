"""The solid parts of a character as shapes over 3D joints: limbs are capsules, the trunk a textured tube, the head an ellipsoid."""

from dataclasses import dataclass

import numpy as np

from tcan.data.characters import TORSO_COLUMNS, TORSO_ROWS
from tcan.data.motion import HEAD_RADII, JOINT

# Extras and hair that stand off the head: capsules (start, end, radii) along the head's (front, up, right) in units of its radii.
HAIR_SHAPES = {
    "long": [((-0.35, 0.05, 0), (-0.55, -2.1, 0), 0.98, 0.8)],
    "bob": [((-0.25, 0.0, 0), (-0.3, -0.75, 0), 1.05, 0.98)],
    "bun": [((-0.6, 0.9, 0), (-0.6, 0.95, 0), 0.44, 0.44)],
    "ponytail": [((-0.85, 0.5, 0), (-1.35, 0.2, 0), 0.34, 0.34), ((-1.35, 0.2, 0), (-1.45, -1.5, 0), 0.36, 0.14)],
    "afro": [((-0.2, 0.35, 0), (-0.25, 0.3, 0), 1.32, 1.32)],
    "spiky": [((-0.1 + 0.3 * x, 0.7, z * 0.6), (-0.15 + 0.5 * x, 1.45 - 0.25 * abs(z), z * 1.1), 0.34, 0.03)
              for x, z in ((0, 0), (0, -0.8), (0, 0.8), (1, 0.35), (-1, -0.4))],
    "cap": [((1.2, 0.46, -0.4), (1.2, 0.46, 0.4), 0.2, 0.2)],
    "beanie": [((0, 1.05, 0), (0, 1.1, 0), 0.26, 0.26)],
}
EXTRA_SHAPES = {  # one side; the other is its mirror image
    "cat_ears": [((-0.1, 0.75, 0.55), (-0.1, 1.5, 0.85), 0.36, 0.04)],
    "bear_ears": [((-0.1, 0.85, 0.75), (-0.1, 0.9, 0.78), 0.38, 0.38)],
    "bunny_ears": [((-0.1, 0.85, 0.35), (-0.15, 2.1, 0.55), 0.24, 0.2)],
    "antennae": [((0.1, 0.9, 0.3), (0.2, 1.75, 0.6), 0.08, 0.08), ((0.2, 1.75, 0.6), (0.2, 1.8, 0.6), 0.2, 0.2)],
    "horns": [((0.15, 0.75, 0.5), (0.2, 1.5, 0.95), 0.26, 0.03)],
    "antlers": [((0, 0.85, 0.4), (0, 1.65, 0.95), 0.12, 0.08), ((0, 1.3, 0.7), (0.1, 1.75, 0.35), 0.1, 0.06)],
}
EXTRA_COLOURS = {"antennae": (250, 210, 60), "horns": (244, 236, 210), "antlers": (120, 80, 44)}

# Rings of the trunk from the neck (0) to the crotch (1): half width of the upper part in shoulder widths, of the lower in hip widths.
RING_AT = np.array([0, 0.07, 0.17, 0.3, 0.5, 0.62, 0.8, 0.92, 1.0])
RING_SHOULDER = np.array([0.42, 0.86, 0.98, 0.92, 0.8, 0.72, 0, 0, 0])
RING_HIP = np.array([0, 0, 0, 0, 0, 0, 1.0, 1.0, 0.78])
RING_DEPTH = np.array([0.05, 0.085, 0.11, 0.118, 0.108, 0.1, 0.112, 0.115, 0.085])


@dataclass(frozen=True)
class Capsules:
    """L capsules in t frames: ends (t, L, 2, 3) in metres, radii (L, 2), colours (L, 3), and for each the index of its group."""

    ends: np.ndarray
    radii: np.ndarray
    colours: np.ndarray
    group: np.ndarray
    groups: tuple
    bias: np.ndarray  # (groups,) metres added to a group's depth before sorting


def head_frame(joints):
    """(t, 3, 3): rows are the head's front, up and right as world vectors."""
    up = _unit(joints[:, JOINT["crown"]] - joints[:, JOINT["head"]])
    right = _unit(joints[:, JOINT["right_ear"]] - joints[:, JOINT["left_ear"]])
    return np.stack([cross(up, right), up, right], axis=1)


def head_radii(character):
    """Semi-axes (3,) of the head along its front, up and right, in metres."""
    return np.asarray(HEAD_RADII) * character.proportions.head


def extra_height(character):
    """How far ears, horns and the like stand above the crown, in metres."""
    tops = [max(start[1] + r0, end[1] + r1) for start, end, r0, r1 in EXTRA_SHAPES.get(character.extra, ())]
    return max(max(tops, default=1.0) - 1.0, 0.0) * head_radii(character)[1]


def limbs(character, joints):
    """All capsules of a character whose (retargeted) joints are (t, J, 3)."""
    p = character.proportions
    arm, leg = p.girth * (0.45 + 0.55 * p.arm), p.girth * (0.45 + 0.55 * min(p.leg, 1.2))
    parts, bias = [], {}

    def at(name):
        return joints[:, JOINT[name]]

    def add(group, start, end, r0, r1, colour, from_=0.0, to=1.0):
        a, b = (at(start) if isinstance(start, str) else start), (at(end) if isinstance(end, str) else end)
        parts.append((group, a + (b - a) * from_, a + (b - a) * to, r0 + (r1 - r0) * from_, r0 + (r1 - r0) * to, colour))

    for index, side in enumerate(("right", "left")):
        sleeve = character.sleeves[index]
        upper, lower, thigh, shin = f"{side}_upper_arm", f"{side}_forearm", f"{side}_thigh", f"{side}_shin"
        shoulder, elbow, wrist, hip, knee, ankle = (f"{side}_{joint}" for joint in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle"))
        add(upper, shoulder, elbow, 0.052 * arm, 0.043 * arm, character.skin)
        if character.sleeve > 0:
            add(upper, shoulder, elbow, 0.066 * arm, 0.058 * arm, sleeve, 0, min(character.sleeve, 1))
        add(lower, elbow, wrist, 0.043 * arm, 0.034 * arm, character.skin)
        if character.sleeve > 1:
            add(lower, elbow, wrist, 0.058 * arm, 0.05 * arm, sleeve, 0, character.sleeve - 1)
        elif character.band == side:
            add(lower, elbow, wrist, 0.055 * arm, 0.05 * arm, character.band_colour, 0.5, 0.85)
        add(lower, wrist, f"{side}_hand", 0.036 * arm * p.hand, 0.044 * arm * p.hand, character.skin, 0.25, 0.9)
        add(thigh, hip, knee, 0.082 * leg, 0.058 * leg, character.skin)
        add(shin, knee, ankle, 0.056 * leg, 0.04 * leg, character.skin)
        if character.socks:
            add(shin, knee, ankle, 0.06 * leg, 0.046 * leg, character.socks, 0.5, 1)
        if character.trousers > 0:
            add(thigh, hip, knee, 0.094 * leg, 0.074 * leg, character.bottom, 0, min(character.trousers, 1))
        if character.trousers > 1:
            add(shin, knee, ankle, 0.072 * leg, 0.06 * leg, character.bottom, 0, 0.92 * (character.trousers - 1))
        add(shin, f"{side}_heel", f"{side}_toe", 0.05 * leg, 0.044 * leg, character.shoes)
        bias |= {upper: 0.0, lower: -0.03, thigh: 0.06, shin: 0.05}
    add("throat", "neck", "head", 0.05 * arm, 0.052 * arm, character.skin, 0, 0.7)
    bias["throat"] = -0.005
    frame, radii, centre = head_frame(joints), head_radii(character), at("head")

    def add_on_head(group, start, end, r0, r1, colour, behind):
        a, b = (centre + np.einsum("i,tij->tj", np.asarray(point) * radii, frame) for point in (start, end))
        parts.append((group, a, b, r0 * radii.mean(), r1 * radii.mean(), colour))
        bias[group] = behind * radii.mean()

    hair = np.asarray(character.trim if character.hair_style in ("cap", "beanie") else character.hair) * 0.88
    for number, (start, end, r0, r1) in enumerate(HAIR_SHAPES.get(character.hair_style, ())):
        add_on_head(f"hair{number}", start, end, r0, r1, hair, 0.25)
    colour = EXTRA_COLOURS.get(character.extra, character.skin)
    for number, (start, end, r0, r1) in enumerate(EXTRA_SHAPES.get(character.extra, ())):
        for side in (1, -1):
            add_on_head(f"extra{number}{side}", np.multiply(start, (1, 1, side)), np.multiply(end, (1, 1, side)), r0, r1, colour, 0.1)
    groups = tuple(dict.fromkeys(part[0] for part in parts))
    return Capsules(np.stack([np.stack([a, b], axis=1) for _, a, b, *_ in parts], axis=1), np.array([[r0, r1] for *_, r0, r1, _ in parts]),
                    np.array([part[-1] for part in parts], np.float64), np.array([groups.index(part[0]) for part in parts]), groups,
                    np.array([bias[name] for name in groups]))


def trunk(character, joints):
    """Vertices (t, TORSO_ROWS + 1, TORSO_COLUMNS, 3) of the trunk's tube and the outward normals (t, TORSO_ROWS, TORSO_COLUMNS, 3) of its cells."""
    p = character.proportions
    neck, chest, pelvis = (joints[:, JOINT[name]] for name in ("neck", "chest", "pelvis"))
    across_top = joints[:, JOINT["right_shoulder"]] - joints[:, JOINT["left_shoulder"]]
    across_low = joints[:, JOINT["right_hip"]] - joints[:, JOINT["left_hip"]]
    up_top, up_low = _unit(neck - chest), _unit(chest - pelvis)
    rows = np.linspace(0, 1, TORSO_ROWS + 1)
    anchors = np.stack([neck + 0.035 * p.torso * up_top, chest, pelvis, pelvis - 0.085 * p.girth * up_low], axis=1)
    centre = _interpolate(rows, (0, 0.45, 0.85, 1), anchors)
    right = _unit(_interpolate(rows, (0.2, 0.85), np.stack([_unit(across_top), _unit(across_low)], axis=1)))
    up = _unit(_interpolate(rows, (0.3, 0.7), np.stack([up_top, up_low], axis=1)))
    front = _unit(cross(up, right))
    leg = p.girth * (0.45 + 0.55 * min(p.leg, 1.2))
    half_shoulder, half_hip = 0.183 * p.shoulder, 0.0849 * p.hip + 0.078 * leg
    profile = RING_SHOULDER * half_shoulder * (0.8 + 0.2 * p.girth) + RING_HIP * half_hip
    width = np.interp(rows, RING_AT, profile)[:, None]
    depth = np.interp(rows, RING_AT, RING_DEPTH)[:, None] * p.girth * (0.4 + 0.6 * p.torso)
    angle = np.arange(TORSO_COLUMNS) * 2 * np.pi / TORSO_COLUMNS
    cosine, sine = np.cos(angle)[:, None], np.sin(angle)[:, None]
    vertices = (centre[:, :, None] + right[:, :, None] * (width[:, None] * cosine) + front[:, :, None] * (depth[:, None] * sine))
    middle = angle + np.pi / TORSO_COLUMNS
    normal = right[:, :-1, None] * (depth[:-1, None] * np.cos(middle)[:, None]) + front[:, :-1, None] * (width[:-1, None] * np.sin(middle)[:, None])
    return vertices, _unit(normal)


def skirt_points(character, joints):
    """Centres (t, 6, 3) and radii (6,) of the balls whose outline is the skirt: the hips, the hem over each leg, the hem between."""
    p = character.proportions
    leg = p.girth * (0.45 + 0.55 * min(p.leg, 1.2))
    hips = [joints[:, JOINT[f"{side}_hip"]] for side in ("right", "left")]
    knees = [joints[:, JOINT[f"{side}_knee"]] for side in ("right", "left")]
    hem = [hip + (knee - hip) * character.skirt for hip, knee in zip(hips, knees, strict=True)]
    waist = joints[:, JOINT["pelvis"]] + 0.3 * (joints[:, JOINT["chest"]] - joints[:, JOINT["pelvis"]])
    out = 0.3 * (hem[0] - hem[1])
    points = np.stack([waist, *hips, hem[0] + out * 0.35, hem[1] - out * 0.35, (hem[0] + hem[1]) / 2], axis=1)
    return points, np.array([0.1, 0.1, 0.1, 0.1, 0.1, 0.09]) * leg


def _interpolate(at, knots, values):
    """Rows (t, len(at), 3) between values (t, len(knots), 3), linearly and constant beyond the ends."""
    knots = np.asarray(knots, float)
    index = np.clip(np.searchsorted(knots, at, side="right") - 1, 0, len(knots) - 2)
    part = np.clip((at - knots[index]) / (knots[index + 1] - knots[index]), 0, 1)[:, None]
    return values[:, index] * (1 - part) + values[:, index + 1] * part


def cross(a, b):
    """The cross product over the last axis; numpy's own takes several times as long on few vectors."""
    return a[..., (1, 2, 0)] * b[..., (2, 0, 1)] - a[..., (2, 0, 1)] * b[..., (1, 2, 0)]


def _unit(vectors):
    return vectors / np.sqrt(np.maximum((vectors * vectors).sum(axis=-1, keepdims=True), 1e-18))

"""Who is drawn: proportions, colours, clothes and hair of articulated characters, and the textures of their heads and trunks."""

import colorsys
from dataclasses import dataclass, field, replace

import cv2
import numpy as np

from tcan.data.motion import HEAD_RADII, JOINT, JOINTS, NECK_LENGTH, PARENT, rest_pose

KINDS = ("adult", "child", "chibi")
TORSO_ROWS, TORSO_COLUMNS = 12, 20  # cells of a trunk's texture, from the neck to the crotch and round from the right over the front
WAIST_ROW = 8                       # the first row below the belt
HEAD_ROWS, HEAD_COLUMNS = 80, 160   # texels of a head's texture: latitude from the crown, longitude -pi..pi with the face in the middle


@dataclass(frozen=True)
class Proportions:
    """Lengths relative to the adult skeleton of `motion.SKELETON`; girth is the thickness of limbs and trunk."""

    head: float = 1.3
    neck: float = 1.0
    torso: float = 1.0
    shoulder: float = 1.0
    hip: float = 1.0
    arm: float = 1.0
    leg: float = 1.0
    girth: float = 1.0
    hand: float = 1.0
    foot: float = 1.0

    def bone_scales(self):
        """The factor (len(JOINTS),) of each joint's distance from its parent."""
        head = (NECK_LENGTH * self.neck + HEAD_RADII[1] * self.head) / (NECK_LENGTH + HEAD_RADII[1])
        by_part = {"chest": self.torso, "neck": self.torso, "shoulder": self.shoulder, "hip": self.hip, "elbow": self.arm, "wrist": self.arm,
                   "hand": self.hand, "knee": self.leg, "ankle": self.leg, "heel": self.foot, "toe": self.foot, "head": head, "pelvis": 1.0}
        return np.array([by_part.get(name.split("_")[-1], self.head) for name in JOINTS])


RANGES = {  # kind: {length: (low, high)}
    "adult": {"head": (1.0, 1.5), "torso": (0.93, 1.06), "shoulder": (0.85, 1.1), "hip": (0.9, 1.2),
              "arm": (0.95, 1.05), "leg": (0.93, 1.06), "girth": (0.9, 1.3), "hand": (1.0, 1.2), "foot": (1.0, 1.15)},
    "child": {"head": (1.5, 1.85), "torso": (0.74, 0.86), "shoulder": (0.72, 0.85), "hip": (0.8, 1.0),
              "arm": (0.72, 0.82), "leg": (0.64, 0.76), "girth": (0.85, 1.15), "hand": (0.8, 1.0), "foot": (0.8, 1.0)},
    "chibi": {"head": (2.2, 2.7), "torso": (0.62, 0.75), "shoulder": (0.68, 0.8), "hip": (0.8, 1.05),
              "arm": (0.6, 0.72), "leg": (0.45, 0.58), "girth": (1.0, 1.3), "hand": (0.8, 1.0), "foot": (0.75, 0.95)},
}

# The odd ones of the bizarre split: what makes them odd, over a plain character of the kind.
ODD = (
    ("chibi", {"head": 2.9, "leg": 0.4}, {"extra": "cat_ears"}),
    ("adult", {"head": 2.6}, {"extra": "none"}),
    ("adult", {"arm": 1.5, "hand": 1.4}, {"extra": "none"}),
    ("adult", {"leg": 0.5, "torso": 1.15}, {"extra": "antlers"}),
    ("child", {"head": 2.4, "girth": 0.7}, {"extra": "antennae", "skin": (126, 196, 92)}),
    ("adult", {"leg": 1.35, "torso": 0.75, "head": 1.1}, {"extra": "none"}),
    ("chibi", {"head": 2.4, "girth": 1.5, "hip": 1.3}, {"extra": "bear_ears", "skin": (164, 112, 70)}),
    ("adult", {"girth": 1.9, "hip": 1.5, "head": 1.2}, {"extra": "none"}),
    ("child", {"arm": 1.2, "leg": 0.5, "head": 2.0}, {"extra": "horns", "skin": (208, 74, 66)}),
    ("chibi", {"head": 2.5, "arm": 0.9}, {"extra": "bunny_ears", "skin": (236, 226, 232)}),
)

SKINS = ((255, 224, 196), (246, 206, 172), (232, 184, 146), (208, 154, 112), (172, 118, 80), (132, 86, 56), (96, 62, 42))
HAIRS = ((38, 28, 26), (70, 44, 28), (120, 72, 36), (176, 110, 48), (226, 184, 96),
         (196, 66, 40), (150, 150, 158), (70, 90, 190), (220, 90, 160), (60, 150, 110))
IRISES = ((60, 40, 30), (50, 90, 160), (60, 120, 70))
HAIR_STYLES = ("short", "short", "long", "bun", "ponytail", "spiky", "afro", "bob", "cap", "bald", "beanie")
PATTERNS = ("plain", "plain", "hstripes", "vstripes", "two_tone", "logo", "logo", "buttons", "open_jacket", "sash", "back_panel",
            "checks", "mottled", "mottled", "bare")


@dataclass(frozen=True)
class Character:
    """One person, drawn the same way in every frame. Colours are RGB in 0..255; sleeve and trouser lengths are 0 (none) .. 1 (whole limb)."""

    kind: str
    proportions: Proportions
    skin: tuple
    hair: tuple
    hair_style: str
    iris: tuple
    top: tuple            # main colour of shirt, dress or jacket
    trim: tuple           # its second colour
    pattern: str
    sleeve: float
    sleeves: tuple        # colours of the right and left sleeve
    bottom: tuple
    bottom_style: str     # trousers, skirt or dress
    trousers: float
    skirt: float          # how far a skirt reaches down the thighs and on, 1 = to the knees
    socks: tuple | None
    shoes: tuple
    band: str             # right, left or none: a band on one forearm
    band_colour: tuple
    extra: str = "none"   # cat_ears, bear_ears, bunny_ears, antennae, horns, antlers
    ambient: float = 0.62 # how bright what lies in the shade is
    diffuse: float = 0.5  # and how much brighter what the light falls on
    head_texture: np.ndarray = field(default=None, repr=False, compare=False)   # (HEAD_ROWS, HEAD_COLUMNS, 3) uint8
    torso_texture: np.ndarray = field(default=None, repr=False, compare=False)  # (TORSO_ROWS, TORSO_COLUMNS, 3) float64

    @staticmethod
    def random(rng, kind="adult", proportions=None, **fixed):
        """A character of a kind of KINDS; `proportions` and further fields override what is drawn."""
        lengths = {name: float(rng.uniform(*bounds)) for name, bounds in RANGES[kind].items()} | (proportions or {})
        main_hue = rng.random()
        skin = _jitter(rng, SKINS[rng.integers(len(SKINS))], 6)
        top, trim = _garment(rng, main_hue), _garment(rng, main_hue + rng.uniform(0.25, 0.75))
        bottom = _garment(rng, main_hue + rng.uniform(0.2, 0.8), dark=True)
        style = str(rng.choice(["trousers", "trousers", "shorts", "skirt", "dress"]))
        pattern = str(rng.choice(PATTERNS))
        if pattern == "bare":
            top = skin
        base = top if pattern != "two_tone" else trim
        sleeves = [base, base]
        if rng.random() < 0.25:
            sleeves[rng.integers(2)] = _garment(rng, rng.random())
        values = {
            "kind": kind,
            "proportions": Proportions(**lengths),
            "skin": skin,
            "hair": _jitter(rng, HAIRS[rng.integers(len(HAIRS))], 10),
            "hair_style": str(rng.choice(HAIR_STYLES)),
            "iris": _jitter(rng, IRISES[rng.integers(len(IRISES))], 8),
            "top": top,
            "trim": trim,
            "pattern": pattern,
            "sleeve": float(rng.choice([0.0, 0.55, 0.6, 1.3, 2.0, 2.0])),
            "sleeves": tuple(sleeves),
            "bottom": top if style == "dress" else bottom,
            "bottom_style": style if style in ("skirt", "dress") else "trousers",
            "trousers": {"trousers": 2.0, "shorts": float(rng.uniform(0.6, 1.0))}.get(style, 0.0),
            "skirt": float(rng.uniform(0.65, 1.15)),
            "socks": _garment(rng, rng.random()) if rng.random() < 0.4 else None,
            "shoes": _garment(rng, rng.random(), dark=bool(rng.random() < 0.5)),
            "band": str(rng.choice(["none", "none", "right", "left"])),
            "band_colour": _garment(rng, rng.random()),
        }
        character = Character(**(values | fixed))
        return replace(character, head_texture=_head_texture(character), torso_texture=_torso_texture(character, rng))

    @staticmethod
    def odd(rng, index):
        """Character `index` of the bizarre split: proportions and extras of ODD in turn."""
        kind, proportions, fixed = ODD[index % len(ODD)]
        return Character.random(rng, kind, proportions, **fixed)

    def retarget(self, joints):
        """Joints (t, J, 3) of the adult skeleton -> of this character: same directions, own bone lengths, same contact with the ground."""
        scales = self.proportions.bone_scales()
        own = np.empty_like(joints)
        own[:, 0] = joints[:, 0]
        for index in range(1, len(JOINTS)):
            own[:, index] = own[:, PARENT[index]] + (joints[:, index] - joints[:, PARENT[index]]) * scales[index]
        own[..., 1] += (joints[..., 1].min(axis=1) - own[..., 1].min(axis=1))[:, None]
        return own

    def height(self):
        """Metres from the soles to the crown when standing upright."""
        rest = self.retarget(rest_pose())[0]
        return float(rest[JOINT["crown"], 1] - rest[:, 1].min())


def _garment(rng, hue, dark=False):
    """A saturated colour or (a third) a quiet one, now and then white, grey or black."""
    chance = rng.random()
    if chance < 0.14:
        return _jitter(rng, ((238, 236, 230), (60, 60, 68), (38, 36, 42), (150, 152, 158))[rng.integers(4)], 8)
    value = rng.uniform(0.3, 0.6) if dark and chance < 0.7 else rng.uniform(0.72, 0.98)
    saturation = rng.uniform(0.6, 0.95)
    if rng.random() < 0.33:
        saturation, value = rng.uniform(0.05, 0.45), value * rng.uniform(0.4, 1.0)
    return tuple(int(255 * part) for part in colorsys.hsv_to_rgb(hue % 1, saturation, value))


def _jitter(rng, colour, amount):
    return tuple(int(part) for part in np.clip(np.asarray(colour) + rng.integers(-amount, amount + 1, 3), 0, 255))


def _torso_texture(character, rng):
    """Colours of the trunk's cells. Column 0 looks to the right, a quarter on to the front, a half to the left, three quarters to the back."""
    rows, columns = TORSO_ROWS, TORSO_COLUMNS
    texture = np.empty((rows, columns, 3))
    texture[:] = character.top
    front, trim = columns // 4, character.trim
    middle = slice(front - 1, front + 1)
    match character.pattern:
        case "hstripes":
            texture[1:WAIST_ROW:2] = trim
        case "vstripes":
            texture[:, 0::4] = texture[:, 1::4] = trim
        case "two_tone":
            texture[:4] = trim
        case "logo":
            texture[2:5, front - 2:front + 2] = trim
        case "buttons":
            texture[:, middle] = np.asarray(character.top) * 0.75
            texture[1:WAIST_ROW:2, middle] = trim
        case "open_jacket":
            texture[:, front - 2:front + 2] = trim
        case "sash":
            for row in range(WAIST_ROW):
                at = front + 4 - row
                texture[row, at - 1:at + 2] = trim
        case "back_panel":
            texture[1:WAIST_ROW - 1, 3 * front - 3:3 * front + 3] = trim
        case "checks":
            texture[(np.arange(rows)[:, None] // 2 + np.arange(columns)[None] // 2) % 2 == 0] = trim
        case "mottled":
            blotches = rng.random((rows // 2, columns // 2)).repeat(2, axis=0).repeat(2, axis=1) < 0.4
            texture[blotches] = trim
    texture[0, front - 2:front + 2] = character.skin
    if character.bottom_style != "dress":
        texture[WAIST_ROW:] = character.bottom
    texture[WAIST_ROW - 1 if character.bottom_style == "dress" else WAIST_ROW] *= 0.72  # the belt
    return texture


def _head_texture(character):
    """The head unrolled: skin, face in the middle, hair or hat over the top, back and sides."""
    image = np.empty((HEAD_ROWS, HEAD_COLUMNS, 3), np.uint8)
    image[:] = character.skin
    skin = np.asarray(character.skin, float)
    scale = HEAD_ROWS / np.pi

    def at(longitude, latitude):
        return round((longitude + np.pi) * scale), round((np.pi / 2 - latitude) * scale)

    def blob(longitude, latitude, width, height, colour):
        cv2.ellipse(image, at(longitude, latitude), (round(width * scale), round(height * scale)), 0, 0, 360, tuple(float(c) for c in colour), -1)

    for side in (-1, 1):
        blob(side * 0.62, -0.32, 0.17, 0.12, skin * (1.0, 0.84, 0.82))
        blob(side * 0.38, 0.05, 0.2, 0.2, (250, 250, 250))
        blob(side * 0.36, 0.03, 0.13, 0.19, character.iris)
        blob(side * 0.36, 0.02, 0.07, 0.11, (18, 16, 20))
        cv2.line(image, at(side * 0.24, 0.44), at(side * 0.54, 0.4), tuple(0.55 * np.asarray(character.hair, float)), 2)
    blob(0, -0.2, 0.09, 0.12, skin * 0.8)
    blob(0, -0.6, 0.24, 0.08, (164, 44, 52))
    _hair_texture(image, character)
    return image


def _hair_texture(image, character):
    style, colour = character.hair_style, np.asarray(character.hair, float)
    longitude = np.abs(np.linspace(-np.pi, np.pi, HEAD_COLUMNS))[None]
    latitude = np.linspace(np.pi / 2, -np.pi / 2, HEAD_ROWS)[:, None]
    turn = np.clip((longitude - 0.75) / 0.6, 0, 1)  # 0 over the face, 1 from the ears backwards
    if style in ("cap", "beanie"):
        hat = np.asarray(character.trim, float)
        image[_where(latitude > 0.5 - 1.05 * turn, image)] = colour
        image[_where(latitude > 0.45, image)] = hat
        image[_where((latitude > 0.45) & (latitude < 0.68), image)] = hat * 0.7
        return
    if style == "bald":
        return
    low = {"short": -0.35, "spiky": -0.35, "bun": -0.45, "ponytail": -0.45}.get(style, -1.0)
    line = 0.66 - turn * (0.66 - low)
    cover = latitude > line
    image[_where(cover, image)] = colour
    image[_where(cover & (latitude < line + 0.14), image)] = colour * 0.8
    image[_where(cover & (np.abs(latitude - 1.05) < 0.12), image)] = np.clip(colour * 1.25 + 12, 0, 255)


def _where(mask, image):
    return np.broadcast_to(mask, image.shape[:2])

"""Rendered people for training: single pictures and clips of random characters in random scenes; of pictures a part may be photographed ones."""

from dataclasses import replace

import numpy as np

from tcan import seeds
from tcan.data.camera import place_camera
from tcan.data.characters import KINDS, Character
from tcan.data.finish import Finish
from tcan.data.motion import excerpt, facing, mirrored, random_motion, random_pose, resample, turned
from tcan.data.render import render_clip
from tcan.data.scenery import random_scene

FPS = 20.0


def random_camera_angles(rng):
    """Azimuth and elevation in radians: from the front more often than from the side, now and then from behind; from slightly above."""
    azimuth = rng.normal(0, 0.45) if rng.random() < 0.7 else rng.uniform(-np.pi, np.pi)
    return float(azimuth), float(rng.uniform(-0.02, 0.28))


def stage(character, joints, rng, azimuth=None):
    """A camera for a motion (t, J, 3) of the adult skeleton, and the character's own joints in front of it. `azimuth`: where the camera
    looks from, relative to +x; None: a random one, relative to the direction in which the person faces on average."""
    chosen, elevation = random_camera_angles(rng)
    if azimuth is None:
        joints, azimuth = turned(joints, -facing(joints)), chosen
    fill, shift = float(rng.uniform(0.78, 0.9)), float(rng.uniform(-0.6, 0.6))
    return place_camera(character.retarget(joints), character.height(), fill, azimuth, elevation, shift)


def training_motion(motions, length, rng):
    """Joints (length, J, 3) to train on: motion capture from a random frame on, as it is or mirrored, or (a third) made of random poses."""
    if not motions or rng.random() < 0.33:
        return random_motion(rng, length, FPS)
    motion = motions[rng.integers(len(motions))]
    joints = excerpt(motion, length, int(rng.integers(len(motion))))
    return mirrored(joints) if rng.random() < 0.5 else joints


def render_pool(n, size=64, supersample=4, seed=0, motions=None, kinds=KINDS, pictures=2, clip_frames=None, workers=1, test_motions=(), finished=0.0, first=0,
                photographs=None, photographed=0.0):
    """n random training items.

    motions: {name: Motion} as from `load_motions`; those named in test_motions are left out (pass config.data.puppets.test_motions).
    clip_frames None: k = `pictures` of one character, scene and camera in as many poses; else clips of k = clip_frames consecutive frames.
    finished: the part of the items that come out with a random Finish of exposure, colour and focus, and, where rendered, a person of another shading.
    first: number of the first item. photographs: tcan.data.photographs.Photographs; the part `photographed` of the items shows people of theirs, and the
    same part of the others stands before places of theirs. Pictures alone, no clips.
    Item i depends on (seed, i) alone, not on n or workers. Returns frames uint8 RGB (n, k, size, size, 3) and xy float32 (n, k, 18, 2)
    in pixels, NaN where a joint is hidden.
    """
    if photographed and (photographs is None or clip_frames):
        raise ValueError("photographed items need photographs, and are pictures, not clips")
    train = [resample(motion, FPS) for name, motion in sorted((motions or {}).items()) if name not in test_motions]
    tasks = [(index, size, supersample, seed, train, tuple(kinds), pictures, clip_frames, finished, photographed) for index in range(first, first + n)]
    if workers > 1:
        from concurrent.futures import ProcessPoolExecutor
        with ProcessPoolExecutor(workers, initializer=_share, initargs=(photographs,)) as pool:
            items = list(pool.map(_item, tasks, chunksize=64))
    else:
        _share(photographs)
        items = [_item(task) for task in tasks]
    frames, xy = zip(*items, strict=True)
    return np.stack(frames), np.stack(xy)


_shared = None      # the Photographs of a process: some megabytes, sent once and not with each task


def _share(photographs):
    global _shared
    _shared = photographs


def _item(task):
    index, size, supersample, seed, train, kinds, pictures, clip_frames, finished, photographed = task
    photo, finish = seeds.rng(seed, "photographs", index), seeds.rng(seed, "finish", index)
    is_finished = finish.random() < finished
    if photo.random() < photographed:
        frames, xy = _shared.scene(photo, pictures, size, supersample)
        return (Finish.random(finish).apply(frames) if is_finished else frames), xy
    rng = seeds.rng(seed, "pool", index)
    character = Character.random(rng, str(rng.choice(kinds)))
    background = random_scene(rng)
    if photo.random() < photographed:
        background = _shared.place(photo, background.light)
    if clip_frames:
        camera, joints = stage(character, training_motion(train, clip_frames, rng), rng)
    else:
        camera, joints = _apart(character, train, rng, pictures)
    if not is_finished:
        return render_clip(character, background, joints, camera, size, supersample)
    ambient = float(finish.uniform(0.25, 0.75))
    character = replace(character, ambient=ambient, diffuse=float(finish.uniform(0.15, 1.05 - ambient)))
    frames, xy = render_clip(character, background, joints, camera, size, supersample)
    return Finish.random(finish).apply(frames), xy


def _apart(character, train, rng, count):
    """A camera and `count` poses (count, J, 3): of one motion, or each from anywhere; all but the first may stand elsewhere, be turned, nearer or farther."""
    if train and rng.random() < 0.4:
        motion = train[rng.integers(len(train))]
        poses = motion.joints[rng.choice(len(motion), count, replace=False)]
        poses = turned(poses, -facing(poses))
    else:
        poses = np.concatenate([_any_pose(train, rng) for _ in range(count)])
    own = character.retarget(poses)
    own = own - own[:, :1] * (1, 0, 1)
    azimuth, elevation = random_camera_angles(rng)
    for place in range(1, count):
        if rng.random() < 0.5:
            own[place] = turned(own[place], rng.normal(0, 0.6))
        if rng.random() < 0.6:
            own[place] += rng.normal(0, 0.25, 3) * character.height() * (1, 0, 1)
    return place_camera(own, character.height(), float(rng.uniform(0.7, 0.92)), azimuth, elevation, float(rng.uniform(-0.8, 0.8)))


def _any_pose(train, rng):
    if not train or rng.random() < 0.75:
        return random_pose(rng)
    motion = train[rng.integers(len(train))]
    pose = motion.joints[rng.integers(len(motion))][None]
    return turned(pose, -facing(pose) + rng.normal(0, 0.6))

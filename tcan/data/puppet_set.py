"""The puppet set: rendered clips to train on, clips of unseen characters in unseen motions to test on, and odd characters to be driven. Further clips like
the test's are a set of their own."""

from pathlib import Path

import numpy as np

from tcan import provenance, seeds
from tcan.data import clips
from tcan.data.body import extra_height
from tcan.data.camera import place_camera
from tcan.data.characters import Character
from tcan.data.motion import JOINT, SOURCE, excerpt, facing, load_motions, resample, standing_pose, turned
from tcan.data.puppets import FPS, stage, training_motion
from tcan.data.render import limb_lengths, render_clip
from tcan.data.scenery import random_scene
from tcan.errors import UserError
from tcan.files import atomic_dir
from tcan.pose import keypoints
from tcan.pose.keypoints import Keypoints
from tcan.sections import FURTHER

KINDS = ("adult", "adult", "child")  # of the train and test characters; chibis are left to the bizarre split


def add_arguments(parser):
    parser.add_argument("--set", required=True, help="a set of kind `puppets` in params.yaml")
    parser.add_argument("--raw", type=Path, required=True, help="folder of fetched sources, data/raw")
    parser.add_argument("--out", type=Path, required=True, help="folder to make, data/SCALE/frames/SET")
    parser.add_argument("--exact", type=Path, required=True, help="folder of true key points to make, data/SCALE/exact/SET")


def run(args, config):
    make_set(args.set, config, args.raw, args.out, args.exact)


def make_set(name, config, raw, out, exact):
    """Render all clips of the set `name` into `out` (frames, clips.csv) and their true key points into `exact`; run.json in both."""
    data, puppets = config.data, config.data.puppets
    if name not in data.sets or data.sets[name].kind != "puppets":
        known = [known for known, spec in data.sets.items() if spec.kind == "puppets"]
        raise UserError(f"--set: expected a set of kind puppets ({', '.join(known) or 'none is declared'}), got {name!r}")
    motions = load_motions(Path(raw) / SOURCE)
    for field in ("train_motions", "test_motions"):
        if unknown := sorted(set(getattr(puppets, field)) - set(motions)):
            raise UserError(f"data.puppets.{field}: expected motions of {', '.join(motions)}; got {', '.join(unknown)}")
    if both := sorted(set(puppets.train_motions) & set(puppets.test_motions)):
        raise UserError(f"data.puppets: expected test_motions that are not among train_motions, {', '.join(both)} is in both; take it out of one")
    motions = {motion: resample(motions[motion], FPS) for motion in (*puppets.train_motions, *puppets.test_motions)}
    with atomic_dir(out) as frames_folder, atomic_dir(exact) as exact_folder:
        rows = []
        for clip, split, scene in all_clips(config, motions, data.sets[name].split):
            character, background, joints, camera = scene
            frames, xy = render_clip(character, background, joints, camera, data.size, puppets.supersample)
            digest = clips.write_clip(frames_folder / clip, frames)
            found = ~np.isnan(xy).any(axis=-1)
            limbs = limb_lengths(joints, camera, data.size)
            keypoints.save(Keypoints(xy, found.astype(np.float32), (data.size, data.size), "exact", limbs=limbs), exact_folder / f"{clip}.npz")
            rows.append({"id": clip, "split": split, "source": "puppets", "fps": FPS, "frames": len(frames),
                         "height": data.size, "width": data.size, "sha256": digest})
        clips.write_table(frames_folder, rows)
        record = {"command": f"puppets {name}", "seed": config.seed, "inputs": [Path(raw) / SOURCE],
                      "config": {"size": data.size, "clip_frames": data.clip_frames, "puppets": puppets.options(data.sets[name].split)}}
        provenance.write_run(frames_folder, **record)
        provenance.write_run(exact_folder, **record)


def all_clips(config, motions, split=None):
    """Yield (id, split, (character, background, joints, camera)) for every clip; each depends on the seed and its own number alone. split: FURTHER for the
    further clips alone, None for all others."""
    puppets, length = config.data.puppets, config.data.clip_frames
    if split == FURTHER:
        yield from _unseen(config, motions, FURTHER)
        return
    train = [motions[name] for name in puppets.train_motions]
    for index in range(puppets.train_clips):
        rng = seeds.rng(config.seed, "puppet_train", index)
        character, background = _person(rng)
        camera, joints = stage(character, training_motion(train, length, rng), rng)
        yield f"puppet_train_{index:03d}", "train", (character, background, joints, camera)
    yield from _unseen(config, motions, "test")
    for index in range(puppets.bizarre_characters):
        rng = seeds.rng(config.seed, "bizarre", index)
        character, background = Character.odd(rng, index), random_scene(rng)
        pose = character.retarget(standing_pose(arms=float(rng.uniform(0.35, 0.6))))
        camera, joints = place_camera(pose, character.height(), 0.86, float(rng.normal(0, 0.12)), 0.06, headroom=extra_height(character))
        yield f"bizarre_{index:02d}", "bizarre", (character, background, joints, camera)


def _unseen(config, motions, split):
    """Clips of characters and motions that are never trained on, as of all_clips."""
    for index, (clip, name) in enumerate(config.data.puppets.unseen(split)):
        rng = seeds.rng(config.seed, f"puppet_{split}", index)
        character, background = _person(rng)
        joints = excerpt(motions[name], config.data.clip_frames, _upright_start(motions[name], rng))
        joints = turned(joints, -facing(joints[:1]))  # the first frame is the source: it shows the face
        camera, joints = stage(character, joints, rng, azimuth=float(rng.normal(0, 0.25)))
        yield clip, split, (character, background, joints, camera)


def _person(rng):
    return Character.random(rng, KINDS[rng.integers(len(KINDS))]), random_scene(rng)


def _upright_start(motion, rng):
    """A random frame of the motion in which the person stands upright; its first frame if there is none."""
    head, pelvis = motion.joints[:, JOINT["crown"], 1], motion.joints[:, JOINT["pelvis"], 1]
    upright = np.flatnonzero((head - pelvis > 0.65) & (pelvis > 0.6))
    return int(rng.choice(upright)) if len(upright) else 0

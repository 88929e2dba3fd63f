"""Generate a row of the tables: all clips of a split. What is done stays done when it is interrupted."""

import shutil
from pathlib import Path

from tcan.data import clips
from tcan.errors import UserError
from tcan.files import atomic_dir, keep_run, sha256_of_folder
from tcan.pose import keypoints
from tcan.progress import Progress
from tcan.provenance import write_run
from tcan.seeds import generator

SPLITS = ("test", "bizarre")


def add_arguments(parser):
    parser.add_argument("row", help="a row of params.yaml")
    parser.add_argument("--split", choices=SPLITS, required=True)
    parser.add_argument("--data", type=Path, required=True, help="data/<scale>")
    parser.add_argument("--model", type=Path, help="folder of the row's model (none for a baseline)")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--run", type=Path, required=True, help="folder of the clips done so far")


def run(args, config):
    from tcan.pose.draw import draw

    row, options = config.row(args.row), config.generation(args.row)
    if (row.model is None) != (args.model is None):
        raise UserError(f"generate {args.row}: expected --model for a row with a model, and none for a baseline, got {args.model}")
    animate = _baseline(row.baseline) if row.baseline else _pipeline(args.model, options, config.seed)
    pairs = test_pairs(args.data, config) if args.split == "test" else bizarre_pairs(args.data, config, options.pairing)
    inputs = [args.model] if args.model else []
    resolved = {**config.resolved("data", "pose"), "row": args.row, "baseline": row.baseline, "generate": vars(options)}
    keep_run(args.run, {"config": resolved, "seed": config.seed, "model": sha256_of_folder(args.model) if args.model else None,
                         "pairs": [name for name, _, _ in pairs]})
    progress = Progress(f"{args.row} {args.split}", len(pairs))
    for number, (name, source, points) in enumerate(pairs):
        if not (args.run / name).exists():
            frames = animate(source, draw(points, config.pose.canvas, source.shape[:2]), name)
            with atomic_dir(args.run / name) as folder:
                clips.write_clip(folder, frames)
        progress.update(number + 1, name)
    with atomic_dir(args.out) as folder:
        for name, _, _ in pairs:
            shutil.copytree(args.run / name, folder / name)
        write_run(folder, command=f"generate {args.row} {args.split}", config=resolved, seed=config.seed, inputs=inputs)
    shutil.rmtree(args.run)


def test_pairs(data, config):
    """[(clip, source, key points)]: the source is the clip's first frame, and all its frames are driven."""
    return [(clip.id, clips.read_clip(clip.folder, first=1)[0], keypoints.load(clip.poses))
            for clip in clips.find(data, config.data.sets, "test").itertuples()]


def bizarre_pairs(data, config, pairing):
    """[(character__clip, source, retargeted key points)]: characters of odd proportions, driven by the test videos (section 4.2)."""
    from tcan.pose.retarget import retarget

    characters = list(clips.find(data, config.data.sets, "bizarre").itertuples())
    driving = list(clips.find(data, config.data.sets, "test").itertuples())
    if not driving:
        raise UserError(f"{data}: expected test videos to drive the characters, found none; check the splits in params.yaml")
    if pairing == "product":
        chosen = [(character, clip) for character in characters for clip in driving]
    else:
        chosen = [(character, driving[index % len(driving)]) for index, character in enumerate(characters)]
    return [(f"{character.id}__{clip.id}", clips.read_clip(character.folder)[0],
             retarget(keypoints.load(clip.poses), keypoints.load(character.poses))) for character, clip in chosen]


def _baseline(name):
    from tcan.baselines import BASELINES

    return lambda source, poses, clip: BASELINES[name](source, poses)


def _pipeline(folder, options, seed):
    import torch

    from diffusers.utils import logging

    from tcan import TCANPipeline

    logging.disable_progress_bar()
    pipeline = TCANPipeline.from_pretrained(folder, dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)

    def animate(source, poses, clip):
        return pipeline(source, poses, num_inference_steps=options.steps, guidance_scale=options.guidance, window=options.window,
                        overlap=options.overlap, closed_loop=options.closed_loop, tau=options.tau if options.ptm else None,
                        ptm_scope=options.ptm_scope, generator=generator(seed, "noise", clip)).frames

    return animate

"""Generate a row of the tables: all clips of a split. What is done stays done when it is interrupted."""

import shutil
from pathlib import Path

from tcan.data import clips
from tcan.device import best
from tcan.errors import UserError
from tcan.files import atomic_dir, keep_run, sha256_of_folder
from tcan.generate.cases import SPLITS, cases_of
from tcan.imports import sha256_of_code
from tcan.progress import Progress
from tcan.provenance import write_run
from tcan.seeds import generator


def add_arguments(parser):
    parser.add_argument("row", help="a row of params.yaml")
    parser.add_argument("--split", choices=SPLITS, required=True)
    parser.add_argument("--data", type=Path, required=True, help="data/<scale>")
    parser.add_argument("--model", type=Path, help="folder of the row's model (none for a baseline)")
    parser.add_argument("--foundation", type=Path, help="folder of the foundation models, for the baseline autoencoder")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--run", type=Path, required=True, help="folder of the clips done so far")


def run(args, config):
    row, options = config.row(args.row), config.generation(args.row)
    if (row.model is None) != (args.model is None):
        raise UserError(f"generate {args.row}: expected --model for a row with a model, and none for a baseline, got {args.model}")
    if (row.baseline == "autoencoder") != (args.foundation is not None):
        raise UserError(f"generate {args.row}: expected --foundation for the baseline autoencoder alone, got {args.foundation}")
    animate = _baseline(row.baseline, args.foundation) if row.baseline else _pipeline(args.model, options, config.seeded(row.seed))
    cases = cases_of(args.split, args.data, config, row, options)
    inputs = [args.model or args.foundation / "vae"] if args.model or args.foundation else []
    resolved = {**config.resolved("data", "pose"), "row": args.row, "baseline": row.baseline, "poses": row.poses, "errors": row.errors,
                "retarget": row.retarget, "noise": row.seed, "generate": vars(options)}
    device = best() if args.model else "cpu"
    keep_run(args.run, {"code": sha256_of_code(__name__), "config": resolved, "device": device, "seed": config.seed,
                        "inputs": [sha256_of_folder(path) for path in inputs], "cases": [(case.name, case.sha256) for case in cases]})
    progress = Progress(f"{args.row} {args.split}", len(cases))
    for number, case in enumerate(cases):
        if not (args.run / case.name).exists():
            frames = animate(case)
            with atomic_dir(args.run / case.name) as folder:
                clips.write_clip(folder, frames, case.numbers)
        progress.update(number + 1, case.name)
    with atomic_dir(args.out) as folder:
        for case in cases:
            shutil.copytree(args.run / case.name, folder / case.name)
        write_run(folder, command=f"generate {args.row} {args.split}", config=resolved, seed=config.seed, inputs=inputs, device=device)
    shutil.rmtree(args.run)


def _baseline(name, foundation):
    from tcan.baselines import baseline

    return baseline(name, foundation)


def _pipeline(folder, options, config):
    """A function from a Case to its frames. On a GPU in half precision, as Stable Diffusion is run; on a CPU in single."""
    import torch

    from diffusers.utils import logging

    from tcan import TCANPipeline
    from tcan.pose.draw import draw

    logging.disable_progress_bar()
    device = best()
    pipeline = TCANPipeline.from_pretrained(folder, dtype=torch.float32 if device == "cpu" else torch.float16).to(device)
    pipeline.set_progress_bar_config(disable=True)

    def animate(case):
        poses = draw(case.points, config.pose.canvas, case.source.shape[:2])
        return pipeline(case.source, poses, num_inference_steps=options.steps, guidance_scale=options.guidance, window=options.window,
                        overlap=options.overlap, closed_loop=options.closed_loop, tau=options.tau if options.ptm else None,
                        ptm_scope=options.ptm_scope, noise=options.noise, generator=generator(config.seed, "noise", case.name)).frames

    return animate

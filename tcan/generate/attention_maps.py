"""Where the temporal attention is spread over the frames, and where it is not, with and without the temperature map (section 3.3, Fig. 4)."""

from pathlib import Path

import numpy as np

from tcan.errors import UserError
from tcan.files import atomic_dir
from tcan.generate.cases import cases_of
from tcan.provenance import write_run
from tcan.seeds import generator

LAST = 3  # denoising steps that are looked at: the picture is there by then, and the first step sees nothing but noise


def add_arguments(parser):
    parser.add_argument("row", help="a row of params.yaml, one with a model")
    parser.add_argument("--data", type=Path, required=True, help="data/<scale>")
    parser.add_argument("--model", type=Path, required=True, help="folder of the row's model")
    parser.add_argument("--clip", required=True, help="a test clip's id; its first window is generated")
    parser.add_argument("--out", type=Path, required=True, help="folder to make: maps.npz and run.json")


def run(args, config):
    row, options = config.row(args.row), config.generation(args.row)
    if row.model is None:
        raise UserError(f"attention {args.row}: expected a row with a model, got the baseline {row.baseline}; name another row")
    cases = {case.name: case for case in cases_of("test", args.data, config, row, options)}
    if args.clip not in cases:
        raise UserError(f"--clip: expected one of the test clips {', '.join(cases)}, got {args.clip}")
    seed = config.seeded(row.seed).seed
    maps = attention_maps(_pipeline(args.model), cases[args.clip], options, config.pose.canvas, generator(seed, "noise", args.clip))
    with atomic_dir(args.out) as folder:
        np.savez(folder / "maps.npz", row=np.asarray(args.row), clip=np.asarray(args.clip), **maps)
        resolved = {**config.resolved("data", "pose"), "row": args.row, "clip": args.clip, "poses": row.poses, "generate": vars(options), "last_steps": LAST}
        write_run(folder, command=f"attention {args.row} {args.clip}", config=resolved, seed=seed, inputs=[args.model])


def attention_maps(pipeline, case, options, canvas, noise):
    """The temporal self-attention of a Case's first window, at the last LAST denoising steps of its generation as the row's `options` say.

    At each of these steps the denoising UNet sees the same latents, source and poses once without the temperature map and once with it, at the row's
    tau, unguided. The window is generated alone, so that its latents are the row's but for what its neighbours would have averaged into them.

    Returns float32 arrays: temperature (h', w'), T of equation 5 at the latents' size; body (h, w), 1 where any frame's pose is drawn;
    frames_attended_{without,with} (f, h', w'), in 1..f: over how many frames the attention of frame f is spread (exp of the entropy);
    weight_elsewhere_{without,with} (f, h', w'), in 0..1: the part of it that goes to other frames. Both are means over heads, layers and steps.
    """
    import torch

    from tcan.models.attention_record import AttentionRecord
    from tcan.models.autoencoder import factor
    from tcan.pose.draw import draw, mask

    if options.steps < 2:
        raise UserError(f"generate.steps: expected at least 2, since the first step sees nothing but noise, got {options.steps}; name another row or scale")
    poses = draw(case.points.frames(slice(options.window)), canvas, case.source.shape[:2])
    latents = torch.empty(1, 1, 1, *(side // factor(pipeline.vae) for side in case.source.shape[:2]), device=pipeline._execution_device)
    [heat] = pipeline._heats(poses, [list(range(len(poses)))], options.tau, "window", latents)
    record = AttentionRecord(latents.shape[-2:])
    record.attach(pipeline.unet)

    def look(pipeline, step, timestep, tensors):
        if options.steps - 1 - LAST <= step < options.steps - 1:  # the latents are those of the step to come
            upcoming = pipeline.scheduler.timesteps[step + 1]
            scaled = pipeline.scheduler.scale_model_input(tensors["latents"], upcoming)
            for name, temperature in (("without", None), ("with", heat)):
                with record.into(name):
                    pipeline._predict(scaled, upcoming, poses, 1, temperature)
        return {}

    pipeline(case.source, poses, num_inference_steps=options.steps, guidance_scale=options.guidance, window=options.window, overlap=options.overlap,
             tau=options.tau if options.ptm else None, noise=options.noise, generator=noise, callback_on_step_end=look)
    maps = {f"{measure}_{name}": values for name in ("without", "with") for measure, values in record.means(name).items()}
    return {"temperature": heat[0].float().cpu().numpy(), "body": mask(poses).astype(np.float32), **maps}


def _pipeline(folder):
    import torch

    from diffusers.utils import logging

    from tcan import TCANPipeline

    logging.disable_progress_bar()
    pipeline = TCANPipeline.from_pretrained(folder, dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline

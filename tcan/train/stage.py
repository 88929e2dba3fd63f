"""From a stage's networks to its folder: what both stages do alike."""

import time

from tcan.files import atomic_dir
from tcan.provenance import identities, write_run
from tcan.train import loop

OPTIONS = ("steps", "learning_rate", "checkpoint_every", "gradient_clip", "accumulate", "ema", "live_curves", "sample_every")  # of loop.train


def train_stage(stage, loss, sample, strip, processes, args, config, *, name, options, inputs, resolved, code):
    """Train a stage, and write its folder `args.out` from the main process.

    stage: Stage1 or Stage2; loss, sample: as in tcan.train.loop.train; strip: the Strips that `sample` writes to; name: of the command, "stage1 appa";
    options: the stage's section of params.yaml; inputs: files and folders that it was made of; resolved: the configuration that it depends on;
    code: as in loop.train.
    """
    started = time.time()
    losses = loop.train(stage.modules, loss, name=name.replace(" ", "-"), config=resolved | identities(*inputs), code=code, seed=config.seed,
                        processes=processes, sample=sample, run=args.run, stream=name.split()[0], **{option: getattr(options, option) for option in OPTIONS})
    if processes.is_main_process:
        with atomic_dir(args.out) as folder:
            stage.save(folder)
            strip.keep(folder)
            loop.write_curve(folder, losses)
            write_run(folder, command=name, config=resolved, seed=config.seed, device=processes.device, inputs=inputs, extra=loop.figures(losses, started))

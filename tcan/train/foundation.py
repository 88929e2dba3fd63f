"""What the paper downloads and a machine without a hub must make: autoencoder, base UNet with pose ControlNet, motion modules.

Stand-ins in diffusers' classes and folders (the autoencoder is one of our own on its base classes), so that every rule after them is the paper's
rule. Trained on rendered people in all poses, and on photographed ones where params.yaml says so:

- pool, finished_pool, photographed_pool: rendered people, a few pictures each of one person in one scene, with their drawn poses; in the second like
  photographs of all sorts, in the third photographed people too.
- autoencoder: pictures to latents and back (tcan/train/autoencoder.py).
- draft, sharpened and photographed: base UNet and ControlNet together, in three parts (tcan/train/denoiser.py), each on a pool of its own.
- decoder: the autoencoder once more, its decoder finished on what the last of them makes (tcan/train/decoder.py).
- denoiser: base UNet and ControlNet along generation's own steps, judged by what that decoder makes of them (tcan/train/rollouts.py).
- mm1, mm2: motion modules on clips, everything else frozen (tcan/train/motion_modules.py).

On a GPU where there is one. What is drawn (pictures, noise, timesteps) is drawn on the CPU, so that both devices are trained on the same.
"""

from tcan.commands.foundation import PARTS
from tcan.errors import UserError
from tcan.train import autoencoder, decoder, denoiser, motion_modules, pools, rollouts

SHARPENINGS = {"sharpened": "sharpening", "photographed": "photographs"}  # their sections
SECTIONS = ("data", "pose", "foundation", "diffusion", "appearance")


def run(args, config):
    for option in (*PARTS[args.part], *(() if args.part.endswith("pool") else ("run",))):
        if getattr(args, option) is None:
            raise UserError(f"foundation {args.part}: expected --{option}, got none")
    match args.part:
        case "pool" | "finished_pool" | "photographed_pool":
            pools.make(args, config)
        case "autoencoder":
            autoencoder.train(args, config, SECTIONS)
        case "draft":
            denoiser.draft(args, config, SECTIONS)
        case "sharpened" | "photographed":
            denoiser.sharpen(args, config, SECTIONS, SHARPENINGS[args.part])
        case "decoder":
            decoder.train(args, config, SECTIONS)
        case "denoiser":
            rollouts.train(args, config, SECTIONS)
        case _:
            motion_modules.train(args, config, SECTIONS)

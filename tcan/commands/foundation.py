"""`tcan foundation`: see tcan/train/foundation.py."""

from pathlib import Path

PARTS = {  # and what each needs
    "pool": (), "finished_pool": (), "autoencoder": ("pool",), "draft": ("pool", "vae"), "denoiser": ("pool", "vae", "draft"),
    "mm1": ("vae", "denoiser"), "mm2": ("vae", "denoiser"),
}


def add_arguments(parser):
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--raw", type=Path, default=Path("data/raw"), help="fetched sources (motion capture)")
    parser.add_argument("--pool", type=Path, help="the rendered scenes (for autoencoder and draft; for denoiser the finished_pool)")
    parser.add_argument("--vae", type=Path, help="the autoencoder's folder (for draft, denoiser, mm1 and mm2)")
    parser.add_argument("--draft", type=Path, help="the draft's folder, with unet/ and controlnet/ (for denoiser)")
    parser.add_argument("--denoiser", type=Path, help="the denoiser's folder (for mm1 and mm2)")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--run", type=Path, help="folder of the resumable checkpoint (for all but the pools)")


def run(args, config):
    from tcan.train import foundation

    foundation.run(args, config)

"""`tcan foundation`: see tcan/train/foundation.py."""

from pathlib import Path

PARTS = {  # and what each needs
    "pool": (), "finished_pool": (), "photographed_pool": (), "autoencoder": ("pool",), "draft": ("pool", "vae"),
    "sharpened": ("pool", "vae", "start"), "photographed": ("pool", "vae", "start"),
    "decoder": ("pool", "vae", "denoiser"), "denoiser": ("pool", "photographed", "vae", "start"),
    "mm1": ("vae", "denoiser"), "mm2": ("vae", "denoiser"),
}


def add_arguments(parser):
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--raw", type=Path, default=Path("data/raw"), help="fetched sources (motion capture)")
    parser.add_argument("--pool", type=Path,
                        help="the scenes: pool for autoencoder, draft, decoder and denoiser, finished_pool for sharpened, photographed_pool for photographed")
    parser.add_argument("--photographed", type=Path, help="photographed_pool, for denoiser beside the other")
    parser.add_argument("--vae", type=Path,
                        help="the autoencoder's folder (for draft, sharpened, photographed, decoder, mm1 and mm2), or the decoder's (for denoiser)")
    parser.add_argument("--start", type=Path,
                        help="folder with unet/ and controlnet/ to go on from: the draft for sharpened, which is it for photographed, which is it for denoiser")
    parser.add_argument("--denoiser", type=Path, help="the denoiser's folder (for mm1 and mm2), or photographed's (for decoder)")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--run", type=Path, help="folder of the resumable checkpoint (for all but the pools)")


def run(args, config):
    from tcan.train import foundation

    foundation.run(args, config)

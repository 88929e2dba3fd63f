"""`tcan weights`: see tcan/models/conversion.py."""

from pathlib import Path

from tcan.sections import CONTROLNETS, DTYPES, SHAPES, UNETS

PARTS = ("vae", "denoiser", "appearance", "mm1", "mm2")


def add_arguments(parser):
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--raw", type=Path, default=Path("data/raw"), help="fetched sources (default: %(default)s)")
    parser.add_argument("--denoising", choices=UNETS, default=UNETS[0], help="of denoiser: the denoising UNet (default: the paper's, %(default)s)")
    parser.add_argument("--controlnet", choices=CONTROLNETS, default=CONTROLNETS[0], help="of denoiser (default: the paper's, %(default)s)")
    parser.add_argument("--appearance", choices=UNETS, default=UNETS[1], help="what the appearance UNet starts from (default: the paper's, %(default)s)")
    parser.add_argument("--dtype", choices=DTYPES, default=DTYPES[0], help="of the weights; float16 takes half the disk and rounds them (default: %(default)s)")
    parser.add_argument("--shape", choices=SHAPES, default=SHAPES[0], help="that the networks must have; any: for toy-sized stand-ins (default: %(default)s)")
    parser.add_argument("--out", type=Path, required=True, help="folder to fill, models/<scale>/foundation/PART")


def run(args, config):
    from tcan.models import conversion

    conversion.run(args, config)
